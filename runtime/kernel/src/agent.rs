//! The port to an agent instance: one run is one attempt, a conversation of frames.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AgentName, BreakerState, Effect, Failure, Health, Principal, Role, StepKind, StepOutcome, StepPath,
    TaskId, Timestamp,
};

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentCard {
    /// Its name.
    pub name: AgentName,
    /// Its version.
    pub version: String,
    /// What it does, for people.
    pub description: String,
    /// What it can be asked for.
    #[serde(default)]
    pub skills: Vec<String>,
    /// JSON Schema of its input; none accepts anything.
    #[serde(default)]
    pub input_schema: Option<Value>,
    /// JSON Schema of its output.
    #[serde(default)]
    pub output_schema: Option<Value>,
}

/// One earlier message of the conversation, for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryMessage {
    /// Who said it.
    pub role: Role,
    /// What.
    pub content: String,
}

/// What an attempt begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// Which task.
    pub task: TaskId,
    /// Which agent of the host.
    pub agent: AgentName,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Who asked.
    pub principal: Principal,
    /// What was asked, JSON text.
    pub input: String,
    /// The conversation before this turn, oldest first, bounded.
    pub history: Vec<HistoryMessage>,
    /// Logical model the caller asked for.
    pub model: Option<String>,
    /// When the task must be done.
    pub deadline: Option<Timestamp>,
    /// When the task was accepted: the origin of replayed time.
    pub accepted_at: Timestamp,
    /// The seed of replayed randomness: the same in every attempt.
    pub seed: u64,
    /// How many commands may be unanswered at once.
    pub credit: u32,
    /// The agent sends something at least this often.
    pub heartbeat: Duration,
    /// W3C `traceparent` to continue.
    pub trace: Option<String>,
}

/// An agent's wish for an effect.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCall {
    /// Its place in the agent's program.
    pub path: StepPath,
    /// What it does.
    pub kind: StepKind,
    /// Tool, agent, model or effect name.
    pub name: Option<String>,
    /// What repeating it does.
    pub effect: Effect,
    /// What is asked, JSON text: a [`crate::ModelRequest`], a child's input, a tool's arguments, a timer's
    /// `{"ms": n}`, an approval's `{"prompt": …, "timeoutMs": n}`.
    pub input: String,
    /// A model's text goes to the caller as it comes.
    pub visible: bool,
}

/// From an agent to its supervisor.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// Asks for a step. Model, agent, timer and approval steps are run by the supervisor; tool and effect steps
    /// by the agent itself once it is told to go.
    Call(StepCall),
    /// The agent ran a tool or effect step, and this came of it.
    Report {
        /// Which step.
        path: StepPath,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// More text for the caller.
    Emit(String),
    /// Still there.
    Heartbeat,
    /// Done: content for people, data (JSON text) for programs.
    Completed {
        /// Text for people.
        content: Option<String>,
        /// JSON text for programs.
        data: Option<String>,
    },
    /// The agent returned an error: its task fails.
    Failed(Failure),
    /// The agent panicked: one attempt is lost.
    Panicked(String),
}

/// What becomes of a step an agent asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAnswer {
    /// Run it yourself and report.
    Go,
    /// It is finished: its result as JSON text, or its failure.
    Finished(Result<String, Failure>),
}

/// From a supervisor to an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum ToAgent {
    /// What becomes of a step.
    Answer {
        /// Which step.
        path: StepPath,
        /// What becomes of it.
        answer: StepAnswer,
    },
    /// More commands may be sent.
    Credit(u32),
    /// Stop: nobody listens any more.
    Cancel(String),
}

/// The agent's stream is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent is gone")]
pub struct AgentGone;

/// The supervisor's half of a run's frames. Never blocks: credit bounds what can be queued.
pub trait AgentSink: Send + Sync + 'static {
    /// Queues a frame.
    fn send(&self, frame: ToAgent) -> Result<(), AgentGone>;
}

/// A running attempt. Dropping both halves ends it.
pub struct AgentRun {
    /// Towards the agent.
    pub outbound: Box<dyn AgentSink>,
    /// From the agent; ends without `Completed` or `Failed` when the agent is gone.
    pub inbound: BoxStream<'static, Result<FromAgent, Failure>>,
}

/// What a host says of itself that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// It takes new runs.
    Serving,
    /// It takes none: it ends what it has, and leaves or comes back.
    Draining,
}

/// One agent host, reached.
#[async_trait]
pub trait AgentEndpoint: Send + Sync + 'static {
    /// Where it is, for people.
    fn address(&self) -> String;

    /// The agents it hosts.
    async fn describe(&self) -> Result<Vec<AgentCard>, Failure>;

    /// Whether it could serve now; an error is no answer, or one of something that is broken.
    async fn check(&self) -> Result<HostState, Failure>;

    /// Begins an attempt.
    async fn run(&self, start: RunStart) -> Result<AgentRun, Failure>;
}

/// An agent as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its card.
    pub card: AgentCard,
    /// The best of its instances' health.
    pub health: Health,
    /// Open when every instance's is.
    pub breaker: BreakerState,
    /// Its instances.
    pub instances: Vec<AgentInstance>,
    /// Attempts that run.
    pub in_flight: u32,
    /// Tasks that wait for an instance.
    pub queued: u32,
    /// The last failure of any instance.
    pub last_error: Option<String>,
    /// Median duration of an attempt, milliseconds.
    pub latency_ms_p50: Option<u64>,
    /// 99th percentile of it.
    pub latency_ms_p99: Option<u64>,
    /// When this was true.
    pub checked_at: Timestamp,
}

/// One instance of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentInstance {
    /// Its id: agent and address.
    pub id: String,
    /// The process it is in.
    pub node: String,
    /// Its version.
    pub version: String,
    /// Its health.
    pub health: Health,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Attempts that run on it.
    pub in_flight: u32,
    /// How often its actor was restarted.
    pub restarts: u32,
    /// Its last failure.
    pub last_error: Option<String>,
}
