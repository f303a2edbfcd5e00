//! Calls that change something. Once begun they run to their end, whether or not the caller waits.

use std::future::Future;
use std::time::Duration;

use async_graphql::{Context, ID, Object, Result};
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AcceptedTask, ErrorCode, Failure, IdempotencyKey, SessionId,
};

use super::enums::{ResolveAction, Wait};
use super::message::ChatMessage;
use super::mutation_input::{
    ExecuteTaskInput, ResolveTaskInput, SendChatInput, SendChatPayload, UpdateSessionInput,
};
use super::reach::{Reach, agent_name, millis, session_id, task_id};
use super::response::AgentResponse;
use super::session::ChatSession;
use super::spend::{self, Budget, SetBudgetInput};
use super::task::Task;
use crate::errors::Unanswered;

/// How long to stay away before the one repetition of an unanswered call.
const REPEAT_AFTER_MS: u64 = 50;
const REPEAT_AFTER_AT_MOST_MS: u64 = 1_000;

/// Calls that change something.
pub(crate) struct Mutation;

/// Calls that change something. Once begun they run to their end, whether or not the caller waits.
#[Object]
impl Mutation {
    /// Opens a conversation. A taken id is CONFLICT.
    async fn create_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id, `[A-Za-z0-9_-]{1,64}`; absent, a time-ordered one is made.")] id: Option<
            ID,
        >,
        #[graphql(desc = "A title for people.")] title: Option<String>,
    ) -> Result<ChatSession> {
        let id = id
            .map(|id| SessionId::parse(&id))
            .transpose()
            .map_err(Failure::from)?;
        let reach = Reach::of(ctx)?;
        Ok(ChatSession(
            reach.supervisor().create_session(reach.who(), id, title).await?,
        ))
    }

    /// Changes a conversation's title.
    async fn update_session(&self, ctx: &Context<'_>, input: UpdateSessionInput) -> Result<ChatSession> {
        let id = session_id(&input.id)?;
        let reach = Reach::of(ctx)?;
        Ok(ChatSession(
            reach
                .supervisor()
                .update_session(reach.who(), &id, input.title)
                .await?,
        ))
    }

    /// Deletes a conversation and its content. Its id stays taken for a while.
    async fn delete_session(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        let id = session_id(&id)?;
        let reach = Reach::of(ctx)?;
        reach.supervisor().delete_session(reach.who(), &id).await?;
        Ok(true)
    }

    /// Sets a budget of the caller's tenant, in force when it returns; null once it is removed.
    async fn set_budget(&self, ctx: &Context<'_>, input: SetBudgetInput) -> Result<Option<Budget>> {
        let reach = Reach::of(ctx)?;
        let (id, budget) = input.read(reach.who())?;
        let standings = reach.backend.costs.set_budget(reach.who(), id, budget).await?;
        Ok(spend::budgets(standings).pop())
    }

    /// Says something in a conversation and waits for the answer. Durable before it returns.
    async fn send_chat(&self, ctx: &Context<'_>, input: SendChatInput) -> Result<SendChatPayload> {
        let reach = Reach::of(ctx)?;
        let request = AcceptRequest {
            call: AcceptCall::Chat {
                content: input.content,
                agent: input.agent.as_deref().map(agent_name).transpose()?,
                model: input.model,
                metadata: input.metadata.map(|json| json.0.into_json()).transpose()?,
            },
            session: input.session_id.map(|id| session_id(&id)).transpose()?,
            key: reach.key(input.idempotency_key.as_deref())?,
            timeout: timeout(input.timeout_ms)?,
            wait: wait(reach, input.wait, input.wait_ms)?,
            trace: reach.caller.trace.clone(),
        };
        let AcceptedTask {
            task,
            session,
            message,
            cursor,
        } = accept(reach, request).await?;
        // Deleted since the turn was accepted, and what was said with it.
        let (Some(session), Some(message)) = (session, message) else {
            return Err(Failure::not_found("session").into());
        };
        Ok(SendChatPayload {
            session: ChatSession(session),
            message: ChatMessage(message),
            response: AgentResponse::of(&task),
            task: Task(task),
            cursor: cursor.to_string(),
        })
    }

    /// Gives a task to an agent and waits for its end. Durable before it returns.
    async fn execute_task_on_agent(&self, ctx: &Context<'_>, input: ExecuteTaskInput) -> Result<Task> {
        let reach = Reach::of(ctx)?;
        let request = AcceptRequest {
            call: AcceptCall::Task {
                agent: agent_name(&input.agent)?,
                input: input.input.to_text(),
            },
            session: input.session_id.map(|id| session_id(&id)).transpose()?,
            key: reach.key(input.idempotency_key.as_deref())?,
            timeout: timeout(input.timeout_ms)?,
            wait: wait(reach, input.wait, input.wait_ms)?,
            trace: reach.caller.trace.clone(),
        };
        Ok(Task(accept(reach, request).await?.task))
    }

    /// Ends a task as cancelled. One that has ended stays as it is and is returned.
    async fn cancel_task(&self, ctx: &Context<'_>, id: ID) -> Result<Task> {
        let id = task_id(&id)?;
        let reach = Reach::of(ctx)?;
        Ok(Task(reach.supervisor().cancel(reach.who(), &id).await?))
    }

    /// Accepts a new task like one that has ended, linked to it. Of one that hasn't: CONFLICT.
    async fn retry_task(&self, ctx: &Context<'_>, id: ID) -> Result<Task> {
        let id = task_id(&id)?;
        let reach = Reach::of(ctx)?;
        Ok(Task(reach.supervisor().retry(reach.who(), &id).await?))
    }

    /// Answers an approval, or settles an unknown outcome. Repeating the same answer changes nothing; another one
    /// is CONFLICT.
    async fn resolve_task(&self, ctx: &Context<'_>, input: ResolveTaskInput) -> Result<Task> {
        use greenroom_kernel::ResolveAction as Action;
        let id = task_id(&input.task_id)?;
        let step = u32::try_from(input.step_seq).map_err(|_| Failure::not_found("step"))?;
        let attempt = input.attempt.map(u32::try_from).transpose();
        let attempt = attempt.map_err(|_| Failure::bad_input("attempts are counted from 1"))?;
        let value = input.value.map(|json| json.to_text());
        let action = match (input.action, value) {
            (ResolveAction::Approve, value) => Action::Approve(value),
            (ResolveAction::SettleDone, value) => Action::SettleDone(value),
            (ResolveAction::Reject, None) => Action::Reject,
            (ResolveAction::SettleNotDone, None) => Action::SettleNotDone,
            (ResolveAction::Reject | ResolveAction::SettleNotDone, Some(_)) => {
                return Err(Failure::bad_input("value goes with APPROVE and SETTLE_DONE only").into());
            }
        };
        let reach = Reach::of(ctx)?;
        Ok(Task(
            reach
                .supervisor()
                .resolve(reach.who(), &id, step, attempt, action, input.note)
                .await?,
        ))
    }
}

