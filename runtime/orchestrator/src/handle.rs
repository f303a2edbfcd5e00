//! The local handle: what a gateway calls, in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, Accepted, AcceptedTask, ActorNode, AgentEndpoint, AgentName, AgentStatus,
    Aggregate, AggregateRequest, Clock, Cursor, Entry, ErrorCode, EventScope, EventStream, Failure,
    IdempotencyKey, InputHash, JournalKey, JournalKind, MessageRange, MessageRow, Models, NewTask, Opened,
    Page, PageRequest, Payload, Position, Principal, ProviderStatus, Randomness, Reply, ResolveAction,
    SessionId, SessionQuery, SessionRow, StepResolution, StepView, Store, SupervisionEvent, Supervisor,
    TaskId, TaskQuery, TaskRow, TaskStatus, Writer,
};
use greenroom_supervision::{
    Cause, ChildSpec, Environment, Root, SupervisorHandle, SupervisorSpec, TreeNews,
};
use greenroom_telemetry::Metrics;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::AgentDirectory;
use crate::config::OrchestratorConfig;
use crate::events::Whose;
use crate::instance::HostActor;
use crate::journal_actor::Operation;
use crate::journals::Journals;
use crate::payloads::{fetch, patiently, stash};
use crate::recovery::ScanActor;
use crate::shared::Shared;
use crate::{events, steps};

/// What an orchestrator is made of.
pub struct Parts {
    /// Bounds and defaults.
    pub config: OrchestratorConfig,
    /// Where everything durable is.
    pub store: Arc<dyn Store>,
    /// Model calls, whole.
    pub models: Arc<dyn Models>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids, nonces and jitter.
    pub random: Arc<dyn Randomness>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// This start of this process.
    pub writer: Writer,
    /// The supervision tree everything runs in.
    pub environment: Environment,
}

/// The supervision tree could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the orchestrator's supervision tree did not start: {0}")]
pub struct StartError(pub(crate) String);

/// The supervisor role in this process: owns sessions, runs tasks. Cheap to share; stopped by [`Orchestrator::stop`].
pub struct Orchestrator {
    shared: Arc<Shared>,
    environment: Environment,
    agents: SupervisorHandle,
    root: Root,
}

