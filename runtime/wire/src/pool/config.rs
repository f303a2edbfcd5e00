//! How patient a pool is.

use std::time::Duration;

use greenroom_kernel::{Backoff, BreakerConfig, RetryBudgetConfig, RetryPolicy};

/// The numbers of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// When a call is tried again; its time counts from the first failure. The default outlasts the time in which
    /// supervisors notice that one of them died.
    pub retry: RetryPolicy,
    /// How many such tries all calls of this pool may make together. The default at most doubles its load. Being sent from
    /// one supervisor to another costs nothing of it.
    pub budget: RetryBudgetConfig,
    /// When a supervisor that doesn't answer is left alone, and for how long. How long an answer takes says nothing:
    /// calls wait as long as their callers wish.
    pub breaker: BreakerConfig,
    /// How long a call may take beyond what its caller wishes to wait, tries and pauses together.
    pub answer_within: Duration,
    /// How long one try of a call that only reads may take.
    pub read_within: Duration,
    /// How often one try is sent from one supervisor to another.
    pub hops: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            retry: RetryPolicy {
                tries: 16,
                backoff: Backoff {
                    base: Duration::from_millis(200),
                    at_most: Duration::from_secs(2),
                },
                within: Duration::from_secs(30),
            },
            budget: RetryBudgetConfig {
                ratio: 1.0,
                floor: 50,
                window: Duration::from_secs(10),
            },
            breaker: BreakerConfig {
                window: Duration::from_secs(10),
                minimum_calls: 5,
                slow_call: Duration::MAX,
                slow_rate: 2.0,
                open_for: Duration::from_secs(1),
                open_at_most: Duration::from_secs(10),
                calm: Duration::from_secs(30),
                probe_retry_after: Duration::from_millis(200),
                ..BreakerConfig::default()
            },
            answer_within: Duration::from_secs(30),
            read_within: Duration::from_secs(10),
            hops: 4,
        }
    }
}
