//! The port from a gateway to the supervisor that owns sessions: implemented locally by the orchestrator and
//! remotely by the wire; both pass one suite.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde_json::Value;
use std::sync::Arc;

use crate::{
    ActorNode, AgentName, AgentRecord, AgentStatus, Cursor, Effect, Failure, HistoryQuery, IdempotencyKey,
    JournalKey, MessageRange, MessageRow, Page, PageRequest, Payload, Principal, ProviderStatus, SessionId,
    SessionQuery, SessionRow, StepKind, SupervisionEvent, TaskId, TaskRow, TaskStatus, Timestamp, Usage,
};

/// A call that makes a task.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptRequest {
    /// What is called.
    pub call: AcceptCall,
    /// The session; none makes one (a chat) or gives the task its own journal.
    pub session: Option<SessionId>,
    /// The caller's key; the gateway mints one when the client gave none.
    pub key: IdempotencyKey,
    /// The task's own deadline, from now.
    pub timeout: Option<Duration>,
    /// How long to wait for the task to end, or to wait for a person, before returning it as it stands.
    pub wait: Duration,
    /// W3C `traceparent` of the caller.
    pub trace: Option<String>,
}

impl AcceptRequest {
    /// The journal that `who`'s call belongs to: the session's, or the one that its key names. The same call, sent
    /// again, belongs to the same.
    pub fn journal(&self, who: &Principal) -> JournalKey {
        let derived = |operation| SessionId::derived(&who.tenant, &who.subject, operation, &self.key);
        let journal = match (&self.session, &self.call) {
            (Some(session), _) => session.clone(),
            (None, AcceptCall::Chat { .. }) => {
                let named = self.key.minted_session();
                named.unwrap_or_else(|| derived("sendChat"))
            }
            (None, AcceptCall::Task { .. }) => derived("executeTaskOnAgent"),
        };
        JournalKey {
            tenant: who.tenant.clone(),
            journal,
        }
    }
}

/// What is called.
#[derive(Debug, Clone, PartialEq)]
pub enum AcceptCall {
    /// A turn of a conversation.
    Chat {
        /// What the caller says.
        content: String,
        /// Who shall answer; none for the default.
        agent: Option<AgentName>,
        /// Logical model.
        model: Option<String>,
        /// The client's own data.
        metadata: Option<Value>,
    },
    /// A task for an agent.
    Task {
        /// Who shall do it.
        agent: AgentName,
        /// What, JSON text.
        input: String,
    },
}

/// An accepted call: durable before this is returned.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedTask {
    /// The task as it stands when the wait is over.
    pub task: TaskRow,
    /// The session, when there is one.
    pub session: Option<SessionRow>,
    /// The caller's message, for a chat.
    pub message: Option<MessageRow>,
    /// Just before the task: a subscription from here misses nothing of it.
    pub cursor: Cursor,
}

/// A step as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// Its ordinal in the task.
    pub number: u32,
    /// The attempt that ran it.
    pub attempt: u32,
    /// What it does.
    pub kind: StepKind,
    /// What it is called.
    pub name: Option<String>,
    /// What repeating it does.
    pub effect: Effect,
    /// Where it stands.
    pub status: StepStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it used.
    pub usage: Option<Usage>,
    /// How it failed.
    pub error: Option<Failure>,
    /// The approver's question, JSON text.
    pub prompt: Option<Payload>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// It runs.
    Started,
    /// It waits for a person.
    Waiting,
    /// It has a result.
    Done,
    /// It failed.
    Failed,
    /// It may or may not have happened.
    OutcomeUnknown,
}

/// Answers to a waiting or unknown step.
#[derive(Debug, Clone, PartialEq)]
pub enum ResolveAction {
    /// Give the approval, with a value (JSON text).
    Approve(Option<String>),
    /// Refuse it.
    Reject,
    /// The unknown effect happened, with this result (JSON text).
    SettleDone(Option<String>),
    /// It did not: run it again.
    SettleNotDone,
}

/// Asks several agents at once.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateRequest {
    /// Whom, each with an input of its own (JSON text) or none.
    pub targets: Vec<(AgentName, Option<String>)>,
    /// The input of those without one, JSON text.
    pub input: String,
    /// How long to wait for all.
    pub timeout: Option<Duration>,
    /// How many answers are enough; none waits for all.
    pub quorum: Option<u32>,
    /// Whether the default agent shall make one answer of the parts.
    pub synthesize: bool,
    /// The caller's key.
    pub key: IdempotencyKey,
    /// W3C `traceparent` of the caller.
    pub trace: Option<String>,
}

/// What several agents said.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Whether every part is there and well.
    pub complete: bool,
    /// The parts, in the order asked: tasks as they stand.
    pub parts: Vec<TaskRow>,
    /// One answer made of them: a completed task of the default agent.
    pub synthesis: Option<TaskRow>,
}

/// Whose events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventScope {
    /// A session's.
    Session(SessionId),
    /// A task's.
    Task(TaskId),
}

/// One event of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatEvent {
    /// A subscription from here continues behind this event.
    pub cursor: Cursor,
    /// Which journal.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: ChatEventBody,
}

