//! The port through which tries are counted.

use std::time::Duration;

use greenroom_kernel::{FaultClass, TryKind, Usage};

/// One try, ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TryRecord<'a> {
    /// Which provider.
    pub provider: &'a str,
    /// Which of its models.
    pub model: &'a str,
    /// Which try of its call, from 1.
    pub number: u32,
    /// Why it was made.
    pub kind: TryKind,
    /// Whether it was cancelled because another try of its call had content first.
    pub outrun: bool,
    /// Why it failed; none when it did not.
    pub fault: Option<FaultClass>,
    /// From its dispatch to its end.
    pub took: Duration,
    /// From its dispatch to the first text or tool call.
    pub first_content: Option<Duration>,
    /// What it used, priced; of a failed one what it is estimated to have used.
    pub usage: Usage,
}

impl TryRecord<'_> {
    /// `ok`, `outrun` or the fault's class: a label.
    pub fn class(&self) -> &'static str {
        if self.outrun {
            return "outrun";
        }
        self.fault.map_or("ok", class_name)
    }
}

/// A fault class as labels and spans name it.
pub(crate) const fn class_name(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Transient => "transient",
        FaultClass::Throttled => "throttled",
        FaultClass::Overloaded => "overloaded",
        FaultClass::HardDown => "hard_down",
        FaultClass::BadRequest => "bad_request",
        FaultClass::ContextLength => "context_length",
        FaultClass::ContentFilter => "content_filter",
        FaultClass::Cancelled => "cancelled",
    }
}

/// Whoever counts tries. Called once a try, on the caller's task: it must not block.
pub trait MetricsSink: Send + Sync + 'static {
    /// A try ended.
    fn tried(&self, record: &TryRecord<'_>);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMetrics;

impl MetricsSink for NoMetrics {
    fn tried(&self, _: &TryRecord<'_>) {}
}
