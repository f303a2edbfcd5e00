//! An open task as folded: its attempt, its steps and what it has used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Accepted, AttemptCause, Effect, Entry, Failure, JournalKind, Payload, Position, Resolution, Slot,
    StepHead, StepKind, StepOutcome, StepPath, StepStatus, StepView, TaskEnd, TaskId, TaskRow, TaskStatus,
    Timestamp, Usage,
};

/// A task that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenTask {
    /// As it was accepted.
    pub accepted: Accepted,
    /// When.
    pub accepted_at: Timestamp,
    /// The entry that accepted it.
    pub first: Position,
    /// Its last entry.
    pub last: Position,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The highest attempt the journal names; attempt 1 is not journaled, so 0 may mean that it runs or ran.
    pub attempt: u32,
    /// Its steps, by place in the agent's program.
    pub steps: BTreeMap<StepPath, StepRecord>,
    /// The number the next step gets.
    pub next_number: u32,
    /// Attempts that died with their agent since the last finished step.
    pub deaths: u32,
    /// Attempts that died with their owner since the last finished step.
    pub owner_losses: u32,
    /// What its steps used: those that finished, and those that were cut short.
    pub usage: Option<Usage>,
    /// Owners that were lost with it since anything of it was finished or billed: each may have lost one try of a
    /// model step that was under way.
    #[serde(default)]
    pub unbilled: u32,
    /// Its last owner let go at a step boundary, and no attempt has begun since: nothing was lost with it.
    #[serde(default)]
    pub handed_over: bool,
    /// How much had been said in the conversation when its turn first came: what every attempt of it sees.
    #[serde(default)]
    pub sees: Option<u64>,
    /// The last finished model step's provider and model.
    pub served_by: Option<(String, String)>,
    /// Why the last attempt ended, where that is a failure.
    pub last_error: Option<Failure>,
    /// A step was resolved, and no attempt has begun since.
    pub resolved: bool,
    /// How many messages it added.
    pub messages: u32,
    end: Option<TaskEnd>,
}

/// A step as folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which step.
    pub head: StepHead,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it stands.
    pub state: StepState,
    /// What it used.
    pub usage: Option<Usage>,
    /// A person once said that it had not happened.
    #[serde(default)]
    pub cleared: bool,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It was about to take effect.
    Started {
        /// When a timer is due.
        due: Option<Timestamp>,
    },
    /// It has an outcome.
    Done {
        /// Which.
        outcome: StepOutcome,
        /// When.
        at: Timestamp,
        /// The answer that settled it, where a person did.
        resolution: Option<Resolution>,
    },
    /// A person is asked.
    Waiting {
        /// What.
        prompt: Payload,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// It may or may not have happened.
    Unknown,
    /// A person said that it did not happen: it runs again.
    Cleared,
}

impl OpenTask {
    pub(super) fn new(accepted: Accepted, first: Position, at: Timestamp) -> Self {
        Self {
            accepted,
            accepted_at: at,
            first,
            last: first,
            updated_at: at,
            attempt: 0,
            steps: BTreeMap::new(),
            next_number: 0,
            deaths: 0,
            owner_losses: 0,
            usage: None,
            unbilled: 0,
            handed_over: false,
            sees: None,
            served_by: None,
            last_error: None,
            resolved: false,
            messages: 0,
            end: None,
        }
    }

    pub(super) fn apply(&mut self, position: Position, at: Timestamp, entry: &Entry) {
        if self.end.is_some() {
            // The first terminal entry wins.
            return;
        }
        self.last = position;
        self.updated_at = at;
        match entry {
            Entry::AttemptStarted { attempt, cause, .. } => self.attempt_started(*attempt, cause),
            Entry::StepStarted { step, due, .. } => {
                self.record(step, at, StepState::Started { due: *due }, None);
            }
            Entry::StepDone {
                step,
                outcome,
                usage,
                started_at,
                served_by,
                ..
            } => {
                self.deaths = 0;
                self.owner_losses = 0;
                self.unbilled = 0;
                if served_by.is_some() {
                    self.served_by.clone_from(served_by);
                }
                if let Some(used) = usage {
                    self.bill(*used);
                }
                let done = StepState::Done {
                    outcome: outcome.clone(),
                    at,
                    resolution: None,
                };
                self.record(step, *started_at, done, *usage);
            }
            Entry::Spent { usage, .. } => {
                self.unbilled = 0;
                self.bill(*usage);
            }
            Entry::StepUnknown { number, .. } => self.change(*number, |step| step.state = StepState::Unknown),
            Entry::Waiting {
                step, prompt, until, ..
            } => {
                self.record(
                    step,
                    at,
                    StepState::Waiting {
                        prompt: prompt.clone(),
                        until: *until,
                    },
                    None,
                );
            }
            Entry::Resolved {
                number,
                resolution,
                note,
                ..
            } => {
                self.resolved = true;
                self.deaths = 0;
                self.owner_losses = 0;
                self.unbilled = 0;
                self.change(*number, |step| {
                    step.state = settled(resolution, note.as_deref(), at);
                    step.cleared |= step.state == StepState::Cleared;
                });
            }
            Entry::Ended { end, .. } => self.end = Some(end.clone()),
            Entry::Opened(_)
            | Entry::Epoch
            | Entry::Released
            | Entry::Retitled { .. }
            | Entry::Deleted
            | Entry::Accepted(_)
            | Entry::Message(_) => {}
        }
    }

