//! The stage that every test plays on.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
pub(crate) use greenroom_kernel::{
    AcceptCall, AcceptRequest, AcceptedTask, AgentName, ChatEvent, ChatEventBody, Cursor, Effect, ErrorCode,
    EventScope, Failure, FromAgent, IdempotencyKey, Principal, ResolveAction, RunStart, SessionId, StepCall,
    StepKind, StepOutcome, StepPath, StepStatus, Store, Supervisor, TaskId, TaskRow, TaskStatus, ToAgent,
};
use greenroom_kernel::{
    AgentCard, AgentEndpoint, AgentGone, AgentRun, AgentSink, CallContext, Clock, ContentPiece, FinishReason,
    ModelAnswer, ModelRequest, Models, NodeId, Payload, ProviderStatus, Randomness, StepAnswer, Subject,
    TenantId, Timestamp, Usage, Writer,
};
use greenroom_store::MemoryStore;
pub(crate) use greenroom_store::testkit::{Fault, FaultyStore, Operation as Asked};
use greenroom_supervision::Environment;
use greenroom_telemetry::Metrics;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{Orchestrator, OrchestratorConfig, Parts};

/// A clock that goes with tokio's.
pub(crate) struct StageClock(tokio::time::Instant);

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Repeatable randomness (splitmix64).
pub(crate) struct StageRandom(AtomicU64);

impl Randomness for StageRandom {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

pub(crate) fn path(text: &str) -> StepPath {
    StepPath::parse(text).unwrap()
}

pub(crate) fn ann() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::parse("ann").unwrap(),
        scopes: Vec::new(),
        tier: String::new(),
    }
}

/// What an attempt's script talks with.
pub(crate) struct Talk {
    pub(crate) start: RunStart,
    out: mpsc::UnboundedSender<Result<FromAgent, Failure>>,
    inbox: mpsc::UnboundedReceiver<ToAgent>,
    fired: Arc<Mutex<Vec<String>>>,
}

impl Talk {
    pub(crate) fn say(&self, frame: FromAgent) {
        let _ = self.out.send(Ok(frame));
    }

    pub(crate) fn done(&self, content: &str) {
        self.say(FromAgent::Completed {
            content: Some(content.to_owned()),
            data: None,
        });
    }

    /// Asks for a step and runs it if told to; none when the attempt was ended.
    pub(crate) async fn step(&mut self, call: StepCall) -> Option<Result<String, Failure>> {
        let place = call.path.clone();
        self.say(FromAgent::Call(call));
        self.answer(&place).await
    }

    /// Waits for a step's answer, sending heartbeats meanwhile.
    pub(crate) async fn answer(&mut self, place: &StepPath) -> Option<Result<String, Failure>> {
        loop {
            let Ok(frame) = tokio::time::timeout(Duration::from_secs(3), self.inbox.recv()).await else {
                self.say(FromAgent::Heartbeat);
                continue;
            };
            match frame? {
                ToAgent::Answer { path, answer } if path == *place => match answer {
                    StepAnswer::Finished(result) => return Some(result),
                    StepAnswer::Go => {
                        self.fired.lock().push(format!("{} {path}", self.start.task));
                        self.say(FromAgent::Report {
                            path,
                            outcome: StepOutcome::Done(Payload::inline("\"ran\"")),
                        });
                        return Some(Ok("\"ran\"".to_owned()));
                    }
                },
                ToAgent::Cancel(_) => return None,
                ToAgent::Answer { .. } | ToAgent::Credit(_) => {}
            }
        }
    }

    /// Stays until the attempt is ended from outside.
    pub(crate) async fn linger(&mut self) {
        let _ = self.answer(&path("999")).await;
    }
}

type Script = Arc<dyn Fn(Talk) -> BoxFuture<'static, ()> + Send + Sync>;

/// An agent host in this process.
pub(crate) struct Host {
    address: String,
    scripts: BTreeMap<AgentName, Script>,
    schemas: BTreeMap<AgentName, (Option<Value>, Option<Value>)>,
    pub(crate) up: AtomicBool,
    pub(crate) runs: AtomicU32,
    pub(crate) fired: Arc<Mutex<Vec<String>>>,
    tasks: TaskTracker,
}

impl Host {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            scripts: BTreeMap::new(),
            schemas: BTreeMap::new(),
            up: AtomicBool::new(true),
            runs: AtomicU32::new(0),
            fired: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn agent<F>(mut self, agent: &str, script: impl Fn(Talk) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let script: Script = Arc::new(move |talk| script(talk).boxed());
        self.scripts.insert(name(agent), script);
        self
    }

