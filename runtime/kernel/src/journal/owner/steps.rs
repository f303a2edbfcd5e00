//! Steps: replayed from the journal, or let go when what precedes them is durable.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::journal::action::Action;
use crate::journal::task::StepState;
use crate::{
    Effect, Entry, ErrorCode, Failure, INLINE_LIMIT, Owner, Payload, StepCall, StepHead, StepKind,
    StepOutcome, StepPath, TaskEnd, Timestamp, Usage,
};

use super::{LiveStep, identity};

/// What a finished step brought beside its outcome.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepCost {
    /// What it used.
    pub usage: Option<Usage>,
    /// The provider and model that served it.
    pub served_by: Option<(String, String)>,
}

/// What the journal says to a step call.
enum Replay {
    New(u32),
    Again { number: u32, due: Option<Timestamp> },
    Finished(StepOutcome),
    Parked,
    Diverged(String),
}

impl Owner {
    /// The running attempt is one of this version of its agent: to be told before its first step.
    pub fn attempt_runs(&mut self, task: u32, attempt: u32, version: Arc<str>) {
        let running = self.running.as_mut();
        if let Some(running) = running.filter(|run| (run.task, run.attempt) == (task, attempt)) {
            running.version = Some(version);
        }
    }

    /// The version of the running attempt's agent, where the journal names another for the task, or none.
    fn other_version(&self, task: u32) -> Option<Arc<str>> {
        let version = self.running.as_ref()?.version.as_ref()?;
        let told = self.journal.open.get(&task).and_then(|open| open.version());
        (told != Some(version)).then(|| Arc::clone(version))
    }

    /// The agent asks for a step.
    pub fn step_called(&mut self, now: Timestamp, task: u32, attempt: u32, call: StepCall) {
        let Some(running) = self
            .running
            .as_ref()
            .filter(|run| (run.task, run.attempt) == (task, attempt))
        else {
            return;
        };
        if running.parking {
            // The attempt is about to end: the next one asks again.
            return;
        }
        if running.live.contains_key(&call.path) {
            let why = format!(
                "step {} was asked for twice: every call needs a path of its own",
                call.path
            );
            return self.fail(now, task, Failure::new(ErrorCode::NonDeterministic, why));
        }
        match self.replay(task, &call) {
            Replay::Finished(outcome) => self.actions.push(Action::Answer {
                task,
                attempt,
                path: call.path,
                outcome,
            }),
            Replay::Parked => {
                self.park(now);
                self.schedule(now);
            }
            Replay::Diverged(what) => self.diverged(now, task, attempt, what),
            Replay::Again { number, due } => self.let_go(now, task, attempt, number, due, call),
            Replay::New(number) => match self.over_limit(task, number) {
                Some(failure) => self.fail(now, task, failure),
                None => self.let_go(now, task, attempt, number, None, call),
            },
        }
    }

    fn replay(&self, task: u32, call: &StepCall) -> Replay {
        let Some(open) = self.journal.open.get(&task) else {
            return Replay::Parked;
        };
        let live = self
            .running
            .iter()
            .flat_map(|run| run.live.values())
            .map(|step| step.head.number + 1)
            .max();
        let Some(step) = open.steps.get(&call.path) else {
            return Replay::New(open.next_number.max(live.unwrap_or(0)));
        };
        let head = &step.head;
        if (head.kind, head.effect, &head.name, head.input_hash)
            != (call.kind, call.effect, &call.name, identity(call))
        {
            return Replay::Diverged(format!(
                "step {} is {} in the journal, but the replay asks for {}: an agent must ask for the same steps again",
                call.path,
                describe(head.kind, head.name.as_deref()),
                describe(call.kind, call.name.as_deref()),
            ));
        }
        let number = head.number;
        match &step.state {
            StepState::Done { outcome, .. } => Replay::Finished(outcome.clone()),
            StepState::Waiting { .. } | StepState::Unknown => Replay::Parked,
            StepState::Started { due } => Replay::Again { number, due: *due },
            StepState::Cleared => Replay::Again { number, due: None },
        }
    }

