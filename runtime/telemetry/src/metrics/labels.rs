//! Label sets, and the bound on how many values one label may take.

use std::collections::HashSet;
use std::fmt::{Error, Write};
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use super::{BreakerOwner, Work};

/// Distinct values a label keeps; later ones are `other`.
pub(super) const MOST_VALUES: usize = 128;
/// Longer values are cut.
const LONGEST_VALUE: usize = 64;

/// The values one label has taken.
#[derive(Debug)]
pub(super) struct Bounded {
    seen: RwLock<HashSet<Arc<str>>>,
    other: Arc<str>,
}

impl Default for Bounded {
    fn default() -> Self {
        Self {
            seen: RwLock::default(),
            other: Arc::from("other"),
        }
    }
}

impl Bounded {
    /// The shared copy of `value`, or `other` when there are too many.
    pub(super) fn label(&self, value: &str) -> Label {
        let value = &value[..value.floor_char_boundary(LONGEST_VALUE)];
        if let Some(known) = self.seen.read().get(value) {
            return Label(Arc::clone(known));
        }
        let mut seen = self.seen.write();
        if let Some(known) = seen.get(value) {
            return Label(Arc::clone(known));
        }
        if seen.len() >= MOST_VALUES {
            return Label(Arc::clone(&self.other));
        }
        let new: Arc<str> = Arc::from(value);
        seen.insert(Arc::clone(&new));
        Label(new)
    }
}

/// A bounded label's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Label(Arc<str>);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        encoder.write_str(&self.0)
    }
}

impl EncodeLabelValue for Work {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        encoder.write_str(match self {
            Work::HttpRequests => "http_requests",
            Work::Subscriptions => "subscriptions",
            Work::Tasks => "tasks",
            Work::AgentCalls => "agent_calls",
            Work::ProviderCalls => "provider_calls",
        })
    }
}

impl EncodeLabelValue for BreakerOwner {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        encoder.write_str(match self {
            BreakerOwner::Provider => "provider",
            BreakerOwner::Agent => "agent",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Build {
    pub(super) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Agent {
    pub(super) agent: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AgentCode {
    pub(super) agent: Label,
    pub(super) code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StepLabels {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProviderLabel {
    pub(super) provider: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TryLabels {
    pub(super) provider: Label,
    pub(super) class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Request {
    pub(super) operation: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestStatus {
    pub(super) operation: Label,
    pub(super) status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WorkLabel {
    pub(super) work: Work,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BreakerLabels {
    pub(super) owner: BreakerOwner,
    pub(super) name: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Restart {
    pub(super) kind: Label,
}