    /// The schemas that an agent's card has: of its input, and of its output.
    pub(crate) fn schemas(mut self, agent: &str, input: Option<Value>, output: Option<Value>) -> Self {
        self.schemas.insert(name(agent), (input, output));
        self
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    fn reached(&self) -> Result<(), Failure> {
        if self.up.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(Failure::unavailable("connection refused"))
        }
    }
}

struct Sink(mpsc::UnboundedSender<ToAgent>);

impl AgentSink for Sink {
    fn send(&self, frame: ToAgent) -> Result<(), AgentGone> {
        self.0.send(frame).map_err(|_| AgentGone)
    }
}

#[async_trait]
impl AgentEndpoint for Host {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn describe(&self) -> Result<Vec<AgentCard>, Failure> {
        self.reached()?;
        let card = |name: &AgentName| {
            let (input_schema, output_schema) = self.schemas.get(name).cloned().unwrap_or_default();
            AgentCard {
                name: name.clone(),
                version: "1".into(),
                description: String::new(),
                skills: Vec::new(),
                input_schema,
                output_schema,
            }
        };
        Ok(self.scripts.keys().map(card).collect())
    }

    async fn check(&self) -> Result<(), Failure> {
        self.reached()
    }

    async fn run(&self, start: RunStart) -> Result<AgentRun, Failure> {
        self.reached()?;
        self.runs.fetch_add(1, Ordering::SeqCst);
        let script = self.scripts.get(&start.agent).cloned();
        let script = script.ok_or_else(|| Failure::not_found("agent"))?;
        let (out, mut from_agent) = mpsc::unbounded_channel();
        let (to_agent, inbox) = mpsc::unbounded_channel();
        let fired = Arc::clone(&self.fired);
        self.tasks.spawn(script(Talk {
            start,
            out,
            inbox,
            fired,
        }));
        let inbound = futures::stream::poll_fn(move |cx| from_agent.poll_recv(cx)).boxed();
        Ok(AgentRun {
            outbound: Box::new(Sink(to_agent)),
            inbound,
        })
    }
}

/// What a scripted model does.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(&'static str),
    Restart,
    /// The call has used so many tokens until now.
    Used(u64),
    Pause(Duration),
    Fail(Failure),
}

/// Models that follow a script.
#[derive(Default)]
pub(crate) struct StageModels {
    pub(crate) script: Mutex<Vec<Piece>>,
    pub(crate) calls: AtomicU32,
    pub(crate) asked: Mutex<Vec<ModelRequest>>,
}

#[async_trait]
impl Models for StageModels {
    async fn call(
        &self,
        request: &ModelRequest,
        _: &CallContext,
        on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().push(request.clone());
        let script = self.script.lock().clone();
        let mut content = String::new();
        for piece in script {
            match piece {
                Piece::Text(text) => {
                    content.push_str(text);
                    on_content(ContentPiece::Text(text));
                }
                Piece::Restart => {
                    content.clear();
                    on_content(ContentPiece::Restart);
                }
                Piece::Used(tokens) => on_content(ContentPiece::Used(tokens_used(tokens))),
                Piece::Pause(wait) => tokio::time::sleep(wait).await,
                Piece::Fail(failure) => return Err(failure),
            }
        }
        Ok(ModelAnswer {
            content,
            tool_calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: tokens_used(10),
            provider: "stage".into(),
            model: "small".into(),
        })
    }

    fn estimate(&self, _: &ModelRequest) -> Usage {
        Usage {
            estimated: true,
            ..tokens_used(5)
        }
    }

    fn providers(&self) -> Vec<ProviderStatus> {
        Vec::new()
    }
}

fn tokens_used(tokens: u64) -> Usage {
    Usage {
        input_tokens: tokens,
        ..Usage::default()
    }
}

pub(crate) type StageStore = FaultyStore<MemoryStore>;

/// One process, and what outlives it.
pub(crate) struct Stage {
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) store: Arc<StageStore>,
    pub(crate) models: Arc<StageModels>,
    pub(crate) clock: Arc<StageClock>,
    pub(crate) show: Arc<Orchestrator>,
    hosts: Vec<Arc<Host>>,
    config: OrchestratorConfig,
    incarnation: u64,
}

impl Stage {
    pub(crate) async fn with(hosts: impl IntoIterator<Item = Arc<Host>>) -> Self {
        Self::configured(OrchestratorConfig::default(), hosts).await
    }

