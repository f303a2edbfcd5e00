//! The real clock and the real dice: the only ones of this process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use greenroom_kernel::{Clock, Randomness, Timestamp};
use rand::RngCore;

/// A test hook: the wall clock shows this many milliseconds more, or less where negative.
const OFFSET: &str = "GREENROOM_CLOCK_OFFSET_MS";

/// The machine's clock.
pub(crate) struct MachineClock {
    start: Instant,
    offset: i64,
}

impl MachineClock {
    pub(crate) fn new() -> Self {
        let offset = std::env::var(OFFSET).ok().and_then(|text| text.parse().ok());
        Self {
            start: Instant::now(),
            offset: offset.unwrap_or(0),
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
        Timestamp::from_millis(shown.saturating_add(self.offset))
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