    /// The version of the agent that asked for the last of its steps; none where no step is journaled, so that any
    /// version's replay is as good as another's.
    pub fn version(&self) -> Option<&Arc<str>> {
        let told = self.steps.values().filter(|step| step.head.version.is_some());
        told.max_by_key(|step| step.head.number)?.head.version.as_ref()
    }

    /// A task as the slots from its accepting one on tell it, ended or not; none when they don't hold it.
    pub fn replay<'a>(ordinal: u32, slots: impl IntoIterator<Item = &'a Slot>) -> Option<Self> {
        let mut task: Option<Self> = None;
        for slot in slots {
            for (index, entry) in (0..).zip(&slot.entries) {
                let position = Position { seq: slot.seq, index };
                match (&mut task, entry) {
                    (None, Entry::Accepted(accepted)) if accepted.ordinal == ordinal => {
                        task = Some(Self::new((**accepted).clone(), position, slot.at));
                    }
                    (Some(task), entry) if entry.task() == Some(ordinal) => {
                        task.apply(position, slot.at, entry)
                    }
                    _ => {}
                }
            }
        }
        task
    }

    fn attempt_started(&mut self, attempt: u32, cause: &AttemptCause) {
        self.attempt = attempt;
        self.resolved = false;
        let lost = !std::mem::take(&mut self.handed_over);
        match cause {
            AttemptCause::AgentDied(why) => {
                self.deaths += 1;
                self.last_error = Some(Failure::new(crate::ErrorCode::AgentFailed, why.clone()).retryable());
            }
            AttemptCause::OwnerLost if lost => {
                self.owner_losses += 1;
                self.unbilled += 1;
            }
            AttemptCause::OwnerLost | AttemptCause::Resolved => {}
            AttemptCause::Diverged(_) => self.steps.clear(),
        }
    }

    fn bill(&mut self, used: Usage) {
        self.usage = Some(self.usage.unwrap_or_default().plus(used));
    }

    fn record(&mut self, head: &StepHead, started_at: Timestamp, state: StepState, usage: Option<Usage>) {
        self.next_number = self.next_number.max(head.number + 1);
        let before = self.steps.get(&head.path);
        let cleared = before.is_some_and(|step| step.cleared);
        let told = || before.and_then(|step| step.head.version.clone());
        let version = head.version.clone().or_else(told);
        self.steps.insert(
            head.path.clone(),
            StepRecord {
                head: StepHead {
                    version,
                    ..head.clone()
                },
                started_at,
                state,
                usage,
                cleared,
            },
        );
    }

    fn change(&mut self, number: u32, change: impl Fn(&mut StepRecord)) {
        self.steps
            .values_mut()
            .filter(|step| step.head.number == number)
            .for_each(change);
    }

    /// Whether it rests with an unknown outcome.
    pub fn is_unknown(&self) -> bool {
        self.steps.values().any(|step| step.state == StepState::Unknown)
    }

    /// Whether it waits for a person's approval.
    pub fn is_waiting(&self) -> bool {
        self.steps
            .values()
            .any(|step| matches!(step.state, StepState::Waiting { .. }))
    }

    /// Whether it sleeps: that its owners come and go meanwhile says nothing about it.
    pub fn is_sleeping(&self) -> bool {
        let sleeps = |step: &StepRecord| matches!(step.state, StepState::Started { due: Some(_) });
        self.steps.values().any(sleeps)
    }

    /// The step of that number.
    pub fn step(&self, number: u32) -> Option<&StepRecord> {
        self.steps.values().find(|step| step.head.number == number)
    }

    /// Steps that had started and whose repetition would happen twice.
    pub fn doubtful(&self) -> impl Iterator<Item = &StepRecord> {
        let started = |step: &&StepRecord| matches!(step.state, StepState::Started { .. });
        self.steps
            .values()
            .filter(started)
            .filter(|step| step.head.effect == Effect::NonIdempotent)
    }

    /// Whether every finished step only read.
    pub fn only_read(&self) -> bool {
        self.steps
            .values()
            .all(|step| step.head.effect == Effect::ReadOnly && step.head.kind != StepKind::Approval)
    }

    /// Where it stands, as far as the journal says: attempt 1 is not journaled.
    pub fn status(&self) -> TaskStatus {
        match &self.end {
            Some(TaskEnd::Completed(_)) => TaskStatus::Completed,
            Some(TaskEnd::Failed(_)) => TaskStatus::Failed,
            Some(TaskEnd::Cancelled) => TaskStatus::Cancelled,
            None if self.is_unknown() => TaskStatus::OutcomeUnknown,
            None if self.is_waiting() => TaskStatus::Waiting,
            None if self.attempt == 0 && self.steps.is_empty() => TaskStatus::Accepted,
            None => TaskStatus::Running,
        }
    }

    /// When its time is up: its deadline or its limit of time, whichever comes first.
    pub fn expires_at(&self) -> Timestamp {
        let limit = self
            .accepted_at
            .after(Duration::from_millis(self.accepted.limits.time_ms));
        self.accepted
            .deadline
            .map_or(limit, |deadline| deadline.min(limit))
    }

    /// When it next needs attention though nothing happens; none while it rests with an unknown outcome.
    pub fn due(&self) -> Option<Timestamp> {
        if self.end.is_some() || self.is_unknown() {
            return None;
        }
        let until = self.steps.values().filter_map(|step| match step.state {
            StepState::Waiting { until, .. } => until,
            _ => None,
        });
        until.chain([self.expires_at()]).min()
    }

    pub(super) fn row(&self, id: TaskId, kind: JournalKind) -> TaskRow {
        let (output, error) = match &self.end {
            Some(TaskEnd::Completed(output)) => (Some(output.clone()), None),
            Some(TaskEnd::Failed(failure)) => (None, Some(failure.clone())),
            Some(TaskEnd::Cancelled) => (None, None),
            None => (None, self.last_error.clone()),
        };
        TaskRow {
            id,
            subject: self.accepted.subject.clone(),
            kind,
            turn: self.accepted.turn,
            agent: self.accepted.agent.clone(),
            status: self.status(),
            input: self.accepted.input.clone(),
            output,
            error,
            usage: self.usage,
            attempts: self.attempt.max(1),
            created_at: self.accepted_at,
            updated_at: self.updated_at,
            deadline: self.accepted.deadline,
            parent: self.accepted.parent.as_ref().map(|parent| parent.task.clone()),
            first: self.first,
            last: self.last,
            due: self.due(),
        }
    }
}