impl Orchestrator {
    /// Starts the actor tree: the scan finds what is open in the store and carries on with it.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts {
            config,
            store,
            models,
            clock,
            random,
            metrics,
            writer,
            environment,
        } = parts;
        let agents = AgentDirectory::new(Arc::clone(&clock), Arc::clone(&random));
        let shared = Arc::new(Shared {
            config,
            store,
            models,
            agents,
            journals: Journals::new(),
            clock,
            random,
            metrics,
            writer,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let (sessions, session_handle) = SupervisorSpec::new("sessions").build();
        let (agents, agent_handle) = SupervisorSpec::new("agents").build();
        let scanned = Arc::clone(&shared);
        let (scan, _) =
            ChildSpec::new("recovery", "scan", move || ScanActor::new(Arc::clone(&scanned))).build();
        shared.journals.run_under(session_handle);
        let spec = SupervisorSpec::new("orchestrator")
            .child(sessions)
            .child(agents)
            .child(scan);
        let root = Root::start(&environment, spec).map_err(|cause: Cause| StartError(cause.to_string()))?;
        root.supervisor()
            .ready()
            .await
            .map_err(|error| StartError(error.to_string()))?;
        Ok(Arc::new(Self {
            shared,
            environment,
            agents: agent_handle,
            root,
        }))
    }

    /// Joins an agent host: its agents are found out, watched, and found again after it was away.
    pub async fn join(&self, endpoint: Arc<dyn AgentEndpoint>) -> Result<(), Failure> {
        let name = format!("host-{}", endpoint.address().replace('/', "_"));
        let (directory, agents) = (Arc::clone(&self.shared.agents), self.agents.clone());
        let spec = ChildSpec::new(name, "agent-host", move || HostActor {
            endpoint: Arc::clone(&endpoint),
            directory: Arc::clone(&directory),
            agents: agents.clone(),
        });
        self.agents
            .add(spec)
            .await
            .map(|_| ())
            .map_err(|error| Failure::internal(error.to_string()))
    }

    /// Waits until an agent is known, at most `patience`.
    pub async fn knows(&self, name: &AgentName, patience: Duration) -> Result<(), Failure> {
        let mut changes = self.shared.agents.changes();
        let known = async {
            while self.shared.agents.known(name).is_err() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(patience, known).await;
        self.shared.agents.known(name)
    }

    /// Stops taking part: running attempts end where they are, and the next start carries on with them.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.root.stop().await;
        self.shared.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.shared.tasks.wait()).await;
    }

    /// Ends a task as failed, by an operator's hand.
    pub async fn kill(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        let why = Failure::new(ErrorCode::Cancelled, format!("killed by {}", who.subject));
        let reply = self
            .ask(
                who,
                &row.id.journal,
                Operation::Kill {
                    task: id.ordinal,
                    why,
                },
            )
            .await?;
        self.task_of(who, reply).await
    }

    fn key(&self, who: &Principal, journal: &SessionId) -> JournalKey {
        self.shared.key(&who.tenant, journal)
    }

    async fn ask(
        &self,
        who: &Principal,
        journal: &SessionId,
        operation: Operation,
    ) -> Result<Reply, Failure> {
        self.shared
            .journals
            .ask(&self.shared, &self.key(who, journal), operation, None)
            .await
    }

    async fn visible_session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        let row = self
            .shared
            .store
            .session(&who.tenant, id)
            .await
            .map_err(|error| Failure::from(&error))?;
        Ok(row.filter(|row| !row.deleted && who.sees(&row.subject)))
    }

    async fn own_session(&self, who: &Principal, id: &SessionId) -> Result<SessionRow, Failure> {
        self.visible_session(who, id)
            .await?
            .ok_or_else(|| Failure::not_found("session"))
    }

    async fn visible_task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        let row = self
            .shared
            .store
            .task(&who.tenant, id)
            .await
            .map_err(|error| Failure::from(&error))?;
        Ok(row
            .filter(|row| who.sees(&row.subject))
            .map(|row| self.as_it_runs(who, row)))
    }

    async fn own_task(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.visible_task(who, id)
            .await?
            .ok_or_else(|| Failure::not_found("task"))
    }

    /// The first attempt's start is not journaled: a task that runs says so.
    fn as_it_runs(&self, who: &Principal, mut row: TaskRow) -> TaskRow {
        if row.status == TaskStatus::Accepted {
            let hub = self.shared.journals.hub_if_any(&self.key(who, &row.id.journal));
            if hub.is_some_and(|hub| hub.running().is_some_and(|(task, _)| task == row.id.ordinal)) {
                row.status = TaskStatus::Running;
            }
        }
        row
    }

    async fn task_of(&self, who: &Principal, reply: Reply) -> Result<TaskRow, Failure> {
        match reply {
            Reply::Task(row) => Ok(self.as_it_runs(who, *row)),
            Reply::Ended(id) => self.own_task(who, &id).await,
            Reply::Session(_) | Reply::Deleted => Err(Failure::internal("a task was asked for")),
        }
    }

    /// What the call accepts, and in which journal.
    async fn new_task(&self, who: &Principal, request: &AcceptRequest) -> Result<Prepared, Failure> {
        let config = &self.shared.config;
        let (agent, input, turn, message, model, metadata) = match &request.call {
            AcceptCall::Chat {
                content,
                agent,
                model,
                metadata,
            } => {
                let agent = agent.clone().unwrap_or_else(|| config.default_agent.clone());
                let input = serde_json::json!({ "content": content }).to_string();
                (
                    agent,
                    input,
                    true,
                    Some(content.clone()),
                    model.clone(),
                    metadata.clone(),
                )
            }
            AcceptCall::Task { agent, input } => (agent.clone(), input.clone(), false, None, None, None),
        };
        self.shared
            .agents
            .known_soon(&agent, config.instance_wait())
            .await?;
        let hash_model = model.as_deref().unwrap_or("");
        let hash_metadata = metadata.as_ref().map(ToString::to_string).unwrap_or_default();
        let input_hash = InputHash::of(&[agent.as_str(), &input, hash_model, &hash_metadata]);
        let operation = if turn { "sendChat" } else { "executeTaskOnAgent" };
        let minted = request.key.is_minted();
        let (journal, open, fresh) = match (&request.session, turn) {
            (Some(session), _) => {
                self.own_session(who, session).await?;
                (session.clone(), None, false)
            }
            (None, turn) => {
                let kind = if turn {
                    JournalKind::Session
                } else {
                    JournalKind::Task
                };
                let opened = Opened {
                    kind,
                    subject: who.subject.clone(),
                    title: None,
                    metadata: None,
                };
                let named = request.key.minted_session().filter(|_| turn);
                let journal = named.unwrap_or_else(|| {
                    SessionId::derived(&who.tenant, &who.subject, operation, &request.key)
                });
                (journal, Some(opened), minted)
            }
        };
        let key = self.key(who, &journal);
        let input = stash(&*self.shared.store, &key, input).await?;
        let message = match message {
            Some(content) => Some(stash(&*self.shared.store, &key, content).await?),
            None => None,
        };
        let deadline = request.timeout.map(|timeout| self.shared.now().after(timeout));
        let accepted = Accepted {
            ordinal: 0,
            agent,
            input,
            turn,
            key: request.key.clone(),
            input_hash,
            deadline,
            limits: config.limits,
            model,
            metadata,
            parent: None,
            retries: None,
            subject: who.subject.clone(),
            trace: request.trace.clone(),
        };
        Ok(Prepared {
            key,
            task: NewTask { accepted, message },
            open,
            fresh,
        })
    }

    /// Ends every actor where it is, as a process's death would.
    #[cfg(test)]
    pub(crate) fn tear_down(&self) {
        self.root.supervisor().kill();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

struct Prepared {
    key: JournalKey,
    task: NewTask,
    open: Option<Opened>,
    fresh: bool,
}

#[async_trait]
impl Supervisor for Orchestrator {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let id = id.unwrap_or_else(|| SessionId::generate(&*self.shared.clock, &*self.shared.random));
        let opened = Opened {
            kind: JournalKind::Session,
            subject: who.subject.clone(),
            title,
            metadata: None,
        };
        match self
            .ask(who, &id, Operation::Open { opened, again: false })
            .await?
        {
            Reply::Session(row) => Ok(*row),
            _ => Err(Failure::internal("a session was asked for")),
        }
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        self.own_session(who, id).await?;
        match self.ask(who, id, Operation::Retitle { title }).await? {
            Reply::Session(row) => Ok(*row),
            _ => Err(Failure::internal("a session was asked for")),
        }
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        self.own_session(who, id).await?;
        self.ask(who, id, Operation::Delete { again: false })
            .await
            .map(|_| ())
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        self.visible_session(who, id).await
    }

    async fn sessions(
        &self,
        who: &Principal,
        mut query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        if !who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL) {
            query.subject = Some(who.subject.clone());
        }
        self.shared
            .store
            .sessions(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        self.own_session(who, id).await?;
        let key = self.key(who, id);
        self.shared
            .store
            .messages(&key, range, limit)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        let Prepared {
            key,
            task,
            open,
            fresh,
        } = self.new_task(who, &request).await?;
        let is_turn = task.accepted.turn;
        let (done, ended) = oneshot::channel();
        let done = (!request.wait.is_zero()).then_some(done);
        let operation = Operation::Accept {
            task: Box::new(task),
            open,
            fresh,
        };
        let deadline = tokio::time::Instant::now() + request.wait;
        let reply = self
            .shared
            .journals
            .ask(&self.shared, &key, operation, done)
            .await?;
        // It is accepted: what fails from here on must not look like a refusal.
        let accepted = self.accepted(who, key, is_turn, reply, ended, deadline).await;
        accepted.map_err(|failure| match failure.code {
            ErrorCode::ResourceExhausted => Failure::unavailable(failure.message),
            _ => failure,
        })
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        self.visible_task(who, id).await
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        if let Some(journal) = &journal {
            self.own_session(who, journal).await?;
        }
        let all = who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL);
        let subject = (!all).then(|| who.subject.clone());
        let query = TaskQuery {
            subject,
            journal,
            status,
            parent: None,
        };
        let mut page = self
            .shared
            .store
            .tasks(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))?;
        page.rows = page
            .rows
            .into_iter()
            .map(|row| self.as_it_runs(who, row))
            .collect();
        Ok(page)
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        let row = self.own_task(who, id).await?;
        let key = self.key(who, &id.journal);
        let hub = self.shared.journals.hub_if_any(&key);
        steps::views(&*self.shared.store, &key, &row, hub).await
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.own_task(who, id).await?;
        let query = TaskQuery {
            parent: Some(id.clone()),
            ..TaskQuery::default()
        };
        self.shared
            .store
            .tasks(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        if row.status.is_terminal() {
            return Ok(row);
        }
        let reply = self
            .ask(who, &id.journal, Operation::Cancel { task: id.ordinal })
            .await?;
        self.task_of(who, reply).await
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        let key = self.key(who, &id.journal);
        if !row.status.is_terminal() {
            return Err(Failure::new(
                ErrorCode::Conflict,
                "this task has not ended: cancel it first, or wait",
            ));
        }
        let replayed = steps::replay(&*self.shared.store, &key, &row).await?;
        let first = replayed.ok_or_else(|| Failure::not_found("task"))?;
        let mut accepted = first.accepted;
        accepted.key = IdempotencyKey::mint(&*self.shared.random);
        accepted.retries = Some(id.ordinal);
        accepted.deadline = None;
        let message = if row.turn {
            self.first_message(&key, &row).await?
        } else {
            None
        };
        let copy = Box::new(NewTask { accepted, message });
        let operation = Operation::Retry {
            task: id.ordinal,
            copy,
        };
        let reply = self.ask(who, &id.journal, operation).await?;
        self.task_of(who, reply).await
    }

    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        if row.status.is_terminal() {
            return self.was_answered(who, row, step, &action).await;
        }
        let answer = StepResolution {
            task: id.ordinal,
            number: step,
            action: action.clone(),
            by: who.subject.clone(),
            note,
        };
        let reply = self
            .ask(who, &id.journal, Operation::Resolve(Box::new(answer)))
            .await?;
        let ended = matches!(reply, Reply::Ended(_));
        let row = self.task_of(who, reply).await?;
        if ended {
            return self.was_answered(who, row, step, &action).await;
        }
        Ok(row)
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        crate::aggregate::run(self, who, request).await
    }

    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        fetch(&*self.shared.store, &self.key(who, journal), payload).await
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        let (journal, whose, last) = match &scope {
            EventScope::Session(id) => {
                let row = self.own_session(who, id).await?;
                (id.clone(), Whose::Journal, row.last)
            }
            EventScope::Task(id) => {
                let row = self.own_task(who, id).await?;
                let whose = Whose::Task {
                    ordinal: row.id.ordinal,
                    ended: row.status.is_terminal().then_some(row.last),
                };
                (id.journal.clone(), whose, row.last)
            }
        };
        let from = after.unwrap_or_else(|| Cursor::behind(last));
        // A task's row doesn't tell how far its journal goes.
        if from.position.seq > last.seq + 1 && !self.reaches(who, &journal, from.position.seq - 1).await? {
            return Err(Failure::bad_input(
                "unknown cursor: it lies beyond what was ever written here",
            ));
        }
        Ok(events::stream(
            Arc::clone(&self.shared),
            self.key(who, &journal),
            whose,
            from,
        ))
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        Ok(self.shared.agents.status(name))
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        Ok(self.shared.agents.statuses())
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        if let Some(name) = &name {
            self.shared.agents.known(name)?;
        }
        Ok(events::agents(Arc::clone(&self.shared.agents), name))
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        Ok(self.shared.models.providers())
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        Ok(self.environment.tree().snapshot())
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        let watch = self.environment.tree().subscribe();
        let news = futures::stream::unfold(watch, |mut watch| async {
            let news = watch.next().await?;
            Some((news, watch))
        });
        // A reader that missed something reads the tree again; what it missed can't be told.
        let events = news.filter_map(|news| async {
            match news {
                TreeNews::Event(event) => Some(event),
                TreeNews::Missed(_) => None,
            }
        });
        Ok(events.boxed())
    }
}

