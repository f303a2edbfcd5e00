//! The line to an actor: where its messages go now, and how many may be on their way.
//!
//! It outlives the actor's incarnations. ractor's mailboxes are unbounded, so a permit is taken before the cast
//! and travels with the message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::handle::SendError;
use crate::life::Life;

/// The permit a message came with. Dropped at the end of the handler unless the handler moves it into the task
/// that does the work, which then counts against the mailbox until it is done.
#[derive(Debug)]
#[must_use = "dropping it admits the next message"]
pub struct Admission(#[allow(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

impl Admission {
    /// For messages an actor sends itself.
    pub(crate) const fn free() -> Self {
        Self(None)
    }
}

pub(crate) enum Envelope<M> {
    Work(M, Admission),
    Ping,
}

pub(crate) struct Target<M> {
    pub(crate) actor: ActorRef<Envelope<M>>,
    pub(crate) life: Life,
    permits: Arc<Semaphore>,
}

pub(crate) struct Line<M> {
    name: Arc<str>,
    target: ArcSwapOption<Target<M>>,
    permits: Mutex<Arc<Semaphore>>,
    capacity: usize,
    busy_retry_after: Duration,
    down_ms: AtomicU64,
    closed: AtomicBool,
}

impl<M> Line<M> {
    pub(crate) fn new(name: Arc<str>, capacity: usize, busy_retry_after: Duration) -> Self {
        Self {
            name,
            target: ArcSwapOption::empty(),
            permits: Mutex::new(Arc::new(Semaphore::new(capacity))),
            capacity,
            busy_retry_after,
            down_ms: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Messages admitted and not done.
    pub(crate) fn depth(&self) -> u32 {
        let free = self.permits.lock().available_permits();
        u32::try_from(self.capacity.saturating_sub(free)).unwrap_or(u32::MAX)
    }

    /// From now on messages go to this incarnation. Both who starts it and the incarnation itself say so, because
    /// either may be first.
    pub(crate) fn connect(&self, actor: &ActorRef<Envelope<M>>, life: &Life) {
        if !self
            .target
            .load()
            .as_ref()
            .is_some_and(|target| target.life.same_as(life))
        {
            let permits = Arc::clone(&self.permits.lock());
            self.target.store(Some(Arc::new(Target {
                actor: actor.clone(),
                life: life.clone(),
                permits,
            })));
        }
        if life.ended().is_cancelled() {
            self.hang_up(life);
        }
    }

    /// The incarnation is gone; a newer one stays connected.
    pub(crate) fn hang_up(&self, life: &Life) {
        let current = self.target.load();
        if current.as_ref().is_some_and(|target| target.life.same_as(life)) {
            self.target.compare_and_swap(&*current, None);
        }
    }

    /// An incarnation that can't be ended keeps its permits for ever: the next one gets new ones.
    pub(crate) fn abandon(&self, life: &Life) {
        self.hang_up(life);
        *self.permits.lock() = Arc::new(Semaphore::new(self.capacity));
    }

    /// What callers are told while there is no incarnation.
    pub(crate) fn set_down_for(&self, wait: Duration) {
        self.down_ms.store(
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// There will be no incarnation any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn target(&self) -> Option<Arc<Target<M>>> {
        self.target.load_full()
    }

    pub(crate) fn down(&self) -> SendError {
        let actor = Arc::clone(&self.name);
        if self.closed.load(Ordering::Acquire) {
            return SendError::Gone { actor };
        }
        let retry_after = Duration::from_millis(self.down_ms.load(Ordering::Relaxed));
        SendError::Down {
            actor,
            retry_after: retry_after.max(self.busy_retry_after),
        }
    }
}

impl<M: Send + 'static> Line<M> {
    /// Admits and casts, at once or not at all; the life of the incarnation it went to.
    pub(crate) fn send(&self, message: M) -> Result<Life, SendError> {
        let current = self.target.load();
        let Some(target) = current.as_ref() else {
            return Err(self.down());
        };
        let Ok(permit) = Arc::clone(&target.permits).try_acquire_owned() else {
            return Err(SendError::Busy {
                actor: Arc::clone(&self.name),
                retry_after: self.busy_retry_after,
            });
        };
        match target
            .actor
            .send_message(Envelope::Work(message, Admission(Some(permit))))
        {
            Ok(()) => Ok(target.life.clone()),
            Err(_) => Err(self.down()),
        }
    }

    /// Asks an incarnation for a sign of life; `false` when it was asked before and hasn't answered.
    pub(crate) fn ping(&self, life: &Life) -> bool {
        match self.target.load().as_ref() {
            Some(target) if target.life.same_as(life) && life.mark_pinged() => {
                // A dead actor is noticed by its end, not by its silence.
                let _ = target.actor.send_message(Envelope::Ping);
                true
            }
            _ => false,
        }
    }
}
