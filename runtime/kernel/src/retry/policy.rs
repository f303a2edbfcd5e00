//! When one call is tried again: exponential backoff with full jitter, bounded by attempts and by wall clock.

use std::time::Duration;

/// Exponential growth of a waiting time, up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait.
    pub base: Duration,
    /// What the bound stops growing at.
    pub at_most: Duration,
}

impl Backoff {
    /// The longest wait after `failures` earlier ones: `base` doubled that often, at most `at_most`.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.at_most)
    }

    /// A wait chosen evenly between zero and the ceiling by 64 random bits: full jitter.
    pub fn full_jitter(&self, failures: u32, random: u64) -> Duration {
        scale(self.ceiling(failures), random)
    }

    /// A wait chosen evenly between half the ceiling and the ceiling: never at once, never all together.
    pub fn half_jitter(&self, failures: u32, random: u64) -> Duration {
        let half = self.ceiling(failures) / 2;
        half + scale(half, random)
    }
}

/// `span * random / 2^64`, exactly and without overflow.
fn scale(span: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// When one call is tried again. Whether its failure may be retried at all is the caller's to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first one included.
    pub tries: u32,
    /// How the waits grow.
    pub backoff: Backoff,
    /// No try starts later than this after the first one did.
    pub within: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 3,
            backoff: Backoff {
                base: Duration::from_millis(250),
                at_most: Duration::from_secs(8),
            },
            within: Duration::from_secs(60),
        }
    }
}

/// What a [`RetryPolicy`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again after this long.
    Again {
        /// The wait.
        after: Duration,
    },
    /// Give up.
    Stop(RetryStop),
}

/// Why a [`RetryPolicy`] gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryStop {
    /// All tries were made.
    Tries,
    /// The next try would start too late.
    Time,
}

impl RetryPolicy {
    /// Decides after `made` failed tries, `elapsed` since the first one began. What the other side asked to wait
    /// (`retry_after`) is waited in full, plus jitter, so that those who were told the same don't come back
    /// together.
    pub fn decide(
        &self,
        made: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        random: u64,
    ) -> RetryDecision {
        if made >= self.tries {
            return RetryDecision::Stop(RetryStop::Tries);
        }
        let jitter = self.backoff.full_jitter(made.saturating_sub(1), random);
        let after = retry_after.unwrap_or_default().saturating_add(jitter);
        if elapsed.saturating_add(after) > self.within {
            return RetryDecision::Stop(RetryStop::Time);
        }
        RetryDecision::Again { after }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn policy() -> RetryPolicy {
        RetryPolicy {
            tries: 4,
            backoff: Backoff {
                base: ms(100),
                at_most: ms(300),
            },
            within: ms(1000),
        }
    }

    #[test]
    fn waits_double_up_to_the_bound() {
        let ceilings: Vec<_> = [0, 1, 2, 40, u32::MAX]
            .map(|n| policy().backoff.ceiling(n))
            .to_vec();
        assert_eq!(ceilings, [ms(100), ms(200), ms(300), ms(300), ms(300)]);
    }

    #[test]
    fn the_last_try_is_the_last() {
        assert_eq!(
            policy().decide(3, ms(0), None, 0),
            RetryDecision::Again { after: ms(0) }
        );
        assert_eq!(
            policy().decide(4, ms(0), None, 0),
            RetryDecision::Stop(RetryStop::Tries)
        );
    }

    #[test]
    fn a_retry_after_beyond_the_time_left_ends_it_at_once() {
        let decide = |after| policy().decide(1, ms(600), Some(ms(after)), 0);
        assert_eq!(decide(400), RetryDecision::Again { after: ms(400) });
        assert_eq!(decide(401), RetryDecision::Stop(RetryStop::Time));
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(
            made in 1..6u32,
            elapsed in 0..1500u64,
            asked in proptest::option::of(0..1500u64),
            random: u64,
        ) {
            let (policy, asked) = (policy(), asked.map(ms));
            match policy.decide(made, ms(elapsed), asked, random) {
                RetryDecision::Again { after } => {
                    let least = asked.unwrap_or_default();
                    prop_assert!(made < policy.tries);
                    prop_assert!(after >= least);
                    prop_assert!(after <= least + policy.backoff.ceiling(made - 1));
                    prop_assert!(ms(elapsed) + after <= policy.within);
                }
                RetryDecision::Stop(RetryStop::Tries) => prop_assert!(made >= policy.tries),
                RetryDecision::Stop(RetryStop::Time) => {
                    let longest = asked.unwrap_or_default() + policy.backoff.ceiling(made - 1);
                    prop_assert!(ms(elapsed) + longest > policy.within);
                }
            }
        }

        #[test]
        fn jitter_covers_its_range_and_no_more(failures: u32, random: u64, base in 0..100_000u64, most in 0..1_000_000u64) {
            let backoff = Backoff { base: ms(base), at_most: ms(most) };
            let ceiling = backoff.ceiling(failures);
            prop_assert!(ceiling <= ms(most));
            prop_assert!(backoff.full_jitter(failures, random) <= ceiling);
            let half = backoff.half_jitter(failures, random);
            prop_assert!(ceiling / 2 <= half && half <= ceiling);
            prop_assert_eq!(backoff.full_jitter(failures, 0), Duration::ZERO);
            prop_assert!(ceiling - backoff.full_jitter(failures, u64::MAX) <= Duration::from_nanos(1));
        }
    }
}
