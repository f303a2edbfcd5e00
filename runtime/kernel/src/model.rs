//! The port to a model provider: one try is a request, a stream of events, and an end or a fault.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{ErrorCode, Failure, Timestamp, Usage};

/// Who said a message, in a conversation with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelRole {
    /// Instructions.
    System,
    /// A person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// A model's wish to call a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, repeated with its result.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments, JSON text as the model wrote it.
    pub arguments: String,
}

/// One message to or from a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelMessage {
    /// Who said it.
    pub role: ModelRole,
    /// The text.
    pub content: String,
    /// Tools the assistant asked for in this message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ModelMessage {
    /// A message of text alone.
    pub fn text(role: ModelRole, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }
}

/// A tool a model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
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
}

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
    /// A whole tool call.
    ToolCall(ToolCall),
    /// The model works on something that is not shown: reasoning, a part of a tool call. Not content: it only
    /// says that the try has not stalled.
    Progress,
    /// The answer is complete.
    End {
        /// Why it ended.
        finish: FinishReason,
        /// What it used; none when the upstream gave no figures.
        usage: Option<Usage>,
    },
}

/// A model's finished answer, as journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswer {
    /// The visible text.
    pub content: String,
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

/// Fault classes of a try. Only provider faults move a breaker; client faults are never retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// A passing fault: reset, 5xx, truncation, stall.
    Transient,
    /// 429 and its kin.
    Throttled,
    /// The provider says it is overloaded.
    Overloaded,
    /// Wrong credentials, wrong configuration, not loaded.
    HardDown,
    /// The request is at fault.
    BadRequest,
    /// The conversation does not fit the model.
    ContextLength,
    /// Refused by a content filter.
    ContentFilter,
    /// The caller left.
    Cancelled,
}

impl FaultClass {
    /// Whether the provider, not the caller, is at fault.
    pub const fn is_provider_fault(self) -> bool {
        matches!(
            self,
            Self::Transient | Self::Throttled | Self::Overloaded | Self::HardDown
        )
    }

    /// Whether the same try may succeed on the same target later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::Overloaded)
    }
}

/// How a try failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider {provider}: {message}")]
pub struct ProviderFault {
    /// Which provider.
    pub provider: String,
    /// Which kind of fault.
    pub class: FaultClass,
    /// What happened and how to mend it.
    pub message: String,
    /// The provider's own word on when to come back.
    pub retry_after: Option<Duration>,
}

impl From<ProviderFault> for Failure {
    fn from(fault: ProviderFault) -> Self {
        let code = match fault.class {
            FaultClass::Transient => ErrorCode::ProviderFailed,
            FaultClass::Throttled | FaultClass::Overloaded => ErrorCode::ResourceExhausted,
            FaultClass::HardDown => ErrorCode::Unavailable,
            FaultClass::BadRequest | FaultClass::ContextLength => ErrorCode::BadUserInput,
            FaultClass::ContentFilter => ErrorCode::ProviderFailed,
            FaultClass::Cancelled => ErrorCode::Cancelled,
        };
        let retryable = fault.class.is_retryable() || fault.class == FaultClass::HardDown;
        let failure = Failure {
            retryable,
            ..Failure::new(code, fault.to_string())
        };
        match fault.retry_after {
            Some(wait) if retryable => failure.retry_after(wait),
            _ => failure,
        }
    }
}

/// What travels with a call beside its request.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// When the caller gives up.
    pub deadline: Option<Timestamp>,
    /// Fires when the caller left: the call stops within a second.
    pub cancel: CancellationToken,
}

/// The events of one try.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ProviderFault>>;

/// A model a backend serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name at the provider.
    pub name: String,
    /// Tokens of input and output together; none when unknown.
    pub context_window: Option<u32>,
}

/// One wire family's adapter: makes a try and reports its events. Holds no resilience: breaker, retries,
/// deadlines and failover sit above it.
#[async_trait]
pub trait ModelBackend: Send + Sync + 'static {
    /// The provider's configured name.
    fn name(&self) -> &str;

    /// What it serves, as far as it is known now; the first is its default.
    fn models(&self) -> Vec<ModelInfo>;

    /// Makes one try of `model`. Dropping the future or the stream, or firing `context.cancel`, cancels the
    /// upstream call.
    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault>;

    /// Whether it could serve now, cheaply; `Err` says why not and how to mend it.
    async fn probe(&self) -> Result<(), ProviderFault>;
}

/// The port to model calls made whole: routed, retried, failed over, priced.
#[async_trait]
pub trait Models: Send + Sync + 'static {
    /// Calls a model. Before the first content failover is invisible. A fault after it ends the stream with an
    /// error; a truncated answer never ends as success. `on_content` is called with each piece of text, and with
    /// what the call has used whenever that grows: a call that fails or is dropped has used what it was told last.
    async fn call(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure>;

    /// What one try of this request uses at least, by our own estimate: its input, priced where the target that
    /// comes first has a price.
    fn estimate(&self, request: &ModelRequest) -> Usage;

    /// Every provider's published state.
    fn providers(&self) -> Vec<ProviderStatus>;
}

/// What a call tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ContentPiece<'a> {
    /// More text.
    Text(&'a str),
    /// The call starts over: forget its text.
    Restart,
    /// What the call has used until now, all its tries together; estimated while a try runs.
    Used(Usage),
}

/// A provider as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// The process that holds this view.
    pub node: String,
    /// Its health.
    pub health: crate::Health,
    /// Its breaker.
    pub breaker: crate::BreakerState,
    /// How many calls may run at once.
    pub concurrency_limit: u32,
    /// How many do.
    pub in_flight: u32,
    /// Share of failed calls in the window, 0 to 1.
    pub error_rate: f64,
    /// Median duration of a whole call, milliseconds.
    pub latency_ms_p50: Option<u64>,
    /// Median time to first content, milliseconds.
    pub ttft_ms_p50: Option<u64>,
    /// The last fault.
    pub last_error: Option<String>,
}
