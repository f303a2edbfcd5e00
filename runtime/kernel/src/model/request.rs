//! What is asked of a model.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::{CacheFor, ModelMessage};

/// A tool a model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// Everything up to here may be kept in the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheFor>,
}

/// Whether the model may, must or must not ask for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As the model sees fit.
    #[default]
    Auto,
    /// None, though the model is told of them.
    None,
    /// At least one, whichever.
    Required,
    /// This one.
    Tool(String),
}

impl ToolChoice {
    /// Whether it is left to the model: what a request that says nothing means.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// The form that an answer's text must have. A provider that can't hold a model to it refuses the request: it never
/// answers in another form. What a finished answer (`FinishReason::Stop`) holds has the form; one that was cut
/// (`FinishReason::Length`) may not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputFormat {
    /// Any text.
    #[default]
    Text,
    /// One JSON value that validates against a schema.
    JsonSchema {
        /// What the schema is called: `[A-Za-z0-9_-]{1,64}`, shown to the model by some providers.
        name: String,
        /// JSON Schema. Which of its words are known depends on the provider; an unknown one is refused.
        schema: Value,
    },
    /// Text that a regular expression matches as a whole.
    Regex {
        /// The expression, in the syntax of the `regex` crate, without look-around and back-references.
        pattern: String,
    },
}

impl OutputFormat {
    /// Whether any text will do: what a request that says nothing means.
    pub fn is_text(&self) -> bool {
        *self == Self::Text
    }

    /// Whether any JSON object will do. Providers that hold answers to closed schemas alone can't be told so, and are asked
    /// in words.
    pub fn is_any_object(&self) -> bool {
        matches!(self, Self::JsonSchema { schema, .. } if *schema == serde_json::json!({"type": "object"}))
    }
}

/// How much a model should think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningWish {
    /// Not at all.
    Off,
    /// In the provider's steps.
    Effort(Effort),
    /// At most so many tokens.
    Tokens(u32),
}

/// Steps of thinking. A provider that knows fewer of them takes the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than much.
    XHigh,
    /// All it can.
    Max,
}

/// A call of a model. `model` is a logical name, resolved by routing; none asks for the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelRequest {
    /// Logical model name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<ModelMessage>,
    /// Most tokens to answer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature; 0 is greedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Seed for repeatable sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Tools the model may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether it may, must or must not ask for one of them.
    #[serde(default, skip_serializing_if = "ToolChoice::is_auto")]
    pub tool_choice: ToolChoice,
    /// The form of the answer's text. Tools that the model asks for are not bound by it.
    #[serde(default, skip_serializing_if = "OutputFormat::is_text")]
    pub output: OutputFormat,
    /// How much to think; none leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningWish>,
    /// Whether several tools may be asked for at once; none leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// An opaque name of the end user, for the provider's abuse detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The last message is the beginning of the answer, and the answer goes on from it; said where that must not be left to
    /// how a server takes such a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// Texts to be turned into vectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EmbeddingRequest {
    /// Logical model name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What to embed, in order; at least one.
    pub inputs: Vec<EmbeddingInput>,
    /// How long each vector should be; none takes the model's own length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// An opaque name of the end user, for the provider's abuse detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
}

/// One input of an embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// Text.
    Text(String),
    /// Tokens of the model's own tokenizer.
    Tokens(Vec<u32>),
}
