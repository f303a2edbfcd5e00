//! When a breaker opens and for how long.

use std::time::Duration;

/// The numbers of a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    /// How many of the latest calls are judged, 1 to 100 000.
    pub window_calls: usize,
    /// How old a judged call may be.
    pub window: Duration,
    /// Fewer calls than this in the window are no evidence; 1 to `window_calls`.
    pub minimum_calls: usize,
    /// Opens at this share of failures, above 0; above 1 switches it off.
    pub failure_rate: f64,
    /// A call at least this long is slow.
    pub slow_call: Duration,
    /// Opens at this share of slow calls, above 0; above 1 switches it off. A slow probe counts as failed.
    pub slow_rate: f64,
    /// How long the first opening lasts.
    pub open_for: Duration,
    /// What repeated openings multiply that by, at least 1.
    pub open_growth: f64,
    /// What they stop growing at.
    pub open_at_most: Duration,
    /// Closed for this long, the next opening counts as a first one again.
    pub calm: Duration,
    /// What callers are told who come while the probe is out.
    pub probe_retry_after: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            window_calls: 100,
            window: Duration::from_secs(60),
            minimum_calls: 10,
            failure_rate: 0.5,
            slow_call: Duration::from_secs(60),
            slow_rate: 0.8,
            open_for: Duration::from_secs(5),
            open_growth: 2.0,
            open_at_most: Duration::from_secs(120),
            calm: Duration::from_secs(120),
            probe_retry_after: Duration::from_secs(1),
        }
    }
}

/// A number of a [`BreakerConfig`] is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("breaker configuration: `{field}` must be {must}")]
pub struct BreakerConfigError {
    /// The field.
    pub field: &'static str,
    /// What it has to be.
    pub must: &'static str,
}

impl BreakerConfig {
    /// Checks the bounds given at each field.
    ///
    /// # Errors
    /// The first field out of its bounds.
    pub fn validate(&self) -> Result<(), BreakerConfigError> {
        let rules: [(bool, &'static str, &'static str); 8] = [
            (
                (1..=100_000).contains(&self.window_calls),
                "window_calls",
                "between 1 and 100000",
            ),
            (!self.window.is_zero(), "window", "more than 0"),
            (
                (1..=self.window_calls).contains(&self.minimum_calls),
                "minimum_calls",
                "between 1 and window_calls",
            ),
            (self.failure_rate > 0.0, "failure_rate", "more than 0"),
            (self.slow_rate > 0.0, "slow_rate", "more than 0"),
            (
                self.open_growth >= 1.0 && self.open_growth.is_finite(),
                "open_growth",
                "at least 1",
            ),
            (!self.open_for.is_zero(), "open_for", "more than 0"),
            (
                self.open_at_most >= self.open_for,
                "open_at_most",
                "at least open_for",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, must)) => Err(BreakerConfigError { field, must }),
            None => Ok(()),
        }
    }

    /// How long the breaker stays open after `previous` openings in a row.
    pub(super) fn open_for(&self, previous: u32) -> Duration {
        let exponent = i32::try_from(previous).unwrap_or(i32::MAX);
        let seconds = self.open_for.as_secs_f64() * self.open_growth.powi(exponent);
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(self.open_at_most)
            .min(self.open_at_most)
    }
}
