//! Which attempt runs, and what becomes of a task when one ends.

use std::collections::BTreeMap;

use crate::journal::action::{Action, AttemptEnd};
use crate::journal::task::StepState;
use crate::{
    AttemptCause, Entry, ErrorCode, Failure, Message, Owner, Payload, Resolution, Role, StepPath, TaskEnd,
    TaskOutput, Timestamp,
};

use super::{DEATH_BOUND, OWNER_LOSS_BOUND, Phase, Running};

impl Owner {
    /// Begins the next attempt, if it is some task's turn and none runs: one turn at a time.
    pub(in crate::journal) fn schedule(&mut self, now: Timestamp) {
        while self.running.is_none() && matches!(self.phase, Phase::Owning) && !self.journal.deleted {
            let Some(ordinal) = self.journal.head() else {
                return;
            };
            let Some(task) = self.journal.open.get(&ordinal) else {
                return;
            };
            if task.is_waiting() {
                return;
            }
            let begun = task.attempt > 0 || !task.steps.is_empty() || self.suspect == Some(ordinal);
            let attempt = if begun { task.attempt.max(1) + 1 } else { 1 };
            if begun {
                let cause = if task.resolved {
                    AttemptCause::Resolved
                } else {
                    AttemptCause::OwnerLost
                };
                let lost = cause == AttemptCause::OwnerLost && !task.handed_over;
                let bounded = lost && !task.is_sleeping();
                if bounded && task.owner_losses + 1 >= OWNER_LOSS_BOUND {
                    self.end(
                        now,
                        ordinal,
                        TaskEnd::Failed(poison("its process", task.owner_losses + 1)),
                    );
                    continue;
                }
                self.stage(
                    now,
                    Entry::AttemptStarted {
                        task: ordinal,
                        attempt,
                        cause,
                    },
                );
            }
            self.begin(ordinal, attempt);
        }
    }

    fn begin(&mut self, task: u32, attempt: u32) {
        if self.suspect == Some(task) {
            self.suspect = None;
        }
        self.running = Some(Running {
            task,
            attempt,
            version: None,
            live: BTreeMap::new(),
            parking: false,
        });
        self.when_durable(Action::Begin { task, attempt });
    }

    /// What a new owner writes with its epoch: steps that had started and must not happen twice are unknown now.
    pub(in crate::journal) fn recover(&mut self, now: Timestamp) {
        let open: Vec<u32> = self.journal.open.keys().copied().collect();
        for ordinal in open {
            self.doubt(now, ordinal);
        }
    }

    /// Marks steps whose outcome nobody knows. Tells whether there were any.
    fn doubt(&mut self, now: Timestamp, ordinal: u32) -> bool {
        let Some(task) = self.journal.open.get(&ordinal) else {
            return false;
        };
        let doubtful: Vec<u32> = task.doubtful().map(|step| step.head.number).collect();
        for number in &doubtful {
            self.stage(
                now,
                Entry::StepUnknown {
                    task: ordinal,
                    number: *number,
                },
            );
        }
        !doubtful.is_empty()
    }

    /// An attempt ended by itself.
    pub fn attempt_ended(&mut self, now: Timestamp, ordinal: u32, attempt: u32, end: AttemptEnd) {
        if self.running() != Some((ordinal, attempt)) {
            return;
        }
        match end {
            AttemptEnd::Completed { content, data } => self.completed(now, ordinal, content, data),
            AttemptEnd::Failed(failure) => self.end(now, ordinal, TaskEnd::Failed(failure)),
            AttemptEnd::Died(why) => self.died(now, ordinal, attempt, why),
        }
        self.schedule(now);
    }

    fn completed(&mut self, now: Timestamp, ordinal: u32, content: Option<Payload>, data: Option<Payload>) {
        self.bill_live(now, true);
        let Some(task) = self.journal.open.get(&ordinal) else {
            return;
        };
        let (provider, model) = task.served_by.clone().unzip();
        if task.accepted.turn {
            let message = Message {
                task: ordinal,
                number: task.messages,
                role: Role::Assistant,
                content: content.clone().unwrap_or_else(|| Payload::inline("")),
                agent: Some(task.accepted.agent.clone()),
                usage: task.usage,
                metadata: None,
            };
            self.stage(now, Entry::Message(message));
        }
        self.end(
            now,
            ordinal,
            TaskEnd::Completed(TaskOutput {
                content,
                data,
                provider,
                model,
            }),
        );
    }

