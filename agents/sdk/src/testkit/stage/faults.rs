//! What goes wrong.

use greenroom_kernel::{AttemptEnd, Owner};

use super::{Stage, folded, writer};
use crate::testkit::plan::Fault;

impl Stage<'_> {
    /// Does what a fault is, where it is more than a message's own fate.
    pub(super) fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::AgentDies => self.lose_agent("the agent's process died", false),
            Fault::StreamBreaks => self.lose_agent("the stream broke", true),
            Fault::OwnerDies => self.lose_owner(),
            // A message's own fate, which whoever carries it sees to.
            Fault::Twice | Fault::Late | Fault::Posthumous | Fault::Unanswered => {}
        }
    }

    fn lose_agent(&mut self, why: &str, lives_on: bool) {
        let Some(mut attempt) = self.attempt.take() else {
            return;
        };
        let number = attempt.number;
        attempt.cut(why);
        if lives_on {
            self.leaving.push(attempt);
        } else {
            attempt.die();
        }
        let end = AttemptEnd::Died(why.to_owned());
        self.owner.attempt_ended(self.now(), self.task, number, end);
    }

    fn lose_owner(&mut self) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.cut("the supervisor is gone");
            self.leaving.push(attempt);
        }
        self.incarnation += 1;
        let journal = folded(&self.key, &self.slots);
        let (key, by) = (self.key.clone(), writer(self.incarnation));
        self.owner = Owner::take(key, by, self.incarnation, journal, self.now());
    }
}
