//! `[gateway.pool]`: how patient a gateway is with its supervisors.

use std::time::Duration;

use greenroom_kernel::{BreakerConfig, RetryBudgetConfig, RetryPolicy};
use greenroom_wire::PoolConfig;
use serde::{Deserialize, Serialize};

use super::raw::millis;
use super::{ConfigError, positive};

/// As people write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPool {
    pub(crate) tries: u32,
    pub(crate) retry_within_ms: u64,
    pub(crate) retry_ratio: f64,
    pub(crate) answer_ms: u64,
    pub(crate) read_ms: u64,
    pub(crate) open_ms: u64,
    pub(crate) hops: u32,
}

impl Default for RawPool {
    fn default() -> Self {
        let ours = PoolConfig::default();
        Self {
            tries: ours.retry.tries,
            retry_within_ms: millis(ours.retry.within),
            retry_ratio: ours.budget.ratio,
            answer_ms: millis(ours.answer_within),
            read_ms: millis(ours.read_within),
            open_ms: millis(ours.breaker.open_for),
            hops: ours.hops,
        }
    }
}

impl RawPool {
    pub(super) fn pool(&self) -> Result<PoolConfig, ConfigError> {
        positive("gateway.pool.tries", self.tries.into())?;
        positive("gateway.pool.answer_ms", self.answer_ms)?;
        positive("gateway.pool.read_ms", self.read_ms)?;
        positive("gateway.pool.open_ms", self.open_ms)?;
        positive("gateway.pool.hops", self.hops.into())?;
        if !(0.0..=10.0).contains(&self.retry_ratio) {
            let why = "it must lie between 0 and 10";
            return Err(ConfigError::value("gateway.pool.retry_ratio", why));
        }
        let ours = PoolConfig::default();
        let open_for = Duration::from_millis(self.open_ms);
        Ok(PoolConfig {
            retry: RetryPolicy {
                tries: self.tries,
                within: Duration::from_millis(self.retry_within_ms),
                ..ours.retry
            },
            budget: RetryBudgetConfig {
                ratio: self.retry_ratio,
                ..ours.budget
            },
            breaker: BreakerConfig {
                open_for,
                open_at_most: ours.breaker.open_at_most.max(open_for),
                ..ours.breaker
            },
            answer_within: Duration::from_millis(self.answer_ms),
            read_within: Duration::from_millis(self.read_ms),
            hops: self.hops,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_is_the_pool_s_own_patience_and_what_is_written_counts() {
        assert_eq!(RawPool::default().pool().unwrap(), PoolConfig::default());
        let raw = RawPool {
            tries: 3,
            retry_within_ms: 5_000,
            retry_ratio: 0.5,
            answer_ms: 6_000,
            read_ms: 1_000,
            open_ms: 20_000,
            hops: 2,
        };
        let pool = raw.pool().unwrap();
        assert_eq!(
            (pool.retry.tries, pool.retry.within, pool.budget.ratio),
            (3, Duration::from_secs(5), 0.5)
        );
        assert_eq!(
            (pool.answer_within, pool.read_within, pool.hops),
            (Duration::from_secs(6), Duration::from_secs(1), 2)
        );
        assert_eq!(pool.breaker.open_for, Duration::from_secs(20));
        pool.breaker.validate().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (key, raw) in [
            (
                "tries",
                RawPool {
                    tries: 0,
                    ..RawPool::default()
                },
            ),
            (
                "hops",
                RawPool {
                    hops: 0,
                    ..RawPool::default()
                },
            ),
            (
                "read_ms",
                RawPool {
                    read_ms: 0,
                    ..RawPool::default()
                },
            ),
            (
                "answer_ms",
                RawPool {
                    answer_ms: 0,
                    ..RawPool::default()
                },
            ),
            (
                "open_ms",
                RawPool {
                    open_ms: 0,
                    ..RawPool::default()
                },
            ),
            (
                "retry_ratio",
                RawPool {
                    retry_ratio: -1.0,
                    ..RawPool::default()
                },
            ),
            (
                "retry_ratio",
                RawPool {
                    retry_ratio: f64::NAN,
                    ..RawPool::default()
                },
            ),
        ] {
            let said = raw.pool().unwrap_err().to_string();
            assert!(said.contains(&format!("`gateway.pool.{key}`")), "{said}");
        }
    }
}
