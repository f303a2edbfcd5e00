//! A supervisor that notes what it is asked and answers with samples.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentStatus, Aggregate, AggregateRequest, Cursor,
    EventScope, EventStream, Failure, MessageRange, MessageRow, Page, PageRequest, Payload, Principal,
    ProviderStatus, ResolveAction, SessionId, SessionQuery, SessionRow, StepView, SupervisionEvent,
    Supervisor, TaskId, TaskRow, TaskStatus,
};
use parking_lot::Mutex;

use crate::samples;

pub(crate) struct Mirror {
    full: bool,
    failure: Option<Failure>,
    breaks_off: Option<Failure>,
    heard: Mutex<Vec<String>>,
}

impl Mirror {
    fn new(full: bool, failure: Option<Failure>, breaks_off: Option<Failure>) -> Self {
        Self {
            full,
            failure,
            breaks_off,
            heard: Mutex::default(),
        }
    }

    /// Answers with every field set.
    pub(crate) fn full() -> Self {
        Self::new(true, None, None)
    }

    /// Answers with as little as there can be.
    pub(crate) fn bare() -> Self {
        Self::new(false, None, None)
    }

    pub(crate) fn failing(failure: Failure) -> Self {
        Self::new(true, Some(failure), None)
    }

    /// Ends subscriptions with a failure.
    pub(crate) fn breaking_off(failure: Failure) -> Self {
        Self::new(true, None, Some(failure))
    }

    /// What was asked since this was called last.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock())
    }

    fn hear(&self, question: impl Debug) -> Result<(), Failure> {
        self.heard.lock().push(format!("{question:?}"));
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn maybe<T>(&self, row: impl Fn(bool) -> T) -> Option<T> {
        self.full.then(|| row(true))
    }

    fn some<T>(&self, row: impl Fn(bool) -> T) -> Vec<T> {
        if self.full {
            vec![row(true), row(false)]
        } else {
            Vec::new()
        }
    }

    fn page<T>(&self, row: impl Fn(bool) -> T) -> Page<T> {
        Page {
            rows: self.some(row),
            next: self.full.then(|| "next".to_owned()),
        }
    }
}

#[async_trait]
impl Supervisor for Mirror {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        self.hear(("create_session", who, id, title))?;
        Ok(samples::session(self.full))
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        self.hear(("update_session", who, id, title))?;
        Ok(samples::session(self.full))
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        self.hear(("delete_session", who, id))
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        self.hear(("session", who, id))?;
        Ok(self.maybe(samples::session))
    }

    async fn sessions(
        &self,
        who: &Principal,
        query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        self.hear(("sessions", who, query, page))?;
        Ok(self.page(samples::session))
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        self.hear(("messages", who, id, range, limit))?;
        Ok(self.some(samples::message))
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        self.hear(("accept", who, request))?;
        Ok(AcceptedTask {
            task: samples::task(self.full),
            session: self.maybe(samples::session),
            message: self.maybe(samples::message),
            cursor: samples::cursor(),
        })
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        self.hear(("task", who, id))?;
        Ok(self.maybe(samples::task))
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.hear(("tasks", who, journal, status, page))?;
        Ok(self.page(samples::task))
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        self.hear(("steps", who, id))?;
        Ok(self.some(samples::step))
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.hear(("children", who, id, page))?;
        Ok(self.page(samples::task))
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.hear(("cancel", who, id))?;
        Ok(samples::task(self.full))
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.hear(("retry", who, id))?;
        Ok(samples::task(self.full))
    }

    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        self.hear(("resolve", who, id, step, action, note))?;
        Ok(samples::task(self.full))
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        self.hear(("aggregate", who, request))?;
        Ok(Aggregate {
            complete: self.full,
            parts: self.some(samples::task),
            synthesis: self.maybe(samples::task),
        })
    }

    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        self.hear(("payload", who, journal, payload))?;
        Ok("large".into())
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        self.hear(("events", who, scope, after))?;
        let events = samples::events().into_iter().map(Ok);
        let last = self.breaks_off.clone().map(Err);
        Ok(stream::iter(events.chain(last).collect::<Vec<_>>()).boxed())
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        self.hear(("agent", name))?;
        Ok(self.maybe(samples::agent))
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        self.hear("agents")?;
        Ok(self.some(samples::agent))
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        self.hear(("watch_agents", name))?;
        Ok(stream::iter(self.some(samples::agent)).boxed())
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        self.hear("providers")?;
        Ok(self.some(samples::provider))
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        self.hear("supervision_tree")?;
        Ok(samples::actors(self.full))
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        self.hear("watch_supervision")?;
        Ok(stream::iter(samples::supervision()).boxed())
    }
}