impl Orchestrator {
    /// An accepted call as it stands when its wait is over.
    async fn accepted(
        &self,
        who: &Principal,
        key: JournalKey,
        is_turn: bool,
        reply: Reply,
        ended: oneshot::Receiver<TaskRow>,
        deadline: tokio::time::Instant,
    ) -> Result<AcceptedTask, Failure> {
        let mut row = self.task_of(who, reply).await?;
        if tokio::time::Instant::now() < deadline && row.status.needs_owner() {
            match tokio::time::timeout_at(deadline, ended).await {
                Ok(Ok(last)) => row = last,
                // The owner was lost, or the wait is over: the task as it stands.
                Ok(Err(_)) => row = self.as_stands_at(who, row, deadline).await?,
                Err(_) => row = patiently(|| self.own_task(who, &row.id)).await?,
            }
        }
        let (mut session, mut message) = (None, None);
        if is_turn {
            session = patiently(|| self.visible_session(who, &key.journal)).await?;
            let before = row.first.index.checked_sub(1);
            let before = before.map_or(row.first, |index| Position { index, ..row.first });
            let said = patiently(|| async {
                let range = MessageRange::After(Some(before));
                let said = self.shared.store.messages(&key, range, 1).await;
                said.map_err(|error| Failure::from(&error))
            });
            message = said.await?.into_iter().next();
        }
        Ok(AcceptedTask {
            cursor: Cursor::before(row.first),
            task: row,
            session,
            message,
        })
    }

