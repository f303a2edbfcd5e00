//! The rows that lists and lookups are read from: derived from entries, written in the same transaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AgentName, Failure, JournalKind, Message, Payload, Position, SessionId, Subject, TaskId, TaskOutput,
    Timestamp, Usage,
};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// On disk, not begun.
    Accepted,
    /// An attempt runs.
    Running,
    /// A person is asked.
    Waiting,
    /// Ended with an answer.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended by its owner.
    Cancelled,
    /// Rests until a person says whether an effect happened.
    OutcomeUnknown,
}

impl TaskStatus {
    /// Whether nothing more will happen to the task.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether the task needs an owner to go on: neither terminal nor resting with a person.
    pub const fn needs_owner(self) -> bool {
        matches!(self, Self::Accepted | Self::Running)
    }

    /// The status as it appears on every wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
        }
    }
}

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub subject: Subject,
    /// A title for people.
    pub title: Option<String>,
    /// The client's own data.
    pub metadata: Option<Value>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its last entry.
    pub last: Position,
    /// Whether it was deleted: lists leave it out, its id stays taken.
    pub deleted: bool,
}

/// A task as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Its id, which names its journal.
    pub id: TaskId,
    /// Whose.
    pub subject: Subject,
    /// Whether its journal is a session or its own.
    pub kind: JournalKind,
    /// Whether it is a turn of a conversation.
    pub turn: bool,
    /// Who does it.
    pub agent: AgentName,
    /// Where it stands.
    pub status: TaskStatus,
    /// What was asked, JSON text.
    pub input: Payload,
    /// The answer of a completed task.
    pub output: Option<TaskOutput>,
    /// The failure of a failed one, or of the last attempt.
    pub error: Option<Failure>,
    /// What its steps used.
    pub usage: Option<Usage>,
    /// How many attempts were made.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it must be done.
    pub deadline: Option<Timestamp>,
    /// The task that handed it off.
    pub parent: Option<TaskId>,
    /// The entry that accepted it.
    pub first: Position,
    /// Its last entry.
    pub last: Position,
    /// When it next needs attention though nothing happens: a waiting approval's timeout.
    pub due: Option<Timestamp>,
}

/// A message as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRow {
    /// The session it belongs to.
    pub session: SessionId,
    /// Where it stands in the journal: messages are listed in this order.
    pub position: Position,
    /// When it was said.
    pub at: Timestamp,
    /// What was said.
    pub message: Message,
}

impl MessageRow {
    /// The id that clients see.
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.session, self.message.task, self.message.number)
    }

    /// The turn it belongs to.
    pub fn task(&self) -> TaskId {
        TaskId {
            journal: self.session.clone(),
            ordinal: self.message.task,
        }
    }
}

/// The rows that one append changes: that journal's only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Projection {
    /// The session, when its journal is one and it changed.
    pub session: Option<SessionRow>,
    /// Tasks that changed.
    pub tasks: Vec<TaskRow>,
    /// Messages that were added.
    pub messages: Vec<MessageRow>,
}
