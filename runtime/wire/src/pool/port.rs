//! The port's operations: what each is about, and whether it may be made twice.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::stream::BoxStream;
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentRecord, AgentStatus, Aggregate, AggregateRequest,
    Cursor, ErrorCode, EventScope, EventStream, Failure, HistoryQuery, JournalKey, MessageRange, MessageRow,
    Page, PageRequest, Payload, Principal, ProviderStatus, ResolveAction, SessionId, SessionQuery,
    SessionRow, StepView, SupervisionEvent, Supervisor, TaskId, TaskRow, TaskStatus,
};

use super::asked::Asked;
use super::call::Try;
use super::roster::Home;
use super::{SupervisorPool, events, news};

fn key(who: &Principal, journal: &SessionId) -> JournalKey {
    JournalKey {
        tenant: who.tenant.clone(),
        journal: journal.clone(),
    }
}

impl SupervisorPool {
    /// The attempt that last began a step, if there is such a step.
    async fn attempt_of(&self, who: &Principal, id: &TaskId, step: u32) -> Result<Option<u32>, Failure> {
        let steps = self.steps(who, id).await?;
        let found = steps.iter().find(|view| view.number == step);
        Ok(found.map(|view| view.attempt))
    }
}

#[async_trait]
impl Supervisor for SupervisorPool {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let shared = &self.shared;
        // Named here, so that it goes to its owner, and so that a second try finds what the first has made. A name of
        // the caller's own may be somebody else's session: whether it was made can't be told from that.
        let minted = id.is_none();
        let id = id.unwrap_or_else(|| SessionId::generate(&*shared.clock, &*shared.random));
        let key = key(who, &id);
        let asked = match minted {
            true => shared.changes(Home::Journal(&key)),
            false => shared.changes_once(Home::Journal(&key)),
        };
        let (id, title) = (&id, &title);
        let create = move |t: Try| async move {
            t.handle
                .create_session(who, Some(id.clone()), title.clone())
                .await
        };
        let told = shared.ask(asked, create).await;
        match told.answer {
            Err(taken) if taken.code == ErrorCode::Conflict && minted && told.doubt => {
                self.session(who, id).await?.ok_or(taken)
            }
            answer => answer,
        }
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let (key, title) = (key(who, id), &title);
        let update = move |t: Try| async move { t.handle.update_session(who, id, title.clone()).await };
        self.shared.twice(Home::Journal(&key), update).await
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        let key = key(who, id);
        let delete = move |t: Try| async move { t.handle.delete_session(who, id).await };
        let asked = self.shared.changes(Home::Journal(&key));
        let told = self.shared.ask(asked, delete).await;
        match told.answer {
            // It was there, or the first try would have said so.
            Err(gone) if gone.code == ErrorCode::NotFound && told.doubt => Ok(()),
            answer => answer,
        }
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        let key = key(who, id);
        let read = move |t: Try| async move { t.handle.session(who, id).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn sessions(
        &self,
        who: &Principal,
        query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        let (query, page) = (&query, &page);
        let read = move |t: Try| async move { t.handle.sessions(who, query.clone(), page.clone()).await };
        self.shared.read(Home::Anybody, read).await
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        let key = key(who, id);
        let read = move |t: Try| async move { t.handle.messages(who, id, range, limit).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        self.shared.accept(who, &request).await
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        let key = key(who, &id.journal);
        let read = move |t: Try| async move { t.handle.task(who, id).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        let key = journal.as_ref().map(|journal| key(who, journal));
        let home = key.as_ref().map_or(Home::Anybody, Home::Journal);
        let (journal, page) = (&journal, &page);
        let read =
            move |t: Try| async move { t.handle.tasks(who, journal.clone(), status, page.clone()).await };
        self.shared.read(home, read).await
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        let key = key(who, &id.journal);
        let read = move |t: Try| async move { t.handle.steps(who, id).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        let (key, page) = (key(who, &id.journal), &page);
        let read = move |t: Try| async move { t.handle.children(who, id, page.clone()).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let key = key(who, &id.journal);
        let cancel = move |t: Try| async move { t.handle.cancel(who, id).await };
        self.shared.twice(Home::Journal(&key), cancel).await
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let key = key(who, &id.journal);
        let retry = move |t: Try| async move { t.handle.retry(who, id).await };
        let asked = self.shared.changes_once(Home::Journal(&key));
        self.shared.ask(asked, retry).await.answer
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
        // The step runs again for it, and may end in doubt again: a second try must not answer what nobody looked at.
        let attempt = match (attempt, &action) {
            (None, ResolveAction::SettleNotDone) => self.attempt_of(who, id, step).await?,
            (attempt, _) => attempt,
        };
        let (key, action, note) = (key(who, &id.journal), &action, &note);
        let resolve = move |t: Try| async move {
            t.handle
                .resolve(who, id, step, attempt, action.clone(), note.clone())
                .await
        };
        let home = Home::Journal(&key);
        let asked = match (action, attempt) {
            (ResolveAction::SettleNotDone, None) => self.shared.changes_once(home),
            _ => self.shared.changes(home),
        };
        self.shared.ask(asked, resolve).await.answer
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        // The same call goes to the same supervisor, so that its parts are found where they were begun.
        let journal = SessionId::derived(&who.tenant, &who.subject, "aggregate", &request.key);
        let (key, request) = (key(who, &journal), &request);
        let answer_within = self.shared.config.answer_within;
        let asked = Asked {
            within: request
                .timeout
                .map(|timeout| timeout.saturating_add(answer_within)),
            begun_within: request.timeout,
            ..self.shared.changes(Home::Journal(&key))
        };
        let aggregate = move |t: Try| async move {
            let again = AggregateRequest {
                timeout: request.timeout.map(|timeout| timeout.saturating_sub(t.elapsed)),
                ..request.clone()
            };
            t.handle.aggregate(who, again).await
        };
        self.shared.ask(asked, aggregate).await.answer
    }

    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        if let Payload::Inline(text) = payload {
            return Ok(Arc::clone(text));
        }
        let key = key(who, journal);
        let read = move |t: Try| async move { t.handle.payload(who, journal, payload).await };
        self.shared.read(Home::Journal(&key), read).await
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        let from = match after {
            Some(cursor) => cursor,
            // Said in a cursor from the start: a subscription that breaks before its first event goes on from there.
            None => Cursor::behind(match &scope {
                EventScope::Session(id) => {
                    let row = self.session(who, id).await?;
                    row.ok_or_else(|| Failure::not_found("session"))?.last
                }
                EventScope::Task(id) => {
                    let row = self.task(who, id).await?;
                    row.ok_or_else(|| Failure::not_found("task"))?.last
                }
            }),
        };
        events::subscribe(Arc::clone(&self.shared), who.clone(), scope, from).await
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        self.shared.agent(name).await
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        self.shared.agents().await
    }

    async fn agent_history(
        &self,
        query: HistoryQuery,
        page: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure> {
        // All of them keep theirs in the same place.
        let (query, page) = (&query, &page);
        let read = move |t: Try| async move { t.handle.agent_history(query.clone(), page.clone()).await };
        self.shared.read(Home::Anybody, read).await
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        let open: news::Open<AgentStatus> = Arc::new(move |handle| {
            let name = name.clone();
            async move { handle.watch_agents(name).await }.boxed()
        });
        news::agents(Arc::clone(&self.shared), open).await
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        self.shared.providers().await
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        self.shared.supervision_tree().await
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        let open: news::Open<SupervisionEvent> =
            Arc::new(|handle| async move { handle.watch_supervision().await }.boxed());
        news::supervision(Arc::clone(&self.shared), open).await
    }
}