/// The state a person's answer puts a step in. An approval's outcome is data: a refusal is not a failure.
fn settled(resolution: &Resolution, note: Option<&str>, at: Timestamp) -> StepState {
    let outcome = match resolution {
        Resolution::Approved(value) => {
            StepOutcome::Done(approval_outcome(true, false, value.as_inline(), note))
        }
        Resolution::Rejected => StepOutcome::Done(approval_outcome(false, false, None, note)),
        Resolution::TimedOut => StepOutcome::Done(approval_outcome(false, true, None, note)),
        Resolution::SettledDone(value) => StepOutcome::Done(value.clone()),
        Resolution::SettledNotDone => return StepState::Cleared,
    };
    StepState::Done {
        outcome,
        at,
        resolution: Some(resolution.clone()),
    }
}

fn approval_outcome(approved: bool, timed_out: bool, value: Option<&str>, note: Option<&str>) -> Payload {
    let (value, note) = (value.unwrap_or("null"), serde_json::json!(note));
    Payload::inline(format!(
        "{{\"approved\":{approved},\"timedOut\":{timed_out},\"value\":{value},\"note\":{note}}}"
    ))
}

impl StepRecord {
    /// The step as others see it.
    pub fn view(&self) -> StepView {
        let (status, finished_at, error, prompt) = match &self.state {
            StepState::Started { .. } | StepState::Cleared => (StepStatus::Started, None, None, None),
            StepState::Done {
                outcome: StepOutcome::Done(_),
                at,
                ..
            } => (StepStatus::Done, Some(*at), None, None),
            StepState::Done {
                outcome: StepOutcome::Failed(why),
                at,
                ..
            } => (StepStatus::Failed, Some(*at), Some(why.clone()), None),
            StepState::Waiting { prompt, .. } => (StepStatus::Waiting, None, None, Some(prompt.clone())),
            StepState::Unknown => (StepStatus::OutcomeUnknown, None, None, None),
        };
        StepView {
            number: self.head.number,
            attempt: self.head.attempt,
            kind: self.head.kind,
            name: self.head.name.clone(),
            effect: self.head.effect,
            status,
            started_at: self.started_at,
            finished_at,
            usage: self.usage,
            error,
            prompt,
        }
    }
}
