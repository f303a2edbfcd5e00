//! What other processes want of the live journals here, and what they are told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use greenroom_kernel::{Holding, JournalKey};
use greenroom_supervision::SendError;
use tokio::sync::oneshot;

use super::{Journals, Slot};
use crate::journal_actor::Message;

impl Journals {
    /// How many journals have an actor.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Has a live journal's actor look whether somebody else writes it.
    pub(crate) fn look(&self, key: &JournalKey) {
        self.tell(key, Message::Look);
    }

    /// The same for all of them.
    pub(crate) fn look_all(&self) {
        self.tell_all(|| Message::Look);
    }

    /// Asks every actor to let go of its journal at its next step boundary.
    pub(crate) fn release_all(&self) {
        self.tell_all(|| Message::Release(oneshot::channel().0));
    }

    /// Has every actor let go of its journal where it stands.
    pub(crate) fn leave_all(&self) {
        self.tell_all(|| Message::Leave);
    }

    fn tell_all(&self, message: impl Fn() -> Message) {
        for shard in &self.shards {
            let slots: Vec<Arc<Slot>> = shard.lock().actors.values().cloned().collect();
            for handle in slots.iter().filter_map(|slot| slot.handle.get()) {
                // One that is busy writes, and so learns what there is to learn; who asks it to leave asks again.
                let _ = handle.send(message());
            }
        }
    }

    /// Whether a journal has an actor; a live one learns by it that there is work.
    pub(crate) fn holds(&self, key: &JournalKey) -> Holding {
        if !self.is_live(key) {
            return Holding::Free;
        }
        self.nudge(key);
        Holding::Held
    }

    /// Asks a journal's actor to let go of it.
    pub(crate) async fn release(&self, key: &JournalKey) -> Holding {
        let slot = self.shard(key).lock().actors.get(key).cloned();
        let Some(slot) = slot else {
            return Holding::Free;
        };
        let Some(handle) = slot.handle.get() else {
            return Holding::Held;
        };
        let (answer, answered) = oneshot::channel();
        match handle.send(Message::Release(answer)) {
            // One that ends meanwhile has let go.
            Ok(()) => answered.await.unwrap_or(match self.is_live(key) {
                true => Holding::Held,
                false => Holding::Free,
            }),
            Err(SendError::Busy { .. } | SendError::Down { .. }) => Holding::Held,
            Err(SendError::Gone { .. }) => Holding::Free,
        }
    }
}
