//! A supervisor that notes what it is asked and answers with samples.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentRecord, AgentStatus, Aggregate, AggregateRequest,
    ChatEvent, Cursor, EventScope, EventStream, Failure, HistoryQuery, MessageRange, MessageRow, Page,
    PageRequest, Payload, Principal, ProviderStatus, ResolveAction, SessionId, SessionQuery, SessionRow,
    StepView, SupervisionEvent, Supervisor, TaskId, TaskRow, TaskStatus,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::samples;

/// What becomes of one call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It is answered.
    Play,
    /// It fails.
    Fail(Failure),
    /// It is answered never.
    Hang,
}

/// The events of one subscription. It goes on for ever behind those that don't fail.
pub(crate) type Tape = Vec<Result<ChatEvent, Failure>>;

pub(crate) struct Mirror {
    full: bool,
    breaks_off: Option<Failure>,
    /// What becomes of the next calls, then of every one.
    acts: Mutex<(VecDeque<Act>, Act)>,
    /// How many accepted tasks are returned before they have ended.
    unfinished: Mutex<u32>,
    tapes: Mutex<VecDeque<Tape>>,
    news: Mutex<Option<mpsc::UnboundedReceiver<AgentStatus>>>,
    heard: Mutex<Vec<String>>,
}

impl Mirror {
    fn new(full: bool, always: Act, breaks_off: Option<Failure>) -> Self {
        Self {
            full,
            breaks_off,
            acts: Mutex::new((VecDeque::new(), always)),
            unfinished: Mutex::default(),
            tapes: Mutex::default(),
            news: Mutex::default(),
            heard: Mutex::default(),
        }
    }

    /// Answers with every field set.
    pub(crate) fn full() -> Self {
        Self::new(true, Act::Play, None)
    }

    /// Answers with as little as there can be.
    pub(crate) fn bare() -> Self {
        Self::new(false, Act::Play, None)
    }

    pub(crate) fn failing(failure: Failure) -> Self {
        Self::new(true, Act::Fail(failure), None)
    }

    /// Ends subscriptions with a failure.
    pub(crate) fn breaking_off(failure: Failure) -> Self {
        Self::new(true, Act::Play, Some(failure))
    }

    /// What becomes of the next calls.
    pub(crate) fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.acts.lock().0.extend(acts);
    }

    /// What becomes of every call behind those.
    pub(crate) fn always(&self, act: Act) {
        self.acts.lock().1 = act;
    }

    /// So many of the next accepted tasks are returned at once, as they run.
    pub(crate) fn unfinished(&self, count: u32) {
        *self.unfinished.lock() = count;
    }

    /// What the next subscription tells.
    pub(crate) fn tape(&self, tape: Tape) {
        self.tapes.lock().push_back(tape);
    }

    /// What the next watch of agents tells, as it is sent.
    pub(crate) fn news(&self) -> mpsc::UnboundedSender<AgentStatus> {
        let (told, news) = mpsc::unbounded_channel();
        *self.news.lock() = Some(news);
        told
    }

    /// What was asked since this was called last.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock())
    }

    async fn hear(&self, question: impl Debug) -> Result<(), Failure> {
        self.heard.lock().push(format!("{question:?}"));
        let act = {
            let mut acts = self.acts.lock();
            acts.0.pop_front().unwrap_or_else(|| acts.1.clone())
        };
        match act {
            Act::Play => Ok(()),
            Act::Fail(failure) => Err(failure),
            Act::Hang => std::future::pending().await,
        }
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
        self.hear(("create_session", who, id, title)).await?;
        Ok(samples::session(self.full))
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        self.hear(("update_session", who, id, title)).await?;
        Ok(samples::session(self.full))
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        self.hear(("delete_session", who, id)).await
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        self.hear(("session", who, id)).await?;
        Ok(self.maybe(samples::session))
    }

    async fn sessions(
        &self,
        who: &Principal,
        query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        self.hear(("sessions", who, query, page)).await?;
        Ok(self.page(samples::session))
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        self.hear(("messages", who, id, range, limit)).await?;
        Ok(self.some(samples::message))
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        self.hear(("accept", who, request)).await?;
        let mut task = samples::task(self.full);
        let mut unfinished = self.unfinished.lock();
        if *unfinished > 0 {
            *unfinished -= 1;
            task.status = TaskStatus::Running;
        }
        Ok(AcceptedTask {
            task,
            session: self.maybe(samples::session),
            message: self.maybe(samples::message),
            cursor: samples::cursor(),
        })
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        self.hear(("task", who, id)).await?;
        Ok(self.maybe(samples::task))
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.hear(("tasks", who, journal, status, page)).await?;
        Ok(self.page(samples::task))
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        self.hear(("steps", who, id)).await?;
        Ok(self.some(samples::step))
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.hear(("children", who, id, page)).await?;
        Ok(self.page(samples::task))
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.hear(("cancel", who, id)).await?;
        Ok(samples::task(self.full))
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.hear(("retry", who, id)).await?;
        Ok(samples::task(self.full))
    }

    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        attempt: Option<u32>,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        self.hear(("resolve", who, id, step, attempt, action, note))
            .await?;
        Ok(samples::task(self.full))
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        self.hear(("aggregate", who, request)).await?;
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
        self.hear(("payload", who, journal, payload)).await?;
        Ok("large".into())
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        self.hear(("events", who, scope, after)).await?;
        if let Some(tape) = self.tapes.lock().pop_front() {
            let broken = tape.last().is_some_and(Result::is_err);
            let tail = match broken {
                true => stream::empty().left_stream(),
                false => stream::pending().right_stream(),
            };
            return Ok(stream::iter(tape).chain(tail).boxed());
        }
        let events = samples::events().into_iter().map(Ok);
        let last = self.breaks_off.clone().map(Err);
        Ok(stream::iter(events.chain(last).collect::<Vec<_>>()).boxed())
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        self.hear(("agent", name)).await?;
        Ok(self.maybe(samples::agent))
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        self.hear("agents").await?;
        Ok(self.some(samples::agent))
    }

    async fn agent_history(
        &self,
        query: HistoryQuery,
        page: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure> {
        self.hear(("agent_history", query, page)).await?;
        Ok(self.page(samples::record))
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        self.hear(("watch_agents", name)).await?;
        if let Some(mut news) = self.news.lock().take() {
            return Ok(stream::poll_fn(move |cx| news.poll_recv(cx)).boxed());
        }
        Ok(stream::iter(self.some(samples::agent)).boxed())
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        self.hear("providers").await?;
        Ok(self.some(samples::provider))
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        self.hear("supervision_tree").await?;
        Ok(samples::actors(self.full))
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        self.hear("watch_supervision").await?;
        Ok(stream::iter(samples::supervision()).boxed())
    }
}
