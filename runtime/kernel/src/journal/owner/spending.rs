//! What a task spends: its finished steps, what was cut short, and its children while they run; and what it may.

use crate::{Entry, ErrorCode, Failure, Owner, StepKind, StepPath, Timestamp, Usage};

use super::LiveStep;

impl Owner {
    /// A step that runs has used this much until now, all in all. A task whose children have together used more than
    /// it may is stopped, and with it they are: none waits for another's end to learn what is left.
    pub fn step_spends(&mut self, now: Timestamp, task: u32, attempt: u32, path: &StepPath, spent: Usage) {
        let running = self
            .running
            .as_mut()
            .filter(|run| (run.task, run.attempt) == (task, attempt));
        let Some(step) = running.and_then(|run| run.live.get_mut(path)) else {
            return;
        };
        step.spent = spent;
        if step.head.kind == StepKind::Agent
            && let Some(failure) = self.overspent(task)
        {
            self.fail(now, task, failure);
        }
    }

    /// What a task and its running children have used until now, as far as this owner was told.
    pub fn spending(&self, task: u32) -> Usage {
        let used = self.journal.open.get(&task).and_then(|open| open.usage);
        let running = self.running.iter().filter(|run| run.task == task);
        running
            .flat_map(|run| run.live.values())
            .filter(|step| step.head.kind == StepKind::Agent)
            .fold(used.unwrap_or_default(), |sum, step| sum.plus(step.spent))
    }

    /// Bills what the running attempt's steps have used that end with it: model calls and, when the `task` ends
    /// too, its children.
    pub(super) fn bill_live(&mut self, now: Timestamp, task_ends: bool) {
        let Some(running) = &self.running else { return };
        let ends = |step: &&LiveStep| match step.head.kind {
            StepKind::Agent => task_ends,
            _ => true,
        };
        let live = running.live.values().filter(ends);
        let usage = live.fold(Usage::default(), |sum, step| sum.plus(step.spent));
        if !usage.is_nothing() {
            let task = running.task;
            self.stage(now, Entry::Spent { task, usage });
        }
    }

    /// The failure of a task that has spent more than it may.
    pub(super) fn over_limit(&self, task: u32, number: u32) -> Option<Failure> {
        let steps = self.journal.open.get(&task)?.accepted.limits.steps;
        if number >= steps {
            return Some(limit_reached(&format!("{steps} steps")));
        }
        self.overspent(task)
    }

    /// The failure of a task that has used more than it may, its running children's use included.
    fn overspent(&self, task: u32) -> Option<Failure> {
        let limits = self.journal.open.get(&task)?.accepted.limits;
        let used = self.spending(task);
        if used.total_tokens() > limits.tokens {
            Some(limit_reached(&format!("{} tokens", limits.tokens)))
        } else if let (Some(limit), Some(cost)) = (limits.cost_usd, used.cost_usd)
            && cost > limit
        {
            Some(limit_reached(&format!("{limit} US dollars")))
        } else {
            None
        }
    }
}

fn limit_reached(limit: &str) -> Failure {
    Failure::new(
        ErrorCode::LimitExceeded,
        format!("the task's limit of {limit} was reached"),
    )
}