    pub(crate) async fn configured(
        mut config: OrchestratorConfig,
        hosts: impl IntoIterator<Item = Arc<Host>>,
    ) -> Self {
        config.default_agent = name("helper");
        let memory = Arc::new(MemoryStore::new());
        let store = Arc::new(FaultyStore::over(Arc::clone(&memory)));
        let models = Arc::new(StageModels::default());
        let clock = Arc::new(StageClock(tokio::time::Instant::now()));
        let hosts: Vec<_> = hosts.into_iter().collect();
        let show = raise(&config, &store, &models, &clock, &hosts, 1).await;
        Self {
            memory,
            store,
            models,
            clock,
            show,
            hosts,
            config,
            incarnation: 1,
        }
    }

    /// The process is gone at once; nothing it still sends arrives.
    pub(crate) fn crash(&self) {
        self.store.set_rule(|_| Some(Fault::RequestLost));
        self.show.tear_down();
    }

    /// Another process on the same store.
    pub(crate) async fn restart(&mut self) {
        self.incarnation += 1;
        self.store = Arc::new(FaultyStore::over(Arc::clone(&self.memory)));
        self.show = raise(
            &self.config,
            &self.store,
            &self.models,
            &self.clock,
            &self.hosts,
            self.incarnation,
        )
        .await;
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
            loop {
                let row = self.row(id).await;
                if wanted(&row) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
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
    let random: Arc<dyn Randomness> = Arc::new(StageRandom(AtomicU64::new(incarnation * 1_000)));
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let show = Orchestrator::start(Parts {
        config: config.clone(),
        store: Arc::clone(store) as _,
        models: Arc::clone(models) as _,
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        metrics: Arc::new(Metrics::new("test")),
        writer: Writer {
            node: NodeId::parse("n").unwrap(),
            incarnation,
        },
        environment: Environment::new(clock, random),
    })
    .await
    .unwrap();
    for host in hosts {
        show.join(Arc::clone(host) as _).await.unwrap();
    }
    for agent in hosts
        .iter()
        .filter(|host| host.reached().is_ok())
        .flat_map(|host| host.scripts.keys())
    {
        show.knows(agent, Duration::from_secs(10)).await.unwrap();
    }
    show
}

pub(crate) const LONG: Duration = Duration::from_secs(120);
pub(crate) const NOT: Duration = Duration::ZERO;

pub(crate) fn chat(session: Option<&SessionId>, content: &str, key: &str, wait: Duration) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Chat {
            content: content.to_owned(),
            agent: None,
            model: None,
            metadata: None,
        },
        session: session.cloned(),
        key: IdempotencyKey::parse(key).unwrap(),
        timeout: None,
        wait,
        trace: None,
    }
}

pub(crate) fn task(agent: &str, key: &str, wait: Duration) -> AcceptRequest {
    AcceptRequest {
        call: AcceptCall::Task {
            agent: name(agent),
            input: "{}".to_owned(),
        },
        ..chat(None, "", key, wait)
    }
}

pub(crate) fn call(place: &str, kind: StepKind, effect: Effect, input: &str) -> StepCall {
    StepCall {
        path: path(place),
        kind,
        name: Some("thing".into()),
        effect,
        input: input.to_owned(),
        visible: false,
    }
}

pub(crate) fn tool(place: &str, effect: Effect) -> StepCall {
    call(place, StepKind::Tool, effect, "{}")
}

pub(crate) fn hand_off(place: &str, agent: &str) -> StepCall {
    StepCall {
        name: Some(agent.to_owned()),
        ..call(place, StepKind::Agent, Effect::Idempotent, "{}")
    }
}

pub(crate) fn approval(place: &str, input: &str) -> StepCall {
    call(place, StepKind::Approval, Effect::ReadOnly, input)
}

pub(crate) fn model(place: &str) -> StepCall {
    StepCall {
        visible: true,
        ..call(place, StepKind::Model, Effect::ReadOnly, "{\"messages\":[]}")
    }
}

/// An agent that answers with what it was asked.
pub(crate) async fn echo(talk: Talk) {
    let input: serde_json::Value = serde_json::from_str(&talk.start.input).unwrap();
    talk.done(input["content"].as_str().unwrap_or("nothing"));
}

/// An agent that answers with what one visible model call says.
pub(crate) async fn speaker(mut talk: Talk) {
    if let Some(Ok(answer)) = talk.step(model("0")).await {
        let answer: ModelAnswer = serde_json::from_str(&answer).unwrap();
        talk.done(&answer.content);
    }
}

pub(crate) fn host(address: &str) -> Host {
    Host::new(address)
}

pub(crate) fn stage_random() -> StageRandom {
    StageRandom(AtomicU64::new(42))
}
