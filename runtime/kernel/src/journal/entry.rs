//! What a journal can say.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AgentName, Failure, IdempotencyKey, InputHash, Payload, StepPath, Subject, TaskId, TenantId, Timestamp,
    Usage, Writer,
};

/// Which journal: ids are unique within their tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalKey {
    /// Whose.
    pub tenant: TenantId,
    /// The session, or the derived id of a task without one.
    pub journal: crate::SessionId,
}

/// Tells one append from every other, so that an owner knows its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub u128);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({:032x})", self.0)
    }
}

/// One item of a journal: written only where absent, holding a list of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its number, from 0 without gaps.
    pub seq: u64,
    /// The append that wrote it.
    pub nonce: Nonce,
    /// Who wrote it.
    pub writer: Writer,
    /// The writer's clock when it did: for people.
    pub at: Timestamp,
    /// What it says, in order.
    pub entries: Vec<Entry>,
}

/// What kind of journal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalKind {
    /// A conversation: listed, kept until deleted.
    Session,
    /// One task (and what retries it) without a session: not listed, goes 7 days after its end.
    Task,
}

/// One entry. Tasks are named by their ordinal in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The journal's first entry; carries its writer's epoch.
    Opened(Opened),
    /// A new owner begins to write.
    Epoch,
    /// The owner let go at a step boundary: nothing is lost, and whoever comes next need not ask it.
    Released,
    /// The session's title changed.
    Retitled {
        /// The new title; none removes it.
        title: Option<String>,
    },
    /// The session is gone; its content is hollowed.
    Deleted,
    /// A task was accepted.
    Accepted(Box<Accepted>),
    /// An attempt after the first began.
    AttemptStarted {
        /// Which task.
        task: u32,
        /// Its number, from 2.
        attempt: u32,
        /// Why the one before ended.
        cause: AttemptCause,
    },
    /// A step that is neither read-only nor keyed, or a timer, is about to take effect.
    StepStarted {
        /// Which task.
        task: u32,
        /// Which step.
        step: StepHead,
        /// When a timer is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    /// A step finished.
    StepDone {
        /// Which task.
        task: u32,
        /// Which step.
        step: StepHead,
        /// How it ended.
        outcome: StepOutcome,
        /// What it used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// When it began.
        started_at: Timestamp,
        /// The provider and model that served a model step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served_by: Option<(String, String)>,
    },
    /// Steps of a task were cut short, and this is what they had used.
    Spent {
        /// Which task.
        task: u32,
        /// What, all of them together; estimated where nobody said.
        usage: Usage,
    },
    /// A step that had started when its owner or agent died: it may or may not have happened.
    StepUnknown {
        /// Which task.
        task: u32,
        /// Which step, by its number.
        number: u32,
    },
    /// The task waits for a person.
    Waiting {
        /// Which task.
        task: u32,
        /// The approval step.
        step: StepHead,
        /// What the approver is asked.
        prompt: Payload,
        /// When it is refused without an answer.
        until: Option<Timestamp>,
    },
    /// A person, or an approval's timeout, answered a waiting or unknown step.
    Resolved {
        /// Which task.
        task: u32,
        /// The step, by its number.
        number: u32,
        /// The answer.
        resolution: Resolution,
        /// Who answered; none for a timeout.
        by: Option<Subject>,
        /// The answerer's remark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Somebody said something in the conversation.
    Message(Message),
    /// The task reached a terminal state. The first such entry wins.
    Ended {
        /// Which task.
        task: u32,
        /// How.
        end: TaskEnd,
    },
}

impl Entry {
    /// The task it is about, by number.
    pub fn task(&self) -> Option<u32> {
        match self {
            Self::Opened(_) | Self::Epoch | Self::Released | Self::Retitled { .. } | Self::Deleted => None,
            Self::Accepted(accepted) => Some(accepted.ordinal),
            Self::Message(message) => Some(message.task),
            Self::AttemptStarted { task, .. }
            | Self::StepStarted { task, .. }
            | Self::StepDone { task, .. }
            | Self::Spent { task, .. }
            | Self::StepUnknown { task, .. }
            | Self::Waiting { task, .. }
            | Self::Resolved { task, .. }
            | Self::Ended { task, .. } => Some(*task),
        }
    }
}

/// The beginning of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Which kind.
    pub kind: JournalKind,
    /// Whose, within the tenant.
    pub subject: Subject,
    /// A title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The client's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// A random number of the call that creates a session: given again, it finds its own work and no other's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
}

