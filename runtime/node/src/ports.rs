//! The real clock and the real dice: the only ones of this process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_kernel::{Clock, Randomness, Timestamp};
use rand::RngCore;

/// The machine's clock.
pub(crate) struct MachineClock {
    start: Instant,
    ahead_ms: i64,
}

impl MachineClock {
    pub(crate) fn new() -> Self {
        Self::ahead_by(0)
    }

    /// Whose time of day is so many milliseconds ahead of the machine's, or behind it.
    pub(crate) fn ahead_by(ahead_ms: i64) -> Self {
        Self {
            start: Instant::now(),
            ahead_ms,
        }
    }
}

impl Clock for MachineClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock port's implementation"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shown = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(shown.saturating_add(self.ahead_ms))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A generator a thread, seeded and reseeded by the operating system.
pub(crate) struct MachineRandomness;

impl Randomness for MachineRandomness {
    fn next_u64(&self) -> u64 {
        rand::rng().next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_tells_an_earlier_time_and_runs_as_fast() {
        let (right, behind) = (MachineClock::new(), MachineClock::ahead_by(-3_600_000));
        let apart = behind.now().until(right.now());
        assert!(
            apart.abs_diff(Duration::from_secs(3_600)) < Duration::from_secs(60),
            "{apart:?}"
        );
        assert!(behind.monotonic() < Duration::from_secs(60));
    }
}
