//! One incarnation of an actor as seen from outside it: whether it has ended, whether it moves, and why it will
//! have ended.
//!
//! ractor skips `post_stop` for killed and panicked actors and raises no event for a failing `pre_start`. What
//! must happen when an incarnation ends therefore hangs on [`Guard`]'s drop, which nothing skips.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::cause::Cause;
use crate::line::Line;
use crate::loopback::Loopback;
use crate::supervisor::Message;
use crate::tree::Node;

/// How far an incarnation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In `pre_start`: ractor doesn't report its end.
    Starting = 0,
    /// Linked: ractor reports its end.
    Linked = 1,
    /// `post_stop` is done: it was not killed.
    Finished = 2,
}

#[derive(Debug, Default)]
struct Inner {
    ended: CancellationToken,
    beats: AtomicU64,
    pinged: AtomicBool,
    stage: AtomicU8,
    verdict: OnceLock<Cause>,
}

/// One incarnation's life, shared by the actor, its supervisor and its callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life(Arc<Inner>);

impl Life {
    pub(crate) fn same_as(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Cancelled when the incarnation has ended or was given up.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    pub(crate) fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// One message done. Only the actor itself calls it.
    pub(crate) fn beat(&self) {
        self.0
            .beats
            .store(self.beats().wrapping_add(1), Ordering::Relaxed);
    }

    /// Marks a ping as sent; `false` when the one before is unanswered.
    pub(crate) fn mark_pinged(&self) -> bool {
        !self.0.pinged.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn answer_ping(&self) {
        self.0.pinged.store(false, Ordering::Relaxed);
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Linked,
            _ => Stage::Finished,
        }
    }

    pub(crate) fn reach(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
    }

    /// States why it ends; the first statement stands.
    pub(crate) fn condemn(&self, cause: Cause) {
        let _ = self.0.verdict.set(cause);
    }

    pub(crate) fn verdict(&self) -> Option<Cause> {
        self.0.verdict.get().cloned()
    }
}

/// Whom to tell when an incarnation ends before ractor would.
pub(crate) struct StartNotice {
    pub(crate) to: Loopback<Message>,
    pub(crate) slot: u64,
    pub(crate) incarnation: u32,
}

/// Held by the incarnation; what its drop does happens however the incarnation ends.
pub(crate) struct Guard<M> {
    pub(crate) life: Life,
    pub(crate) line: Arc<Line<M>>,
    pub(crate) node: Arc<Node>,
    pub(crate) notice: Option<StartNotice>,
}

impl<M> Drop for Guard<M> {
    fn drop(&mut self) {
        self.node.set_gone(self.life.ended());
        self.line.hang_up(&self.life);
        if self.life.stage() == Stage::Starting
            && let Some(StartNotice {
                to,
                slot,
                incarnation,
            }) = self.notice.take()
        {
            let cause = self.life.verdict().unwrap_or(Cause::Killed);
            to.send(Message::StartFailed {
                slot,
                incarnation,
                cause,
            });
        }
    }
}
