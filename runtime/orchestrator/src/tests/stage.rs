//! The stage that every test plays on.

mod calls;
mod door;
mod fleet;
mod host;
mod models;
mod world;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(crate) use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ChatEvent, ChatEventBody, Cursor, Effect, ErrorCode, EventScope, Failure,
    FromAgent, IdempotencyKey, Principal, ResolveAction, SessionId, StepKind, StepStatus, Store, Supervisor,
    TaskId, TaskRow, TaskStatus,
};
use greenroom_kernel::{Clock, NodeId, Randomness, Writer};
use greenroom_store::MemoryStore;
pub(crate) use greenroom_store::testkit::{Fault, FaultyStore, Operation as Asked};
use greenroom_supervision::Environment;
use greenroom_telemetry::Metrics;

use crate::{HistoryParts, MembershipParts, Orchestrator, OrchestratorConfig, Parts};

pub(crate) use calls::*;
use door::Line;
pub(crate) use door::*;
pub(crate) use fleet::*;
pub(crate) use host::*;
pub(crate) use models::*;
pub(crate) use world::*;

/// For how long what is seen of agents is kept.
pub(crate) const KEEP: Duration = Duration::from_secs(7 * 86_400);

pub(crate) type StageStore = FaultyStore<MemoryStore>;

/// One process, and what outlives it.
pub(crate) struct Stage {
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) store: Arc<StageStore>,
    pub(crate) models: Arc<StageModels>,
    pub(crate) clock: Arc<StageClock>,
    /// The handle that the tests call by.
    pub(crate) show: Arc<dyn Supervisor>,
    /// What is behind it.
    pub(crate) orchestrator: Arc<Orchestrator>,
    line: Option<Line>,
    door: Door,
    hosts: Vec<Arc<Host>>,
    config: OrchestratorConfig,
    incarnation: u64,
}

impl Stage {
    pub(crate) async fn with(door: Door, hosts: impl IntoIterator<Item = Arc<Host>>) -> Self {
        Self::configured(door, OrchestratorConfig::default(), hosts).await
    }

    pub(crate) async fn configured(
        door: Door,
        mut config: OrchestratorConfig,
        hosts: impl IntoIterator<Item = Arc<Host>>,
    ) -> Self {
        config.default_agent = name("helper");
        let memory = Arc::new(MemoryStore::new());
        let store = Arc::new(FaultyStore::over(Arc::clone(&memory)));
        let models = Arc::new(StageModels::default());
        let clock = Arc::new(StageClock::new());
        let hosts: Vec<_> = hosts.into_iter().collect();
        let orchestrator = raise(&config, &store, &models, &clock, &hosts, 1).await;
        let (show, line) = door.open(&orchestrator);
        Self {
            memory,
            store,
            models,
            clock,
            show,
            orchestrator,
            line,
            door,
            hosts,
            config,
            incarnation: 1,
        }
    }

    /// The process is gone at once; nothing it still sends arrives.
    pub(crate) fn crash(&self) {
        self.store.set_rule(|_| Some(Fault::RequestLost));
        self.orchestrator.tear_down();
        self.cut();
    }

    /// Cuts the connection between the handle and what is behind it, if they have one.
    pub(crate) fn cut(&self) {
        if let Some(line) = &self.line {
            line.cut();
        }
    }

    /// Another process on the same store.
    pub(crate) async fn restart(&mut self) {
        self.incarnation += 1;
        self.store = Arc::new(FaultyStore::over(Arc::clone(&self.memory)));
        self.orchestrator = raise(
            &self.config,
            &self.store,
            &self.models,
            &self.clock,
            &self.hosts,
            self.incarnation,
        )
        .await;
        (self.show, self.line) = self.door.open(&self.orchestrator);
    }

    pub(crate) async fn crash_and_restart(&mut self) {
        self.crash();
        self.restart().await;
    }