    /// Follows a task whose owner was lost until it rests or the time is over.
    async fn as_stands_at(
        &self,
        who: &Principal,
        row: TaskRow,
        deadline: tokio::time::Instant,
    ) -> Result<TaskRow, Failure> {
        let hub = self.shared.journals.hub(&self.key(who, &row.id.journal));
        let mut changes = hub.subscribe();
        loop {
            changes.borrow_and_update();
            let row = self.own_task(who, &row.id).await?;
            let look_again = tokio::time::Instant::now() + Duration::from_millis(500);
            let over = tokio::time::Instant::now() >= deadline || self.shared.stopping.is_cancelled();
            if !row.status.needs_owner() || over {
                return Ok(row);
            }
            tokio::select! {
                () = self.shared.stopping.cancelled() => {}
                _ = tokio::time::timeout_at(look_again.min(deadline), changes.changed()) => {}
            }
        }
    }

    /// An ended task as it stands, if this answer was the one it was given.
    async fn was_answered(
        &self,
        who: &Principal,
        row: TaskRow,
        step: u32,
        action: &ResolveAction,
    ) -> Result<TaskRow, Failure> {
        let key = self.key(who, &row.id.journal);
        let replayed = steps::replay(&*self.shared.store, &key, &row).await?;
        let task = replayed.ok_or_else(|| Failure::not_found("task"))?;
        task.was_answered(step, action).map(|()| row)
    }

    async fn reaches(&self, who: &Principal, journal: &SessionId, seq: u64) -> Result<bool, Failure> {
        let slots = self.shared.store.read(&self.key(who, journal), seq, 1).await;
        slots
            .map(|slots| !slots.is_empty())
            .map_err(|error| Failure::from(&error))
    }

    async fn first_message(&self, key: &JournalKey, row: &TaskRow) -> Result<Option<Payload>, Failure> {
        let slots = self
            .shared
            .store
            .read(key, row.first.seq, 1)
            .await
            .map_err(|error| Failure::from(&error))?;
        let entries = slots.into_iter().flat_map(|slot| slot.entries);
        Ok(entries.into_iter().find_map(|entry| match entry {
            Entry::Message(message) if message.task == row.id.ordinal && message.number == 0 => {
                Some(message.content)
            }
            _ => None,
        }))
    }
}
