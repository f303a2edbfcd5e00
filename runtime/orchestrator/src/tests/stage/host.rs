//! Agents that follow a script, and their host.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use greenroom_kernel::{
    AgentCard, AgentEndpoint, AgentGone, AgentName, AgentRun, AgentSink, Failure, FromAgent, HostState,
    ModelAnswer, Payload, RunStart, StepAnswer, StepCall, StepOutcome, StepPath, ToAgent,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{model, name, path};

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

    /// The same, but what it is told to run takes so many seconds; cut off before its end, it is not reported.
    pub(crate) async fn slowly(&mut self, call: StepCall, seconds: u64) -> Option<Result<String, Failure>> {
        let place = call.path.clone();
        if let Some(finished) = self.begin(call).await? {
            return Some(finished);
        }
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.say(FromAgent::Heartbeat);
        }
        self.report(&place);
        Some(Ok("\"ran\"".to_owned()))
    }

    /// Asks for a step and begins it when told to; what came of it if it ran before.
    pub(crate) async fn begin(&mut self, call: StepCall) -> Option<Option<Result<String, Failure>>> {
        let place = call.path.clone();
        self.say(FromAgent::Call(call));
        loop {
            let Ok(frame) = tokio::time::timeout(Duration::from_secs(3), self.inbox.recv()).await else {
                self.say(FromAgent::Heartbeat);
                continue;
            };
            match frame? {
                ToAgent::Answer { path, answer } if path == place => match answer {
                    StepAnswer::Finished(result) => return Some(Some(result)),
                    StepAnswer::Go => break,
                },
                ToAgent::Cancel(_) => return None,
                ToAgent::Answer { .. } | ToAgent::Credit(_) => {}
            }
        }
        // What it does is done whether or not anybody hears of it.
        self.fired.lock().push(format!("{} {place}", self.start.task));
        Some(None)
    }

    /// A step that was begun is done.
    pub(crate) fn report(&self, place: &StepPath) {
        self.say(FromAgent::Report {
            path: place.clone(),
            outcome: StepOutcome::Done(Payload::inline("\"ran\"")),
        });
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

/// Of an input, and of an output.
type Schemas = (Option<Value>, Option<Value>);

/// An agent host in this process.
pub(crate) struct Host {
    address: String,
    pub(super) scripts: BTreeMap<AgentName, Script>,
    schemas: Mutex<BTreeMap<AgentName, Schemas>>,
    pub(crate) up: AtomicBool,
    pub(crate) draining: AtomicBool,
    version: Mutex<String>,
    pub(crate) runs: AtomicU32,
    pub(crate) fired: Arc<Mutex<Vec<String>>>,
    tasks: TaskTracker,
}

impl Host {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            scripts: BTreeMap::new(),
            schemas: Mutex::default(),
            up: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            version: Mutex::new("1".to_owned()),
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

    /// The version that its agents' cards have; "1" unless said otherwise.
    pub(crate) fn version(self, version: &str) -> Self {
        *self.version.lock() = version.to_owned();
        self
    }

    /// The schemas that an agent's card has: of its input, and of its output.
    pub(crate) fn schemas(self, agent: &str, input: Option<Value>, output: Option<Value>) -> Self {
        self.schemas.lock().insert(name(agent), (input, output));
        self
    }

    /// Another input schema from now on: it is heard of when the host is asked again.
    pub(crate) fn takes_only(&self, agent: &str, input: Value) {
        self.schemas.lock().insert(name(agent), (Some(input), None));
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    pub(super) fn reached(&self) -> Result<(), Failure> {
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
            let (input_schema, output_schema) = self.schemas.lock().get(name).cloned().unwrap_or_default();
            AgentCard {
                name: name.clone(),
                version: self.version.lock().clone(),
                description: String::new(),
                skills: Vec::new(),
                input_schema,
                output_schema,
            }
        };
        Ok(self.scripts.keys().map(card).collect())
    }

    async fn check(&self) -> Result<HostState, Failure> {
        self.reached()?;
        Ok(match self.draining.load(Ordering::SeqCst) {
            true => HostState::Draining,
            false => HostState::Serving,
        })
    }

    async fn run(&self, start: RunStart) -> Result<AgentRun, Failure> {
        self.reached()?;
        if self.draining.load(Ordering::SeqCst) {
            return Err(Failure::unavailable("this agent host is shutting down"));
        }
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