async fn accept(reach: Reach<'_>, request: AcceptRequest) -> Result<AcceptedTask> {
    let call = || reach.supervisor().accept(reach.who(), request.clone());
    repeated(&request.key, request.wait + reach.backend.answer_grace, call).await
}

/// Makes a keyed call, and once more when it wasn't answered: the key makes that safe. When that isn't answered
/// either, or not within `patience`, the caller is told the key, because the outcome is not known.
pub(super) async fn repeated<T, F>(
    key: &IdempotencyKey,
    patience: Duration,
    call: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    let is_unanswered = |failure: &Failure| failure.code == ErrorCode::Unavailable && failure.retryable;
    let twice = async {
        match call().await {
            Err(failure) if is_unanswered(&failure) => {
                let pause = failure
                    .retry_after_ms
                    .unwrap_or(REPEAT_AFTER_MS)
                    .min(REPEAT_AFTER_AT_MOST_MS);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                call().await
            }
            answer => answer,
        }
    };
    let answer = tokio::time::timeout(patience, twice).await;
    let answer = answer.unwrap_or_else(|_| Err(Failure::unavailable("no answer came in time")));
    answer.map_err(|failure| match is_unanswered(&failure) {
        true => Unanswered {
            failure,
            key: key.clone(),
        }
        .into(),
        false => failure.into(),
    })
}

fn wait(reach: Reach<'_>, wait: Option<Wait>, wait_ms: Option<i32>) -> Result<Duration, Failure> {
    let max = u64::try_from(reach.backend.max_wait.as_millis()).unwrap_or(u64::MAX);
    let bound = match wait_ms {
        Some(ms) => millis("waitMs", ms, 0, max)?,
        None => reach.backend.default_wait,
    };
    Ok(match wait.unwrap_or(Wait::Completed) {
        Wait::Accepted => Duration::ZERO,
        Wait::Completed => bound,
    })
}

fn timeout(timeout_ms: Option<i32>) -> Result<Option<Duration>, Failure> {
    timeout_ms
        .map(|ms| millis("timeoutMs", ms, 1, i32::MAX as u64))
        .transpose()
}
