//! An agent run by hand, for the tests of the agents beside this crate: over gRPC as always, with the supervisor's
//! side played by a closure and a journal that a second attempt replays from.
//!
//! Small on purpose. Where the SDK has a test kit of its own, it takes this crate's place.

#![cfg(feature = "testkit")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code: a rehearsal that cannot go on fails its test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use greenroom_agent_sdk::{Agent, AgentHost};
use greenroom_kernel::{
    AgentEndpoint as _, AgentName, AgentRun, Failure, FromAgent, ModelRequest, Principal, RunStart,
    StepAnswer, StepKind, Subject, TaskId, TenantId, Timestamp, ToAgent,
};
use greenroom_wire::GrpcAgent;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use greenroom_kernel::StepCall;

/// How long an agent may be silent before its test fails.
const SOON: Duration = Duration::from_secs(20);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It answered.
    Completed {
        /// Its text.
        content: Option<String>,
        /// Its data.
        data: Option<Value>,
    },
    /// Its task failed.
    Failed(Failure),
    /// The supervisor was lost on the way.
    Lost,
}

impl Ending {
    /// The text of an answer; fails on another ending.
    pub fn content(&self) -> &str {
        match self {
            Self::Completed { content, .. } => content.as_deref().expect("a text"),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The data of an answer; fails on another ending.
    pub fn data(&self) -> &Value {
        match self {
            Self::Completed { data, .. } => data.as_ref().expect("data"),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The failure; fails on another ending.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Failed(failure) => failure,
            other => panic!("no failure: {other:?}"),
        }
    }
}

/// A task of one agent, attempt after attempt.
pub struct Rehearsal {
    agent: Arc<dyn Agent>,
    input: String,
    attempt: u32,
    /// The finished steps by place: what was asked, and what came of it.
    pub journal: BTreeMap<String, (StepCall, Result<String, Failure>)>,
    /// What the last attempt asked for, in the order of arrival.
    pub asked: Vec<StepCall>,
    /// What the last attempt emitted.
    pub emitted: String,
}

impl Rehearsal {
    /// A task with that input.
    pub fn of(agent: impl Agent, input: &Value) -> Self {
        Self {
            agent: Arc::new(agent),
            input: input.to_string(),
            attempt: 0,
            journal: BTreeMap::new(),
            asked: Vec::new(),
            emitted: String::new(),
        }
    }

    /// Runs an attempt to its end. Finished steps are answered from the journal, others by `answer`; where that
    /// gives none, the attempt is lost. A replay that asks for something else than the journal holds fails.
    pub async fn attempt(
        &mut self,
        mut answer: impl FnMut(&StepCall) -> Option<Result<String, Failure>>,
    ) -> Ending {
        self.attempt += 1;
        self.asked.clear();
        self.emitted.clear();
        let (mut run, _host) = self.begin().await;
        loop {
            let next = tokio::time::timeout(SOON, run.inbound.next()).await;
            match next.expect("the agent says something").unwrap().unwrap() {
                FromAgent::Call(call) => {
                    self.asked.push(call.clone());
                    let place = call.path.to_string();
                    let result = match self.journal.get(&place) {
                        Some((before, result)) => {
                            assert_eq!(*before, call, "the replay differs");
                            result.clone()
                        }
                        None => match answer(&call) {
                            Some(result) => result,
                            None => return Ending::Lost,
                        },
                    };
                    let (path, finished) = (call.path.clone(), result.clone());
                    self.journal.insert(place, (call, result));
                    let answer = StepAnswer::Finished(finished);
                    run.outbound.send(ToAgent::Answer { path, answer }).unwrap();
                }
                FromAgent::Emit(text) => self.emitted.push_str(&text),
                FromAgent::Heartbeat => {}
                FromAgent::Completed { content, data } => {
                    let data = data.map(|data| serde_json::from_str(&data).unwrap());
                    return Ending::Completed { content, data };
                }
                FromAgent::Failed(failure) => return Ending::Failed(failure),
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Runs the task losing the attempt again and again, each with one more finished step, until one ends; then
    /// replays that. Every step runs once, whatever is lost, and the end is that of an attempt without a loss.
    pub async fn survives_every_loss(
        &mut self,
        mut answer: impl FnMut(&StepCall) -> Result<String, Failure>,
    ) -> Ending {
        let end = loop {
            let mut left = 1;
            let end = self
                .attempt(|call| {
                    left -= 1;
                    (left >= 0).then(|| answer(call))
                })
                .await;
            if end != Ending::Lost {
                break end;
            }
        };
        let replayed = self.attempt(|call| panic!("run again: {call:?}")).await;
        assert_eq!(replayed, end, "the replay ends otherwise");
        end
    }

    async fn begin(&self) -> (AgentRun, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let host = AgentHost::new().agent(Arc::clone(&self.agent));
        let mut hosts = JoinSet::new();
        hosts.spawn(async move { host.serve(listener, CancellationToken::new()).await.unwrap() });
        let run = GrpcAgent::new(&address).unwrap().run(self.start()).await;
        (run.unwrap(), hosts)
    }

    fn start(&self) -> RunStart {
        RunStart {
            task: TaskId::parse("s.1").unwrap(),
            agent: AgentName::parse(&self.agent.card().name).unwrap(),
            attempt: self.attempt,
            principal: Principal {
                tenant: TenantId::parse("dev").unwrap(),
                subject: Subject::parse("me").unwrap(),
                scopes: Vec::new(),
                tier: String::new(),
            },
            input: self.input.clone(),
            history: Vec::new(),
            model: None,
            deadline: None,
            accepted_at: Timestamp::from_millis(0),
            seed: 0,
            credit: 64,
            heartbeat: Duration::from_secs(60),
            trace: None,
        }
    }
}

/// What a model call asks.
pub fn request(call: &StepCall) -> ModelRequest {
    assert_eq!(call.kind, StepKind::Model, "a model call: {call:?}");
    serde_json::from_str(&call.input).unwrap()
}

/// A model's finished answer.
pub fn says(content: &str) -> Result<String, Failure> {
    ends(content, "stop", 1)
}

/// A model's answer with its finish (`stop`, `length`) and how many tokens it wrote.
pub fn ends(content: &str, finish: &str, output_tokens: u64) -> Result<String, Failure> {
    let usage = json!({ "input_tokens": 1, "output_tokens": output_tokens });
    Ok(
        json!({ "content": content, "finish": finish, "usage": usage, "provider": "p", "model": "m" })
            .to_string(),
    )
}
