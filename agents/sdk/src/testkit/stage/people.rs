//! The persons that a task rests with: approvers by the script, and one who knows what really happened.

use greenroom_kernel::{Payload, RequestId, ResolveAction, StepOutcome, StepPath, StepResolution, StepState};

use super::Stage;
use crate::testkit::plan::Place;
use crate::testkit::script::Person;

/// How often a task may come to rest in one run.
const RESTS: u32 = 10_000;

impl Stage<'_> {
    /// Answers what the task rests with, once. False when nobody can.
    pub(super) fn settle(&mut self) -> bool {
        if self.attempt.is_some() || self.recorded || self.rested >= RESTS {
            return false;
        }
        let Some(task) = self.owner.journal().open.get(&self.task) else {
            return false;
        };
        let resting = task
            .steps
            .values()
            .find(|step| matches!(step.state, StepState::Waiting { .. } | StepState::Unknown));
        let Some(step) = resting else { return false };
        let (number, path, state) = (step.head.number, step.head.path.clone(), step.state.clone());
        let mut approvals: Vec<u32> = task
            .steps
            .values()
            .filter(is_approval)
            .map(|s| s.head.number)
            .collect();
        approvals.sort_unstable();
        let asked = approvals.iter().position(|other| *other == number);
        self.rested += 1;
        let label = self.label(&path);
        if let Some(fault) = self.point(Place::Rest, label) {
            self.strike(fault);
            return true;
        }
        let (action, note) = match state {
            StepState::Waiting { until, .. } => match asked.and_then(|n| self.script.people.get(n)) {
                Some(Person::Approves(value)) => (ResolveAction::Approve(Some(value.to_string())), None),
                Some(Person::Rejects) => (ResolveAction::Reject, None),
                Some(Person::Ignores) => {
                    let task = self.owner.journal().open.get(&self.task);
                    let Some(due) = until.or_else(|| task.map(|task| task.expires_at())) else {
                        return false;
                    };
                    self.clock.jump(due);
                    self.owner.tick(self.now());
                    return true;
                }
                None => return false,
            },
            _ => match self.truth(&path) {
                Some(action) => (action, Some("the test kit saw it".to_owned())),
                None => return false,
            },
        };
        let answer = StepResolution {
            task: self.task,
            number,
            attempt: None,
            action,
            by: self.script.principal.subject.clone(),
            note,
        };
        self.owner
            .resolve(self.now(), RequestId(u64::from(self.rested)), answer);
        true
    }

    /// What a person who saw everything would say of a step whose outcome the journal doesn't know.
    fn truth(&self, path: &StepPath) -> Option<ResolveAction> {
        let work = self.watch.work(path);
        let done = |text: String| Some(ResolveAction::SettleDone(Some(text)));
        match work.result {
            Some(Ok(result)) => return done(result),
            // It failed, which nobody can settle it with.
            Some(Err(_)) => return None,
            None if work.begun == 0 => return Some(ResolveAction::SettleNotDone),
            None => {}
        }
        let inside = |firing: &crate::testkit::probe::Firing| firing.step.as_ref() == Some(path);
        let fired = self
            .script
            .probes
            .iter()
            .any(|probe| probe.firings().iter().any(inside));
        if self.known.fired.contains(path) && !fired {
            return Some(ResolveAction::SettleNotDone);
        }
        match self.known.outcomes.get(path) {
            Some(StepOutcome::Done(Payload::Inline(result))) => done(result.to_string()),
            _ => None,
        }
    }
}

fn is_approval(step: &&greenroom_kernel::StepRecord) -> bool {
    step.head.kind == greenroom_kernel::StepKind::Approval
}
