//! What running steps use, told to the owner, and to whoever waits for this journal's task.

use greenroom_kernel::Timestamp;

use super::{JournalActor, Phase};

impl JournalActor {
    /// Tells the owner what its running steps have used.
    pub(super) fn read_meters(&mut self, now: Timestamp) {
        let Phase::Owned { owner, .. } = &mut self.phase else {
            return;
        };
        let running = owner.running();
        self.meters
            .retain(|step| running == Some((step.task, step.attempt)));
        for step in &self.meters {
            owner.step_spends(now, step.task, step.attempt, &step.path, step.meter.used());
        }
    }

    /// Tells whoever waits for this journal's task, as for its child, what that has used.
    pub(super) fn tell_parent(&self) {
        let Phase::Owned { owner, .. } = &self.phase else {
            return;
        };
        let open = owner.journal().open.get(&0);
        if open.is_some_and(|task| task.accepted.parent.is_some()) {
            let used = owner.spending(0);
            self.shared.meters.tell(&self.shared.journals, &self.key, used);
        }
    }
}
