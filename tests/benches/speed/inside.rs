//! The supervisor in this process, on a disk and on its in-memory twin: latency of a lone caller, throughput over
//! slow syncs, and the wake of a long session.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use greenroom_agent_sdk::AgentHost;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AgentName, CallContext, CallFailure, Clock, ContentPiece, Failure,
    IdempotencyKey, MessageRange, ModelAnswer, ModelListing, ModelRequest, Models, NodeId, Principal,
    ProviderStatus, Randomness, Served, SessionId, Store, Subject, Supervisor, TaskStatus, TenantId,
    Timestamp, Usage, WireCall, Writer,
};
use greenroom_orchestrator::{Orchestrator, OrchestratorConfig, Parts};
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore};
use greenroom_supervision::Environment;
use greenroom_telemetry::Metrics;
use greenroom_wire::GrpcAgent;
use parking_lot::Mutex;
use rand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Figure;
use crate::load::median;

struct Ports(Instant);

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Randomness for Ports {
    fn next_u64(&self) -> u64 {
        rand::rng().random()
    }
}

struct NoModels;

#[async_trait]
impl Models for NoModels {
    async fn call(
        &self,
        _: &ModelRequest,
        _: &CallContext,
        _: &mut (dyn for<'a> FnMut(ContentPiece<'a>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        Err(Failure::unavailable("no model here"))
    }
    async fn serve(self: Arc<Self>, _: WireCall, _: CallContext) -> Result<Served, CallFailure> {
        Err(Failure::unavailable("no model here").into())
    }
    fn listing(&self) -> Vec<ModelListing> {
        Vec::new()
    }
    fn estimate(&self, _: &ModelRequest) -> Usage {
        Usage::default()
    }
    fn providers(&self) -> Vec<ProviderStatus> {
        Vec::new()
    }
}

struct House {
    orchestrator: Arc<Orchestrator>,
    stop: CancellationToken,
}

impl House {
    async fn start(store: Arc<dyn Store>) -> Self {
        let ports = Arc::new(Ports(Instant::now()));
        let environment = Environment::new(ports.clone(), ports.clone());
        let parts = Parts {
            config: OrchestratorConfig {
                snapshot_every: 64,
                default_agent: echo(),
                ..OrchestratorConfig::default()
            },
            store,
            models: Arc::new(NoModels),
            clock: ports.clone(),
            random: ports,
            metrics: Arc::new(Metrics::new("bench")),
            writer: Writer {
                node: NodeId::parse("bench").unwrap(),
                incarnation: 1,
            },
            environment,
            membership: None,
            history: None,
        };
        let orchestrator = Orchestrator::start(parts).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let host = AgentHost::new().agent(Arc::new(greenroom_agent_echo::Echo));
        let stopped = stop.clone();
        tokio::spawn(async move { host.serve(listener, stopped).await.unwrap() });
        orchestrator
            .join(Arc::new(GrpcAgent::new(&address).unwrap()))
            .await
            .unwrap();
        orchestrator
            .knows(&echo(), Duration::from_secs(10))
            .await
            .unwrap();
        Self { orchestrator, stop }
    }

    async fn task(&self) {
        let call = AcceptCall::Task {
            agent: echo(),
            input: r#"{"content":"hello"}"#.to_owned(),
        };
        let accepted = self
            .orchestrator
            .accept(&me(), request(call, None))
            .await
            .unwrap();
        assert_eq!(accepted.task.status, TaskStatus::Completed);
    }

    async fn turn(&self, session: &SessionId) {
        let call = AcceptCall::Chat {
            content: "hello there".to_owned(),
            agent: None,
            model: None,
            metadata: None,
        };
        let accepted = self
            .orchestrator
            .accept(&me(), request(call, Some(session.clone())))
            .await
            .unwrap();
        assert_eq!(accepted.task.status, TaskStatus::Completed);
    }

    /// The median of a lone caller's calls.
    async fn lone(&self, calls: usize) -> f64 {
        for _ in 0..20 {
            self.task().await;
        }
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begin = Instant::now();
            self.task().await;
            times.push(begin.elapsed());
        }
        median(times)
    }