    /// A turn in a session, or in a new one.
    pub(crate) async fn chat(
        &self,
        session: Option<&SessionId>,
        content: &str,
        key: &str,
        wait: Duration,
    ) -> AcceptedTask {
        self.show
            .accept(&ann(), chat(session, content, key, wait))
            .await
            .unwrap()
    }

    pub(crate) async fn task(&self, agent: &str, key: &str, wait: Duration) -> AcceptedTask {
        self.show.accept(&ann(), task(agent, key, wait)).await.unwrap()
    }

    pub(crate) async fn row(&self, id: &TaskId) -> TaskRow {
        self.show.task(&ann(), id).await.unwrap().unwrap()
    }

    /// Waits until a task is as wanted.
    pub(crate) async fn until(&self, id: &TaskId, wanted: impl Fn(&TaskRow) -> bool) -> TaskRow {
        let waiting = async {
            // A long wait asks seldom.
            let mut pause = Duration::from_millis(20);
            loop {
                let row = self.row(id).await;
                if wanted(&row) {
                    return row;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 5 / 4).min(Duration::from_millis(500));
            }
        };
        let Ok(row) = tokio::time::timeout(Duration::from_secs(600), waiting).await else {
            panic!("it stayed {:?}", self.row(id).await)
        };
        row
    }

    pub(crate) async fn ended(&self, id: &TaskId) -> TaskRow {
        self.until(id, |row| row.status.is_terminal()).await
    }

    pub(crate) async fn at(&self, id: &TaskId, status: TaskStatus) -> TaskRow {
        self.until(id, |row| row.status == status).await
    }

    pub(crate) async fn text(&self, row: &TaskRow) -> String {
        let content = row.output.clone().unwrap().content.unwrap();
        self.show
            .payload(&ann(), &row.id.journal, &content)
            .await
            .unwrap()
            .to_string()
    }
}

async fn raise(
    config: &OrchestratorConfig,
    store: &Arc<StageStore>,
    models: &Arc<StageModels>,
    clock: &Arc<StageClock>,
    hosts: &[Arc<Host>],
    incarnation: u64,
) -> Arc<Orchestrator> {
    let writer = Writer {
        node: NodeId::parse("n").unwrap(),
        incarnation,
    };
    Scene {
        config,
        store,
        models,
        clock,
        hosts,
        writer,
        membership: None,
    }
    .raise()
    .await
}

/// What a process begins with.
struct Scene<'s> {
    config: &'s OrchestratorConfig,
    store: &'s Arc<StageStore>,
    models: &'s Arc<StageModels>,
    clock: &'s Arc<StageClock>,
    hosts: &'s [Arc<Host>],
    writer: Writer,
    membership: Option<MembershipParts>,
}

impl Scene<'_> {
    /// Starts it, and waits until it knows the agents.
    async fn raise(self) -> Arc<Orchestrator> {
        let random: Arc<dyn Randomness> =
            Arc::new(StageRandom(AtomicU64::new(self.writer.incarnation * 1_000)));
        let clock: Arc<dyn Clock> = Arc::clone(self.clock) as _;
        let show = Orchestrator::start(Parts {
            config: self.config.clone(),
            store: Arc::clone(self.store) as _,
            models: Arc::clone(self.models) as _,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            metrics: Arc::new(Metrics::new("test")),
            writer: self.writer,
            environment: Environment::new(clock, random),
            membership: self.membership,
            history: Some(HistoryParts {
                store: Arc::clone(self.store) as _,
                keep: KEEP,
            }),
        })
        .await
        .unwrap();
        for host in self.hosts {
            show.join(Arc::clone(host) as _).await.unwrap();
        }
        let reached = self.hosts.iter().filter(|host| host.reached().is_ok());
        for agent in reached.flat_map(|host| host.scripts.keys()) {
            show.knows(agent, Duration::from_secs(10)).await.unwrap();
        }
        show
    }
}
