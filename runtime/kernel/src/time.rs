//! Time as a value. Logic takes `now` as an argument; only the composition root owns a real clock.

mod rfc3339;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in UTC, in milliseconds since the Unix epoch.
///
/// May step backwards between two readings: use it for what people see and for absolute due times, never to
/// decide who owns what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Reads RFC 3339 with any offset, to the millisecond. A leap second counts as the second before.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        rfc3339::parse(text)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment moved forward, saturating.
    pub fn after(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment moved back, saturating.
    pub fn before(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Milliseconds of a day in UTC; leap seconds are left out.
    pub const DAY_MS: i64 = 86_400_000;

    /// The day, counted from the Unix epoch's, in UTC.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(Self::DAY_MS)
    }

    /// The day as `2026-11-26`, in UTC.
    pub fn date(self) -> String {
        let mut text = self.to_string();
        text.truncate(text.find('T').unwrap_or(text.len()));
        text
    }

    /// How long until `later`; zero when it has passed.
    pub fn until(self, later: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, milliseconds. Civil-date arithmetic after Howard Hinnant, "chrono-Compatible Low-Level
    /// Date Algorithms" (`civil_from_days`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.day(), self.0.rem_euclid(Self::DAY_MS));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z",
            ms % 1_000
        )
    }
}

/// The port through which time is read.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. May step backwards.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start of this process; never steps backwards.
    fn monotonic(&self) -> Duration;
}

/// The port through which randomness is read, so that a simulation can replay it.
pub trait Randomness: Send + Sync + 'static {
    /// 64 uniformly random bits.
    fn next_u64(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Timestamp::from_millis(951_782_400_123).to_string(),
            "2000-02-29T00:00:00.123Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_795_305_599_999).to_string(),
            "2026-11-21T23:59:59.999Z"
        );
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn until_a_moment_that_has_passed_is_zero() {
        let (a, b) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(a.until(b), Duration::from_millis(4));
        assert_eq!(b.until(a), Duration::ZERO);
    }
}
