//! What mutations are given.

use async_graphql::{ID, InputObject, SimpleObject};

use super::enums::{ResolveAction, Wait};
use super::message::ChatMessage;
use super::response::AgentResponse;
use super::scalars::Json;
use super::session::ChatSession;
use super::task::Task;

/// Changes a session.
#[derive(InputObject)]
pub(crate) struct UpdateSessionInput {
    /// The session.
    pub(super) id: ID,
    /// Its new title; absent or null removes it.
    pub(super) title: Option<String>,
}

/// Says something in a conversation.
#[derive(InputObject)]
pub(crate) struct SendChatInput {
    /// The conversation; absent, a new one.
    pub(super) session_id: Option<ID>,
    /// What to say.
    pub(super) content: String,
    /// Who shall answer; absent, the default agent.
    pub(super) agent: Option<String>,
    /// Logical model; absent, the agent's own choice.
    pub(super) model: Option<String>,
    /// What to wait for.
    #[graphql(default_with = "Some(Wait::Completed)")]
    pub(super) wait: Option<Wait>,
    /// How long to wait, in milliseconds; 55000 unless told. On expiry the task returns as it stands.
    pub(super) wait_ms: Option<i32>,
    /// The caller's own name for the call: repeating it returns the same task.
    pub(super) idempotency_key: Option<String>,
    /// The task's own deadline, in milliseconds from now.
    pub(super) timeout_ms: Option<i32>,
    /// The client's own data, kept with the message.
    pub(super) metadata: Option<Json>,
}

/// A turn that was accepted.
#[derive(SimpleObject)]
pub(crate) struct SendChatPayload {
    /// The conversation.
    pub(super) session: ChatSession,
    /// What was said.
    pub(super) message: ChatMessage,
    /// The turn.
    pub(super) task: Task,
    /// The answer, if it came in time.
    pub(super) response: Option<AgentResponse>,
    /// Just before the turn: a subscription from here misses nothing of it.
    pub(super) cursor: String,
}

/// Gives a task to an agent.
#[derive(InputObject)]
pub(crate) struct ExecuteTaskInput {
    /// The agent.
    pub(super) agent: String,
    /// What to do.
    pub(super) input: Json,
    /// The conversation it belongs to; absent, none.
    pub(super) session_id: Option<ID>,
    /// What to wait for.
    #[graphql(default_with = "Some(Wait::Completed)")]
    pub(super) wait: Option<Wait>,
    /// How long to wait, in milliseconds; 55000 unless told. On expiry the task returns as it stands.
    pub(super) wait_ms: Option<i32>,
    /// The caller's own name for the call: repeating it returns the same task.
    pub(super) idempotency_key: Option<String>,
    /// The task's own deadline, in milliseconds from now.
    pub(super) timeout_ms: Option<i32>,
}

/// Answers an approval, or settles an unknown outcome.
#[derive(InputObject)]
pub(crate) struct ResolveTaskInput {
    /// The task.
    pub(super) task_id: ID,
    /// The step that waits.
    pub(super) step_seq: i32,
    /// The step as which attempt left it, as its `attempt` says: then a later attempt's doubt is not answered by
    /// mistake, and the same call may be repeated.
    pub(super) attempt: Option<i32>,
    /// The answer.
    pub(super) action: ResolveAction,
    /// A value with the approval, or the result of a settled effect.
    pub(super) value: Option<Json>,
    /// A remark for the record.
    pub(super) note: Option<String>,
}