/// What happened. All but `Delta` (and `Step` that only started) are journaled and delivered exactly once.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEventBody {
    /// A message was added.
    Message(MessageRow),
    /// `text = text[..offset] + delta`, offset in UTF-16 units.
    Delta {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// From where.
        offset: u64,
        /// The new text.
        delta: String,
    },
    /// A new attempt began: its text starts at 0.
    Attempt {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
    },
    /// A step started, finished, failed or became unknown.
    Step {
        /// Which task.
        task: TaskId,
        /// The step.
        step: StepView,
    },
    /// The task waits for a person: an approval, or an unknown outcome.
    Waiting {
        /// The task.
        task: TaskRow,
        /// The step.
        step: StepView,
    },
    /// The task reached a terminal state, which its row says.
    Ended(TaskRow),
}

/// The events of a subscription. Pulls: a slow reader holds nothing up. An error is the last item.
pub type EventStream = BoxStream<'static, Result<ChatEvent, Failure>>;

/// Everything a gateway can ask of the owner of sessions.
///
/// Calls that change something run to their end whether or not the returned future is dropped. An unknown or
/// foreign id is `None` in lookups and `NOT_FOUND` elsewhere.
#[async_trait]
pub trait Supervisor: Send + Sync + 'static {
    /// Opens a session. A taken id is CONFLICT.
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure>;
    /// Changes a session's title.
    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure>;
    /// Deletes a session and its content.
    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure>;
    /// A session's row.
    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure>;
    /// Sessions, newest first. The caller's own, or the tenant's with the scope for it.
    async fn sessions(
        &self,
        who: &Principal,
        query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure>;
    /// A session's messages, oldest first; at most `limit`.
    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure>;

    /// Accepts a turn or a task, durably, and waits as the request says.
    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure>;
    /// A task's row.
    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure>;
    /// Tasks, newest first.
    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure>;
    /// A task's steps, in order of their numbers.
    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure>;
    /// A task's children, newest first.
    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure>;
    /// Ends a task as cancelled; a terminal one stays as it is and is returned.
    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure>;
    /// Accepts a new task like a terminal one, linked to it. Of one that isn't terminal: CONFLICT.
    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure>;
    /// Answers a waiting approval or settles an unknown outcome. Idempotent; another answer is CONFLICT. An answer that
    /// names the `attempt` of the step as it was looked at is never one to a later attempt's doubt.
    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        attempt: Option<u32>,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure>;
    /// Asks several agents and waits for a quorum.
    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure>;
    /// The text of a payload of that journal.
    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure>;

    /// Events behind `after`; none: from now.
    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure>;

    /// One agent's state.
    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure>;
    /// Every agent's state, by name.
    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure>;
    /// What supervisors saw of an agent, the youngest beginning first, as far back as it is kept. A page may hold fewer
    /// than were asked for, even none, though more follow. UNAVAILABLE where nothing is kept.
    async fn agent_history(
        &self,
        query: HistoryQuery,
        page: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure>;
    /// Agents' states as they change, of one or of all; the present ones first.
    async fn watch_agents(&self, name: Option<AgentName>)
    -> Result<BoxStream<'static, AgentStatus>, Failure>;
    /// Every provider's state.
    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure>;
    /// The supervision tree as it stands.
    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure>;
    /// What happens in it from now on.
    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Subject, TenantId};

    #[test]
    fn a_call_belongs_to_its_session_or_to_the_journal_that_its_key_names() {
        let who = Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: Subject::parse("ann").unwrap(),
            scopes: Vec::new(),
            tier: String::new(),
        };
        let key = |text: &str| IdempotencyKey::parse(text).unwrap();
        let chat = AcceptRequest {
            call: AcceptCall::Chat {
                content: String::new(),
                agent: None,
                model: None,
                metadata: None,
            },
            session: None,
            key: key("k"),
            timeout: None,
            wait: Duration::ZERO,
            trace: None,
        };
        let task = AcceptRequest {
            call: AcceptCall::Task {
                agent: AgentName::parse("a").unwrap(),
                input: "{}".into(),
            },
            ..chat.clone()
        };
        let derived =
            |operation, key: &IdempotencyKey| SessionId::derived(&who.tenant, &who.subject, operation, key);
        assert_eq!(chat.journal(&who).journal, derived("sendChat", &key("k")));
        assert_eq!(
            task.journal(&who).journal,
            derived("executeTaskOnAgent", &key("k"))
        );

        let session = Some(SessionId::parse("s").unwrap());
        for request in [&chat, &task] {
            let session = session.clone();
            let of = AcceptRequest {
                session,
                ..request.clone()
            };
            assert_eq!(of.journal(&who).journal.as_str(), "s");
        }
        // A key that names a session names a conversation's, no task's.
        let minted = key("mint:01KCX000000000000000000000");
        let of = |request: &AcceptRequest| AcceptRequest {
            key: minted.clone(),
            ..request.clone()
        };
        assert_eq!(
            of(&chat).journal(&who).journal.as_str(),
            "01KCX000000000000000000000"
        );
        assert_eq!(
            of(&task).journal(&who).journal,
            derived("executeTaskOnAgent", &minted)
        );
    }
}
