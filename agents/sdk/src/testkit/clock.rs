//! The kit's clock: it stands still and jumps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use greenroom_kernel::{Clock, Timestamp};

/// Time that passes only when nothing else can happen, and then at once.
#[derive(Debug)]
pub(crate) struct KitClock(AtomicI64);

impl KitClock {
    pub(crate) fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millis()))
    }

    /// Moves on to `then`, never back.
    pub(crate) fn jump(&self, then: Timestamp) {
        self.0.fetch_max(then.as_millis(), Ordering::Relaxed);
    }
}

impl Clock for KitClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0))
    }
}