    async fn stop(self) {
        self.stop.cancel();
        self.orchestrator.stop().await;
    }
}

fn echo() -> AgentName {
    AgentName::parse("echo").unwrap()
}

fn me() -> Principal {
    Principal {
        tenant: TenantId::parse("dev").unwrap(),
        subject: Subject::parse("me").unwrap(),
        scopes: Vec::new(),
        tier: "dev".to_owned(),
    }
}

fn request(call: AcceptCall, session: Option<SessionId>) -> AcceptRequest {
    let key = IdempotencyKey::mint(&Ports(Instant::now()));
    AcceptRequest {
        call,
        session,
        key,
        timeout: None,
        wait: Duration::from_secs(30),
        trace: None,
    }
}

fn open(folder: &Path, options: SqliteOptions) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(folder.join("bench.sqlite"), options).unwrap())
}

async fn lone_caller() -> Figure {
    let house = House::start(Arc::new(MemoryStore::new())).await;
    let twin = house.lone(400).await;
    house.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let commits: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let told = Arc::clone(&commits);
    let options = SqliteOptions {
        on_commit: Some(Arc::new(move |_, took| told.lock().push(took))),
        ..SqliteOptions::default()
    };
    let store = open(folder.path(), options);
    let house = House::start(store.clone()).await;
    house.lone(10).await;
    commits.lock().clear();
    let disk = house.lone(400).await;
    let measured = std::mem::take(&mut *commits.lock());
    house.stop().await;
    let syncs = measured.len() as f64 / 420.0;
    let sync = median(measured);
    println!(
        "lone caller p50: {disk:.3} ms on disk, {twin:.3} ms in memory, {syncs:.2} syncs of {sync:.3} ms a task"
    );
    let value = disk / (twin + syncs * sync);
    Figure {
        name: "a lone caller's p50 against memory + its syncs",
        value,
        unit: "x",
        goal: 1.5,
        bound: 2.5,
        falling: true,
    }
}

async fn slow_syncs(time: Duration) -> Figure {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        sync_delay: Some(Duration::from_millis(4)),
        ..SqliteOptions::default()
    };
    let store = open(folder.path(), options);
    let house = Arc::new(House::start(store.clone()).await);
    let begin = Instant::now();
    let before = store.stats();
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let house = Arc::clone(&house);
        callers.spawn(async move {
            let mut done = 0u64;
            while begin.elapsed() < time {
                house.task().await;
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(calls) = callers.join_next().await {
        done += calls.unwrap();
    }
    let value = done as f64 / begin.elapsed().as_secs_f64();
    let after = store.stats();
    println!(
        "syncs of 4 ms: {value:.0} tasks/s, {:.1} appends a sync",
        (after.appends - before.appends) as f64 / (after.commits - before.commits) as f64
    );
    Figure {
        name: "64 callers over syncs slowed to 4 ms",
        value,
        unit: "task/s",
        goal: 3_000.0,
        bound: 1_500.0,
        falling: false,
    }
}

async fn long_session() -> Figure {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), SqliteOptions::default());
    let house = House::start(store.clone()).await;
    let made = house
        .orchestrator
        .create_session(&me(), None, None)
        .await
        .unwrap();
    for _ in 0..5_000 {
        house.turn(&made.id).await;
    }
    house.stop().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let house = House::start(store.clone()).await;
        let begin = Instant::now();
        house.turn(&made.id).await;
        let woken = begin.elapsed();
        let begin = Instant::now();
        house.turn(&made.id).await;
        times.push(woken.saturating_sub(begin.elapsed()));
        house.stop().await;
    }
    let said = store
        .messages(
            &greenroom_kernel::JournalKey {
                tenant: me().tenant,
                journal: made.id,
            },
            MessageRange::Before(None),
            1,
        )
        .await
        .unwrap();
    println!(
        "the long session's last message is at slot {}",
        said[0].position.seq
    );
    Figure {
        name: "a session of 10,000 messages wakes in",
        value: median(times),
        unit: "ms",
        goal: 20.0,
        bound: 60.0,
        falling: true,
    }
}

pub(crate) async fn figures(time: Duration) -> Vec<Figure> {
    vec![lone_caller().await, slow_syncs(time).await, long_session().await]
}