/// A task as it was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its number in the journal, from 0.
    pub ordinal: u32,
    /// Who shall do it.
    pub agent: AgentName,
    /// What, as JSON text.
    pub input: Payload,
    /// Whether it is a turn of the conversation: one at a time, with messages.
    pub turn: bool,
    /// The caller's name for the call.
    pub key: IdempotencyKey,
    /// Tells whether a repeated key repeats the call.
    pub input_hash: InputHash,
    /// Its own deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What it may spend.
    pub limits: Limits,
    /// Logical model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The client's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// The task and step that handed this one off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// The task of this journal that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Who asked.
    pub subject: Subject,
    /// W3C `traceparent` of the accepting call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Where a child task comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentStep {
    /// The parent task.
    pub task: TaskId,
    /// Its step.
    pub path: StepPath,
}

/// What a task may spend before it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps, finished or not.
    pub steps: u32,
    /// Tokens of all classes.
    pub tokens: u64,
    /// US dollars, where prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Wall-clock milliseconds from acceptance.
    pub time_ms: u64,
    /// How many hand-offs below this task.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 1_000,
            tokens: 2_000_000,
            cost_usd: None,
            time_ms: 24 * 3_600_000,
            depth: 8,
        }
    }
}

/// Why an attempt beyond the first begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptCause {
    /// The agent panicked, went away or fell silent.
    AgentDied(String),
    /// The owner of the session died with the attempt, or let go of it at a step boundary.
    OwnerLost,
    /// A waiting or unknown step was resolved.
    Resolved,
    /// The replay diverged while every finished step was read-only: history starts afresh.
    Diverged(String),
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepKind {
    /// A model call.
    Model,
    /// A tool call.
    Tool,
    /// A call of another agent: a child task.
    Agent,
    /// A named side effect.
    Effect,
    /// A sleep.
    Timer,
    /// A person's decision.
    Approval,
}

/// What repeating a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// Nothing: it only reads.
    ReadOnly,
    /// Nothing more: it carries a key the other side knows it by.
    Idempotent,
    /// It happens again.
    NonIdempotent,
}

/// Which step, and what identifies it at replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepHead {
    /// Its ordinal in the task, from 0: what people call it by.
    pub number: u32,
    /// Its place in the agent's program.
    pub path: StepPath,
    /// The attempt that ran it.
    pub attempt: u32,
    /// What it does.
    pub kind: StepKind,
    /// The tool's, agent's, model's or effect's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What repeating it does.
    pub effect: Effect,
    /// The hash of what it was asked.
    pub input_hash: InputHash,
    /// The version of the agent that asked for it, where that is another than that of the step before: by it, every
    /// owner knows which version can replay the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// With a result, as JSON text.
    Done(Payload),
    /// With a failure the agent may handle.
    Failed(Failure),
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The approval is given, with a value as JSON text.
    Approved(Payload),
    /// The approval is refused.
    Rejected,
    /// Nobody answered in time.
    TimedOut,
    /// The unknown effect did happen, with this result as JSON text.
    SettledDone(Payload),
    /// The unknown effect did not happen: run it again.
    SettledNotDone,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// The caller.
    User,
    /// An agent.
    Assistant,
    /// The system.
    System,
    /// A tool.
    Tool,
}

/// One message of the conversation. Its id is `<task id>.<number>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The turn it belongs to.
    pub task: u32,
    /// Its number within the turn: 0 is the caller's.
    pub number: u32,
    /// Who said it.
    pub role: Role,
    /// What: plain text.
    pub content: Payload,
    /// Which agent said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// What it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The client's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnd {
    /// With an answer.
    Completed(TaskOutput),
    /// With a failure.
    Failed(Failure),
    /// By its owner's wish.
    Cancelled,
}

/// What an agent answers with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct TaskOutput {
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Payload>,
    /// JSON text for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Payload>,
    /// The provider of the last model step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model of the last model step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}
