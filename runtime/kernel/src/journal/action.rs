//! What an owner wants done: the owner decides, the orchestrator's actor does.

use std::sync::Arc;

use crate::{
    Accepted, Append, Failure, Payload, Projection, ResolveAction, SessionRow, Slot, StepCall, StepHead,
    StepOutcome, StepPath, Subject, TaskId, TaskRow, Timestamp,
};

/// A caller that waits for a reply, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this append; answer with `appended`, or with `unanswered` when none came.
    Append(Box<Append>),
    /// This slot is durable: tell subscribers and waiters.
    Published {
        /// The slot.
        slot: Arc<Slot>,
        /// The rows that changed with it.
        rows: Projection,
    },
    /// Begin an attempt; answer with `step_called`, `step_finished` and `attempt_ended`.
    Begin {
        /// Which task.
        task: u32,
        /// Which attempt.
        attempt: u32,
    },
    /// End an attempt whose outcome matters no more; nothing is answered.
    Halt {
        /// Which task.
        task: u32,
        /// Which attempt.
        attempt: u32,
        /// Why, for the agent.
        reason: &'static str,
    },
    /// Tell the agent to run its step itself.
    Go {
        /// Which task.
        task: u32,
        /// Which attempt.
        attempt: u32,
        /// Which step.
        path: StepPath,
    },
    /// Run a model, agent or timer step; answer with `step_finished`.
    Perform {
        /// Which task.
        task: u32,
        /// Which attempt.
        attempt: u32,
        /// Which step.
        head: StepHead,
        /// What is asked.
        call: Box<StepCall>,
        /// When a timer is due.
        due: Option<Timestamp>,
        /// How many tries of it may have been lost with their owners, and are to be billed.
        lost: u32,
    },
    /// Give the agent a finished step's outcome.
    Answer {
        /// Which task.
        task: u32,
        /// Which attempt.
        attempt: u32,
        /// Which step.
        path: StepPath,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// Answer a caller.
    Reply {
        /// Which.
        request: RequestId,
        /// With what.
        reply: Result<Reply, Failure>,
    },
    /// Another owner writes this journal: forget everything, let callers try again.
    Deposed,
}

/// What a caller is answered with.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The task as it stands.
    Task(Box<TaskRow>),
    /// The task ended earlier: its row is in the store.
    Ended(TaskId),
    /// The session as it stands.
    Session(Box<SessionRow>),
    /// The session is gone.
    Deleted,
}

/// A task to be accepted: everything but its number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// The task; its `ordinal` is overwritten.
    pub accepted: Accepted,
    /// The caller's message, for a turn: plain text.
    pub message: Option<Payload>,
}

/// A person's answer to a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResolution {
    /// Which task.
    pub task: u32,
    /// Which step.
    pub number: u32,
    /// The step as which attempt left it: a later one's is not answered. As it stands, where none is named.
    pub attempt: Option<u32>,
    /// The answer.
    pub action: ResolveAction,
    /// Who answers.
    pub by: Subject,
    /// A remark.
    pub note: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptEnd {
    /// With an answer.
    Completed {
        /// Plain text for people.
        content: Option<Payload>,
        /// JSON text for programs.
        data: Option<Payload>,
    },
    /// The agent returned an error, or nobody could run the attempt: the task fails.
    Failed(Failure),
    /// The agent panicked, went away or fell silent: one attempt is lost.
    Died(String),
}