    fn let_go(
        &mut self,
        now: Timestamp,
        task: u32,
        attempt: u32,
        number: u32,
        due: Option<Timestamp>,
        call: StepCall,
    ) {
        let head = StepHead {
            number,
            path: call.path.clone(),
            attempt,
            kind: call.kind,
            name: call.name.clone(),
            effect: call.effect,
            input_hash: identity(&call),
            version: self.other_version(task),
        };
        let due = match call.kind {
            StepKind::Approval => return self.ask(now, task, head, &call),
            StepKind::Timer if due.is_none() => match timer_due(now, &call) {
                Ok(due) => {
                    self.stage(
                        now,
                        Entry::StepStarted {
                            task,
                            step: head.clone(),
                            due: Some(due),
                        },
                    );
                    Some(due)
                }
                Err(failure) => return self.fail(now, task, failure),
            },
            StepKind::Timer => due,
            _ if call.effect == Effect::NonIdempotent => {
                self.stage(
                    now,
                    Entry::StepStarted {
                        task,
                        step: head.clone(),
                        due: None,
                    },
                );
                None
            }
            _ => None,
        };
        let performed = !matches!(call.kind, StepKind::Tool | StepKind::Effect);
        let path = call.path.clone();
        // The lost attempts had everything that precedes this step: it may have been under way in each of them.
        let lost = match call.kind {
            StepKind::Model => self.journal.open.get(&task).map_or(0, |open| open.unbilled),
            _ => 0,
        };
        if let Some(running) = self.running.as_mut() {
            running.live.insert(
                path.clone(),
                LiveStep {
                    head: head.clone(),
                    performed,
                    started_at: now,
                    spent: Usage::default(),
                },
            );
        }
        self.release_effect(if performed {
            Action::Perform {
                task,
                attempt,
                head,
                call: Box::new(call),
                due,
                lost,
            }
        } else {
            Action::Go { task, attempt, path }
        });
    }

    /// Asks a person: the question is journaled, and the attempt ends.
    fn ask(&mut self, now: Timestamp, task: u32, step: StepHead, call: &StepCall) {
        match serde_json::from_str::<Question>(&call.input) {
            Ok(question) if question.prompt.get().len() > INLINE_LIMIT => {
                let why = format!("an approval's prompt may have {INLINE_LIMIT} bytes");
                self.fail(now, task, Failure::bad_input(why));
            }
            Ok(question) => {
                let prompt = Payload::inline(question.prompt.get());
                let until = question.timeout_ms.map(|ms| now.after(Duration::from_millis(ms)));
                self.stage(
                    now,
                    Entry::Waiting {
                        task,
                        step,
                        prompt,
                        until,
                    },
                );
                self.park(now);
            }
            Err(error) => self.fail(
                now,
                task,
                Failure::bad_input(format!("an approval's input is wrong: {error}")),
            ),
        }
    }

    /// A step that was let go came back: run by the supervisor, or reported by the agent.
    pub fn step_finished(
        &mut self,
        now: Timestamp,
        task: u32,
        attempt: u32,
        path: &StepPath,
        outcome: StepOutcome,
        cost: StepCost,
    ) {
        let Some(running) = self
            .running
            .as_mut()
            .filter(|run| (run.task, run.attempt) == (task, attempt))
        else {
            return;
        };
        let Some(LiveStep {
            head,
            performed,
            started_at,
            spent: _,
        }) = running.live.remove(path)
        else {
            return;
        };
        let parked = running.parking && !running.has_doubtful_live();
        let number = head.number;
        let StepCost { usage, served_by } = cost;
        self.stage(
            now,
            Entry::StepDone {
                task,
                step: head,
                outcome: outcome.clone(),
                usage,
                started_at,
                served_by,
            },
        );
        if performed {
            self.actions.push(Action::Answer {
                task,
                attempt,
                path: path.clone(),
                outcome,
            });
        }
        if let Some(failure) = self.over_limit(task, number) {
            self.fail(now, task, failure);
        } else if parked {
            self.park(now);
            self.schedule(now);
        }
    }

    pub(super) fn fail(&mut self, now: Timestamp, task: u32, failure: Failure) {
        self.end(now, task, TaskEnd::Failed(failure));
        self.schedule(now);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    prompt: Box<serde_json::value::RawValue>,
    timeout_ms: Option<u64>,
}

fn timer_due(now: Timestamp, call: &StepCall) -> Result<Timestamp, Failure> {
    #[derive(Deserialize)]
    struct Sleep {
        ms: u64,
    }
    serde_json::from_str::<Sleep>(&call.input)
        .map(|sleep| now.after(Duration::from_millis(sleep.ms)))
        .map_err(|error| Failure::bad_input(format!("a timer's input is wrong: {error}")))
}

fn describe(kind: StepKind, name: Option<&str>) -> String {
    let kind = match kind {
        StepKind::Model => "a model call",
        StepKind::Tool => "a tool call",
        StepKind::Agent => "an agent call",
        StepKind::Effect => "an effect",
        StepKind::Timer => "a timer",
        StepKind::Approval => "an approval",
    };
    name.map_or_else(|| kind.to_owned(), |name| format!("{kind} ({name})"))
}
