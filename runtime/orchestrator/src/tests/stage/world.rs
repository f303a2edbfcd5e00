//! Time and chance, repeatable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_kernel::{Clock, Randomness, Timestamp};

/// A clock that goes with tokio's.
pub(crate) struct StageClock(tokio::time::Instant);

impl StageClock {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Repeatable randomness (splitmix64).
pub(crate) struct StageRandom(pub(super) AtomicU64);

impl Randomness for StageRandom {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) fn stage_random() -> StageRandom {
    StageRandom(AtomicU64::new(42))
}
