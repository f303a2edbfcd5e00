//! Where a run can be disturbed, and how.

use std::fmt;
use std::time::Duration;

use greenroom_kernel::{StepCall, StepKind, StepPath};

/// What goes wrong, once in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The agent's process ends: what it had sent and was not heard is lost, and so is what was on its way to it.
    AgentDies,
    /// The stream breaks while both ends live on: a message that is lost means this, since a stream loses none by
    /// itself. The agent is told, and may clean up.
    StreamBreaks,
    /// The supervisor's process ends; another one takes the journal over.
    OwnerDies,
    /// The message arrives twice.
    Twice,
    /// The message arrives only when nothing else can go on.
    Late,
    /// The message arrives when its attempt has died and the next one is under way.
    Posthumous,
    /// The store's answer is lost, so that the same append is sent again.
    Unanswered,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AgentDies => "the agent's process died",
            Self::StreamBreaks => "the agent's stream broke",
            Self::OwnerDies => "the supervisor died",
            Self::Twice => "the message came twice",
            Self::Late => "the message came late",
            Self::Posthumous => "the message came after its attempt had died",
            Self::Unanswered => "the store's answer was lost",
        })
    }
}

/// What was about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The agent's call is on its way to the supervisor.
    Call,
    /// What came of an own step is on its way to the supervisor.
    Report,
    /// Text is on its way to the supervisor.
    Emit,
    /// The agent's end is on its way to the supervisor.
    End,
    /// The word to go is on its way to the agent.
    Go,
    /// A step's result is on its way to the agent.
    Answer,
    /// An own step's work has begun and waits.
    Work,
    /// A model, agent or timer has answered the supervisor.
    Performed,
    /// An append is on its way to the store.
    Append,
    /// An append is durable, and the supervisor does not know yet.
    Appended,
    /// The task rests with a person.
    Rest,
}

impl Place {
    /// What can go wrong there. A call can't come twice: a stream is in order, and a path is used once.
    pub(crate) fn faults(self) -> &'static [Fault] {
        use Fault::{AgentDies, Late, OwnerDies, Posthumous, StreamBreaks, Twice, Unanswered};
        match self {
            Self::Call => &[AgentDies, StreamBreaks, OwnerDies, Late, Posthumous],
            Self::Report | Self::End => &[AgentDies, StreamBreaks, OwnerDies, Twice, Late, Posthumous],
            Self::Emit => &[AgentDies, OwnerDies],
            Self::Go | Self::Answer => &[AgentDies, StreamBreaks, OwnerDies, Twice, Late],
            Self::Work => &[AgentDies, StreamBreaks, OwnerDies],
            Self::Performed => &[AgentDies, OwnerDies],
            Self::Append => &[OwnerDies, Unanswered],
            Self::Appended => &[OwnerDies, Unanswered],
            Self::Rest => &[OwnerDies],
        }
    }
}

/// A step as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) path: StepPath,
    pub(crate) kind: StepKind,
    pub(crate) name: Option<String>,
}

impl Label {
    pub(crate) fn of(call: &StepCall) -> Self {
        Self {
            path: call.path.clone(),
            kind: call.kind,
            name: call.name.clone(),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            StepKind::Model => "model",
            StepKind::Tool => "tool",
            StepKind::Agent => "agent",
            StepKind::Effect => "effect",
            StepKind::Timer => "timer",
            StepKind::Approval => "approval",
        };
        match &self.name {
            Some(name) => write!(f, "step {} ({kind} {name})", self.path),
            None => write!(f, "step {} ({kind})", self.path),
        }
    }
}

/// One place of one run.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) place: Place,
    /// The step that it is about, where it is about one.
    pub(crate) step: Option<Label>,
    /// The step that was finished last.
    pub(crate) after: Option<Label>,
    /// How many alike there were before: what takes real time is not the same number of turns in every run, so
    /// places are known by what they are and not by their count.
    pub(crate) nth: usize,
}

impl Point {
    /// Whether both are the same place of their runs.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let path = |point: &Self| point.step.as_ref().map(|label| label.path.clone());
        (self.place, self.nth, path(self)) == (other.place, other.nth, path(other))
    }

    /// What was finished last, for people.
    pub(crate) fn after(&self) -> String {
        match &self.after {
            Some(label) => format!("after {label}"),
            None => "before any step was finished".to_owned(),
        }
    }

    /// What was under way, for people.
    pub(crate) fn during(&self) -> String {
        let step = match &self.step {
            Some(label) => format!(" {label}"),
            None => " a step".to_owned(),
        };
        match self.place {
            Place::Call => format!("while the call of{step} was on its way to the supervisor"),
            Place::Report => format!("when the agent had done{step} and its report was on the way"),
            Place::Emit => "while emitted text was on its way".to_owned(),
            Place::End => "when the agent had ended and its answer was on the way".to_owned(),
            Place::Go => format!("before the agent heard that{step} may go"),
            Place::Answer => format!("while the result of{step} was on its way to the agent"),
            Place::Work => format!("in the middle of{step}"),
            Place::Performed => format!("when{step} had its result and the supervisor had not yet taken it"),
            Place::Append => "before the journal took what was appended".to_owned(),
            Place::Appended => "after the journal took what was appended".to_owned(),
            Place::Rest => "while the task rested with a person".to_owned(),
        }
    }
}

/// The one disturbance of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) point: Point,
    pub(crate) fault: Fault,
    /// How long it takes until somebody goes on, in real time.
    pub(crate) pause: Duration,
}
