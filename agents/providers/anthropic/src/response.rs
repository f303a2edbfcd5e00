//! What comes back: the events of an answer, and whole ones. What isn't known is passed over, since the wire grows.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use greenroom_kernel::{FinishReason, Reach, Reported, Usage};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        index: u32,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u32,
        delta: Delta,
    },
    ContentBlockStop {
        index: u32,
    },
    MessageDelta {
        delta: Ended,
        #[serde(default)]
        usage: Option<WireUsage>,
    },
    MessageStop,
    Ping,
    Error {
        error: Value,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Started {
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        #[serde(default)]
        id: String,
        #[serde(default)]
        name: String,
        /// Empty by the contract, since its text follows; some servers send it whole.
        #[serde(default)]
        input: Value,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        #[serde(default)]
        data: String,
    },
    /// The provider's own tools, and whatever else there will be.
    #[serde(other)]
    Unseen,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    /// Citations, and whatever else there will be.
    #[serde(other)]
    Unseen,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ended {
    #[serde(default)]
    pub(crate) stop_reason: Option<String>,
}

/// Figures, cumulative: each is the last that came.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    pub(crate) fn updated(self, newer: Self) -> Self {
        Self {
            input_tokens: newer.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: newer.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: newer
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            output_tokens: newer.output_tokens.or(self.output_tokens),
            output_tokens_details: newer.output_tokens_details.or(self.output_tokens_details),
        }
    }
}

/// The figures of an answer, as they come.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    usage: Option<WireUsage>,
    /// What nobody has asked for yet.
    told: Option<Reported>,
}

impl Figures {
    /// More came: with the answer's beginning, within it, or with its end.
    pub(crate) fn update(&mut self, newer: Option<WireUsage>, at: At) {
        let Some(newer) = newer else {
            return;
        };
        let usage = self.usage.unwrap_or_default().updated(newer);
        self.usage = Some(usage);
        self.told = Some(Reported {
            usage: usage.into(),
            // At the beginning a server counts a token or so of all that it will say.
            output: match (at, newer.output_tokens) {
                (At::Beginning, _) | (_, None) => Reach::Begun,
                (At::Middle, Some(_)) => Reach::Until { ahead: 0 },
                (At::End, Some(_)) => Reach::Whole,
            },
        });
    }

    /// What was told since this was last asked.
    pub(crate) fn take(&mut self) -> Option<Reported> {
        self.told.take()
    }

    /// All of it.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.map(Usage::from)
    }
}

/// Where in an answer figures come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Beginning,
    Middle,
    End,
}

impl At {
    /// Of a `message_delta`.
    pub(crate) fn of(delta: &Ended) -> Self {
        match delta.stop_reason {
            Some(_) => Self::End,
            None => Self::Middle,
        }
    }
}

impl From<WireUsage> for Usage {
    /// The wire counts cached tokens apart from fresh ones, and thinking as a part of its output. A server may write
    /// any number: none is taken for more than 4294967295, so that sums hold.
    fn from(wire: WireUsage) -> Self {
        let count = |figure: Option<u64>| figure.unwrap_or(0).min(u64::from(u32::MAX));
        let output = count(wire.output_tokens);
        let details = wire.output_tokens_details.unwrap_or_default();
        let thinking = details.thinking_tokens.unwrap_or(0).min(output);
        Usage {
            input_tokens: count(wire.input_tokens),
            cached_input_tokens: count(wire.cache_read_input_tokens),
            cache_write_tokens: count(wire.cache_creation_input_tokens),
            output_tokens: output - thinking,
            reasoning_tokens: thinking,
            ..Usage::default()
        }
    }
}

/// Reads a stop reason; those nobody specified mean that the model stopped.
pub(crate) fn finish_reason(text: &str) -> FinishReason {
    match text {
        // A paused turn is not over. Only tools that run at the provider pause one: the adapter asks for none, and who
        // asks for them through a relay sees the pause in the answer's own words.
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// A whole answer of a request that was not streamed, as far as its end goes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Whole {
    Message {
        #[serde(default)]
        content: Option<Vec<Piece>>,
        #[serde(default)]
        stop_reason: Option<String>,
        #[serde(default)]
        usage: Option<WireUsage>,
    },
    Error {
        error: Value,
    },
}

/// A block of a whole answer, as far as its kind goes.
#[derive(Debug, Deserialize)]
pub(crate) struct Piece {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

impl Piece {
    pub(crate) fn is_call(&self) -> bool {
        self.kind.as_deref() == Some("tool_use")
    }
}
