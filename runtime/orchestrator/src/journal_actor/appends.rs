//! Appends: sent, sent again until answered, and followed by snapshots.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Append, Appended, Failure, JournalKind, Nonce, Snapshot, StoreError};
use greenroom_supervision::Context;

use super::{JournalActor, Message, Phase};

/// How long an append that failed for certain rests before it is sent again, at most.
const RETRY: Duration = Duration::from_millis(250);
/// How often an append is sent again before its callers are told that its fate is not known yet.
const PATIENCE: u32 = 8;

impl JournalActor {
    pub(super) fn append(&self, ctx: &Context<Message>, append: Append, wait: Option<Duration>) {
        let (shared, loopback) = (Arc::clone(&self.shared), ctx.loopback());
        ctx.spawn(async move {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            let nonce = append.slot.nonce;
            let begun = shared.clock.monotonic();
            let outcome = shared.store.append(append).await;
            shared
                .metrics
                .journal_append(shared.clock.monotonic().saturating_sub(begun));
            loopback.send(Message::Appended { nonce, outcome });
        });
    }

    pub(super) fn appended(
        &mut self,
        ctx: &Context<Message>,
        nonce: Nonce,
        outcome: Result<Appended, StoreError>,
    ) {
        let now = self.shared.now();
        let journal = self.key.journal.clone();
        let fleet = self.shared.fleet.is_some();
        let Some(owner) = self.owner() else { return };
        match outcome {
            // Whoever came first may live: it is asked before it is followed.
            Ok(Appended::Collided(occupant)) if fleet && !owner.is_owning() && occupant.nonce != nonce => {
                self.failed_appends = 0;
                self.load_again(ctx);
            }
            Ok(outcome) => {
                owner.appended(now, nonce, outcome);
                self.failed_appends = 0;
            }
            Err(error @ (StoreError::Gap { .. } | StoreError::Corrupt { .. })) => {
                tracing::error!(%journal, %error, "the journal's owner and its store disagree");
                self.leave(ctx, "the store refused an append");
            }
            Err(error) => {
                tracing::warn!(%journal, %error, "an append is sent again");
                let again = owner.unanswered(nonce);
                self.failed_appends += 1;
                let passing = matches!(error, StoreError::Busy { .. } | StoreError::Unanswered { .. });
                if !passing || self.failed_appends >= PATIENCE {
                    self.release_callers(&error);
                }
                if let Some(append) = again {
                    let wait = self.shared.jitter(RETRY) + Duration::from_millis(5);
                    self.append(ctx, append, Some(wait));
                }
            }
        }
    }

    /// Tells those who wait that nothing is known yet: what they asked for is still being written, and their key
    /// finds it then.
    fn release_callers(&mut self, error: &StoreError) {
        let failure = Failure::unavailable(format!(
            "{error}; it is tried again: whether the call was accepted is not known yet, repeat it with its key"
        ));
        for (_, answer) in self.replies.drain() {
            let _ = answer.send(Err(failure.clone()));
        }
        if let Phase::Owned { waiting, .. } = &mut self.phase {
            for command in waiting.drain(..) {
                let _ = command.answer.send(Err(failure.clone()));
            }
        }
    }

    /// Keeps a snapshot now and then, so that a wake folds little.
    pub(super) fn snapshot(&mut self, ctx: &Context<Message>) {
        let now = self.shared.now();
        let every = self.shared.config.snapshot_every;
        let Phase::Owned { owner, .. } = &mut self.phase else {
            return;
        };
        let journal = owner.journal();
        let due = journal.next >= self.snapshot_at + every && owner.is_settled() && owner.is_owning();
        if !due || journal.kind != Some(JournalKind::Session) || journal.deleted {
            return;
        }
        self.snapshot_at = journal.next;
        owner.forget_old_keys(now);
        let journal = owner.journal().clone();
        let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
        ctx.spawn(async move {
            match serde_json::to_string(&journal) {
                Ok(state) => {
                    let snapshot = Snapshot {
                        next: journal.next,
                        state: state.into(),
                    };
                    if let Err(error) = shared.store.put_snapshot(&key, snapshot).await {
                        tracing::warn!(journal = %key.journal, %error, "a snapshot was not kept");
                    }
                }
                Err(error) => {
                    tracing::error!(journal = %key.journal, %error, "a journal can't be written down")
                }
            }
        });
    }

    /// Removes a deleted session's content, whether or not this actor lives on.
    pub(super) fn hollow(&self) {
        let (shared, key) = (Arc::clone(&self.shared), self.key.clone());
        self.shared.tasks.spawn(async move {
            if let Err(error) = shared.store.hollow(&key).await {
                tracing::warn!(journal = %key.journal, %error, "a deleted session's content stays until the next sweep");
            }
        });
    }
}
