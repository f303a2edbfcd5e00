//! What a resolver can reach: the supervisor, and for whom it asks.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, Result, Value};
use greenroom_kernel::{
    Clock, Costs, Failure, IdempotencyKey, Models, Payload, Principal, Randomness, SessionId, Supervisor,
    TaskId,
};

/// What every request shares.
#[derive(Clone)]
pub(crate) struct Backend {
    /// The owner of sessions.
    pub(crate) supervisor: Arc<dyn Supervisor>,
    /// This process's own way to models.
    pub(crate) models: Arc<dyn Models>,
    /// Who knows what was spent.
    pub(crate) costs: Arc<dyn Costs>,
    /// When minted keys are made.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where minted keys come from.
    pub(crate) random: Arc<dyn Randomness>,
    /// How long a call waits for its task when it doesn't say.
    pub(crate) default_wait: Duration,
    /// How long a call may ask to wait.
    pub(crate) max_wait: Duration,
    /// How much longer than that an answer may take.
    pub(crate) answer_grace: Duration,
}

/// Who asks, and within which trace.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The caller.
    pub(crate) principal: Arc<Principal>,
    /// W3C `traceparent` to hand on.
    pub(crate) trace: Option<String>,
}

/// A resolver's way out.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) backend: &'a Backend,
    pub(super) caller: &'a Caller,
}

impl<'a> Reach<'a> {
    pub(super) fn of(ctx: &'a Context<'_>) -> Result<Self> {
        Ok(Self {
            backend: ctx.data::<Backend>()?,
            caller: ctx.data::<Caller>()?,
        })
    }

    pub(super) fn supervisor(&self) -> &'a dyn Supervisor {
        &*self.backend.supervisor
    }

    pub(super) fn who(&self) -> &'a Principal {
        &self.caller.principal
    }

    /// The text of a payload; empty once it was removed.
    pub(super) async fn text(&self, journal: &SessionId, payload: &Payload) -> Result<Arc<str>> {
        match payload {
            Payload::Inline(text) => Ok(Arc::clone(text)),
            Payload::Blob { .. } => Ok(self.supervisor().payload(self.who(), journal, payload).await?),
            Payload::Hollow => Ok("".into()),
        }
    }

    /// The JSON value of a payload; what isn't JSON is a string.
    pub(super) async fn json(&self, journal: &SessionId, payload: &Payload) -> Result<Value> {
        let text = self.text(journal, payload).await?;
        Ok(serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.to_string())))
    }

    /// The caller's key, or one minted so that the call may be repeated. A minted one names the conversation that
    /// the call may begin, time-ordered.
    pub(super) fn key(&self, given: Option<&str>) -> Result<IdempotencyKey> {
        match given {
            Some(text) => Ok(IdempotencyKey::parse(text).map_err(Failure::from)?),
            None => Ok(IdempotencyKey::mint_with_session(
                &*self.backend.clock,
                &*self.backend.random,
            )),
        }
    }
}

/// A session's id; one that can't be an id is unknown.
pub(super) fn session_id(text: &str) -> Result<SessionId, Failure> {
    SessionId::parse(text).map_err(|_| Failure::not_found("session"))
}

/// A task's id; one that can't be an id is unknown.
pub(super) fn task_id(text: &str) -> Result<TaskId, Failure> {
    TaskId::parse(text).map_err(|_| Failure::not_found("task"))
}

/// An agent's name; one that can't be a name is unknown.
pub(super) fn agent_name(text: &str) -> Result<greenroom_kernel::AgentName, Failure> {
    greenroom_kernel::AgentName::parse(text).map_err(|_| Failure::not_found("agent"))
}

/// A duration argument in milliseconds, within its bounds.
pub(super) fn millis(what: &str, given: i32, min: u64, max: u64) -> Result<Duration, Failure> {
    match u64::try_from(given) {
        Ok(ms) if (min..=max).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(Failure::bad_input(format!("{what} must be from {min} to {max}"))),
    }
}

/// A count as a GraphQL `Int`, which has 32 bits.
pub(super) fn int<T: TryInto<i32>>(count: T) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
