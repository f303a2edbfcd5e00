//! What a try brings: signs while it runs, and what they come to.

use std::time::Duration;

use bytes::Bytes;
use greenroom_kernel::{
    Failure, FinishReason, ProviderFault, Quota, Reach, Reasoning, Reported, ToolCall, Usage,
};

/// What a try has brought so far, whether it ends well or not.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) content: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) reasoning: Vec<Reasoning>,
    /// Bytes of a relayed answer's content.
    pub(crate) relayed: u64,
    /// What the provider last said that it used.
    pub(crate) reported: Option<Reported>,
    /// How many bytes of content those figures count.
    pub(crate) counted: u64,
    /// What the provider said of our allowance.
    pub(crate) quota: Option<Quota>,
    /// From the dispatch to the model's first sign, shown or not.
    pub(crate) first_sign: Option<Duration>,
    /// From the dispatch to the first text or tool call.
    pub(crate) first_content: Option<Duration>,
}

impl Brought {
    /// Bytes of its content.
    pub(crate) fn said(&self) -> u64 {
        let calls: usize = self.calls.iter().map(|call| call.arguments.len()).sum();
        (self.content.len() + calls) as u64 + self.relayed
    }

    /// Bytes of its content that came behind the last figures.
    pub(crate) fn uncounted(&self) -> u64 {
        self.said().saturating_sub(self.counted)
    }

    /// The provider said what it used.
    pub(crate) fn used(&mut self, reported: Reported) {
        let reported = Reported {
            usage: reported.usage.bounded(),
            ..reported
        };
        let ahead = match reported.output {
            Reach::Until { ahead } => u64::from(ahead),
            Reach::Begun | Reach::Whole => 0,
        };
        self.counted = self.said() + ahead;
        self.reported = Some(reported);
    }
}

/// A whole answer's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) finish: FinishReason,
    pub(crate) usage: Option<Usage>,
}

impl Ended {
    /// With the provider's figures, as far as they can be.
    pub(super) fn new(finish: FinishReason, usage: Option<Usage>) -> Self {
        Self {
            finish,
            usage: usage.map(Usage::bounded),
        }
    }
}

/// What a try brings while it runs.
#[derive(Debug)]
pub(crate) enum Sign {
    Text(String),
    Thinking(String),
    Call(ToolCall),
    /// Bytes of a relayed answer, to be passed on. They come once there is content behind them.
    Piece(Bytes),
    /// The model works on what isn't shown.
    Working,
    /// The answer is whole.
    End(Ended),
}

/// Why a try ended without an answer.
#[derive(Debug)]
pub(crate) enum TryError {
    Fault(ProviderFault),
    /// A deadline of ours has passed. Its provider has the request, and may be at work on it.
    Stalled(ProviderFault),
    /// The caller left.
    Cancelled,
    /// The call's own time is up: nobody's fault.
    TimeUp,
    /// A budget refuses it. Nobody was asked.
    Refused(Box<Failure>),
}
