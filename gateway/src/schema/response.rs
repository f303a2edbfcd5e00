//! What an agent answered, what it used, how it failed.

use async_graphql::{Context, Object, Result, SimpleObject};
use greenroom_kernel::{Failure, TaskRow};

use super::enums::ErrorCode;
use super::reach::{Reach, int};
use super::scalars::Json;

/// Tokens by disjoint class, and what they cost.
#[derive(SimpleObject)]
pub(crate) struct Usage {
    /// Fresh input tokens.
    input_tokens: i32,
    /// Input tokens read from a cache.
    cached_input_tokens: i32,
    /// Input tokens written to a cache.
    cache_write_tokens: i32,
    /// Visible output tokens.
    output_tokens: i32,
    /// Reasoning tokens.
    reasoning_tokens: i32,
    /// US dollars; null when no price is known.
    cost_usd: Option<f64>,
    /// The provider gave no figures and these are estimates.
    estimated: bool,
}

impl From<greenroom_kernel::Usage> for Usage {
    fn from(usage: greenroom_kernel::Usage) -> Self {
        Self {
            input_tokens: int(usage.input_tokens),
            cached_input_tokens: int(usage.cached_input_tokens),
            cache_write_tokens: int(usage.cache_write_tokens),
            output_tokens: int(usage.output_tokens),
            reasoning_tokens: int(usage.reasoning_tokens),
            cost_usd: usage.cost_usd,
            estimated: usage.estimated,
        }
    }
}

/// How a task or a step failed.
#[derive(SimpleObject)]
pub(crate) struct TaskError {
    /// What kind of failure.
    code: ErrorCode,
    /// What happened and how to mend it, for a person.
    message: String,
    /// Whether the same may succeed later.
    retryable: bool,
    /// How long to wait before that, in milliseconds.
    retry_after_ms: Option<i32>,
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.into(),
            message: failure.message,
            retryable: failure.retryable,
            retry_after_ms: failure.retry_after_ms.map(int),
        }
    }
}

/// What an agent answered.
pub(crate) struct AgentResponse(TaskRow);

impl AgentResponse {
    /// The answer of a task that has one.
    pub(super) fn of(task: &TaskRow) -> Option<Self> {
        task.output.is_some().then(|| Self(task.clone()))
    }
}

/// What an agent answered.
#[Object]
impl AgentResponse {
    /// The agent.
    async fn agent(&self) -> &str {
        self.0.agent.as_str()
    }

    /// Text for people.
    async fn content(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        match self.0.output.as_ref().and_then(|output| output.content.as_ref()) {
            Some(content) => Ok(Some(
                Reach::of(ctx)?
                    .text(&self.0.id.journal, content)
                    .await?
                    .to_string(),
            )),
            None => Ok(None),
        }
    }

    /// Data for programs.
    async fn data(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        match self.0.output.as_ref().and_then(|output| output.data.as_ref()) {
            Some(data) => Ok(Some(Json(Reach::of(ctx)?.json(&self.0.id.journal, data).await?))),
            None => Ok(None),
        }
    }

    /// What its steps used.
    async fn usage(&self) -> Option<Usage> {
        self.0.usage.map(Usage::from)
    }

    /// The provider of the last model call.
    async fn provider(&self) -> Option<&str> {
        self.0.output.as_ref()?.provider.as_deref()
    }

    /// The model of the last model call.
    async fn model(&self) -> Option<&str> {
        self.0.output.as_ref()?.model.as_deref()
    }

    /// Milliseconds from acceptance to the end.
    async fn latency_ms(&self) -> i32 {
        int(self.0.created_at.until(self.0.updated_at).as_millis())
    }

    /// How many attempts were made.
    async fn attempts(&self) -> i32 {
        int(self.0.attempts)
    }
}
