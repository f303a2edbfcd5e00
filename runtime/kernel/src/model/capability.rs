//! What a model can do.

use serde::{Deserialize, Serialize};

/// What is known of a model. What isn't known is taken to be possible: the provider is the one to refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Tokens of input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    /// Most tokens of one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u32>,
    /// It can ask for tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// It can be held to a JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    /// It continues an assistant's message that the request ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<bool>,
    /// It sees images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
    /// It thinks before it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// It answers in a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// It turns texts into vectors, and answers nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
}

impl Capabilities {
    /// What is known here, completed by what is known elsewhere.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            context_window: self.context_window.or(other.context_window),
            max_output: self.max_output.or(other.max_output),
            tools: self.tools.or(other.tools),
            json_schema: self.json_schema.or(other.json_schema),
            prefill: self.prefill.or(other.prefill),
            vision: self.vision.or(other.vision),
            reasoning: self.reasoning.or(other.reasoning),
            streaming: self.streaming.or(other.streaming),
            embeddings: self.embeddings.or(other.embeddings),
        }
    }
}

/// A model a backend serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name at the provider.
    pub name: String,
    /// What the provider itself says it can do.
    #[serde(default)]
    pub can: Capabilities,
}

impl ModelInfo {
    /// A model of which nothing is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            can: Capabilities::default(),
        }
    }

    /// A model with so many tokens of context.
    #[must_use]
    pub fn with_window(mut self, tokens: Option<u32>) -> Self {
        self.can.context_window = tokens;
        self
    }
}