    fn died(&mut self, now: Timestamp, ordinal: u32, attempt: u32, why: String) {
        self.bill_live(now, false);
        self.running = None;
        if self.doubt(now, ordinal) {
            return;
        }
        let Some(task) = self.journal.open.get(&ordinal) else {
            return;
        };
        if task.deaths + 1 >= DEATH_BOUND {
            let end = TaskEnd::Failed(Failure {
                message: format!(
                    "{}; the last time: {why}",
                    poison("its agent", task.deaths + 1).message
                ),
                ..poison("its agent", task.deaths + 1)
            });
            return self.end(now, ordinal, end);
        }
        let attempt = attempt + 1;
        self.stage(
            now,
            Entry::AttemptStarted {
                task: ordinal,
                attempt,
                cause: AttemptCause::AgentDied(why),
            },
        );
        self.begin(ordinal, attempt);
    }

    /// Starts a diverged task afresh, if nothing it did could happen twice; else fails it.
    pub(in crate::journal) fn diverged(&mut self, now: Timestamp, ordinal: u32, attempt: u32, what: String) {
        let Some(task) = self.journal.open.get(&ordinal) else {
            return;
        };
        if !task.only_read() {
            let failure = Failure::new(ErrorCode::NonDeterministic, what);
            return self.end(now, ordinal, TaskEnd::Failed(failure));
        }
        self.bill_live(now, false);
        self.halt("the replay diverged");
        let attempt = attempt + 1;
        self.stage(
            now,
            Entry::AttemptStarted {
                task: ordinal,
                attempt,
                cause: AttemptCause::Diverged(what),
            },
        );
        self.begin(ordinal, attempt);
    }

    /// Ends a task, and its attempt if one runs.
    pub(in crate::journal) fn end(&mut self, now: Timestamp, ordinal: u32, end: TaskEnd) {
        if self.running().is_some_and(|(task, _)| task == ordinal) {
            let done = matches!(end, TaskEnd::Completed(_));
            if done {
                self.running = None
            } else {
                self.bill_live(now, true);
                self.halt("the task ended")
            }
        }
        self.stage(now, Entry::Ended { task: ordinal, end });
    }

    /// Parks a task that waits for a person: its attempt ends and frees what it holds, as soon as no step runs
    /// beside the question that must not be cut short.
    pub(in crate::journal) fn park(&mut self, now: Timestamp) {
        if let Some(running) = self.running.as_mut() {
            running.parking = true;
            if !running.has_doubtful_live() {
                self.bill_live(now, false);
                self.halt("the task waits for a person");
            }
        }
    }

    fn halt(&mut self, reason: &'static str) {
        if let Some(Running { task, attempt, .. }) = self.running.take() {
            self.actions.push(Action::Halt {
                task,
                attempt,
                reason,
            });
        }
    }

    /// Lets time pass: approvals time out, tasks meet their deadline or their limit of time.
    pub fn tick(&mut self, now: Timestamp) {
        if !self.is_owning() {
            return;
        }
        let due: Vec<u32> = self
            .journal
            .open
            .iter()
            .filter(|(_, t)| t.due().is_some_and(|due| due <= now))
            .map(|(n, _)| *n)
            .collect();
        for ordinal in due {
            let Some(task) = self.journal.open.get(&ordinal) else {
                continue;
            };
            if task.expires_at() <= now {
                let deadline = task.accepted.deadline.is_some_and(|deadline| deadline <= now);
                let failure = if deadline {
                    Failure::new(ErrorCode::DeadlineExceeded, "the task's deadline passed")
                } else {
                    Failure::new(ErrorCode::LimitExceeded, "the task's limit of time was reached")
                };
                self.end(now, ordinal, TaskEnd::Failed(failure));
                continue;
            }
            let timed_out: Vec<u32> = task
                .steps
                .values()
                .filter(|step| matches!(step.state, StepState::Waiting { until: Some(until), .. } if until <= now))
                .map(|step| step.head.number)
                .collect();
            for number in timed_out {
                let resolution = Resolution::TimedOut;
                self.stage(
                    now,
                    Entry::Resolved {
                        task: ordinal,
                        number,
                        resolution,
                        by: None,
                        note: None,
                    },
                );
            }
        }
        self.schedule(now);
    }

    /// The finished or waiting steps of an open task that the owner holds in memory only: those that run.
    pub fn live_steps(&self, ordinal: u32) -> impl Iterator<Item = (&StepPath, &crate::StepHead, Timestamp)> {
        let running = self.running.iter().filter(move |running| running.task == ordinal);
        running.flat_map(|running| {
            running
                .live
                .iter()
                .map(|(path, step)| (path, &step.head, step.started_at))
        })
    }
}

/// The failure of work that is given up because it kills what runs it.
fn poison(what: &str, deaths: u32) -> Failure {
    let message = format!(
        "given up: {what} died {deaths} times during this task without finishing a step; retryTask runs it again"
    );
    Failure::new(ErrorCode::AgentFailed, message).retryable()
}
