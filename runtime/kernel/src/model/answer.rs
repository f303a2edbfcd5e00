//! What comes back from a model.

use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::fault::ProviderFault;
use super::message::{Content, ModelMessage, ModelRole, Part, Reasoning, ToolCall};
use crate::{Reported, Usage};

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It reached `max_tokens` or its context window.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// The provider filtered the answer.
    ContentFilter,
}

/// What happens during a try, in order. A stream that ends without `End` was truncated: that is a fault.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// More visible text.
    Content(String),
    /// More of what the model thinks, as far as it is shown. Not content.
    Thinking(String),
    /// A whole thought, with what must go back to the provider.
    Reasoned(Reasoning),
    /// A whole tool call.
    ToolCall(ToolCall),
    /// The model works on something that is not shown: a part of a tool call, hidden reasoning. Not content: it only
    /// says that the try has not stalled.
    Progress,
    /// What the provider says is left of the account's allowance. Says nothing about the try.
    Quota(Quota),
    /// What it has used until now. Says nothing else about the try, and counts only for one that ends early.
    Used(Reported),
    /// The answer is complete.
    End {
        /// Why it ended.
        finish: FinishReason,
        /// What it used; none when the upstream gave no figures.
        usage: Option<Usage>,
    },
}

/// What is left of an account's allowance, as the headers of an answer tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Requests left.
    pub requests_left: Option<u64>,
    /// Tokens left.
    pub tokens_left: Option<u64>,
    /// When all of it is there again.
    pub resets_in: Option<Duration>,
}

/// A model's finished answer, as journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswer {
    /// The visible text.
    pub content: String,
    /// What it thought before, in order: to be given back with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasoning: Vec<Reasoning>,
    /// Tools it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: FinishReason,
    /// What the call used.
    pub usage: Usage,
    /// Which provider served it.
    pub provider: String,
    /// Which of its models.
    pub model: String,
}

impl ModelAnswer {
    /// The answer as the next message of its conversation, thoughts and tool calls included.
    pub fn into_message(self) -> ModelMessage {
        let content = if self.reasoning.is_empty() {
            Content::Text(self.content)
        } else {
            let thoughts = self.reasoning.into_iter().map(Part::Reasoning);
            let text = (!self.content.is_empty()).then(|| Part::text(self.content));
            Content::Parts(thoughts.chain(text).collect())
        };
        ModelMessage {
            tool_calls: self.tool_calls,
            ..ModelMessage::new(ModelRole::Assistant, content)
        }
    }
}

/// The events of one try.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ProviderFault>>;

/// Vectors, in the order of the inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One vector an input.
    pub vectors: Vec<Vec<f32>>,
    /// What the call used; none when the upstream gave no figures.
    pub usage: Option<Usage>,
}
