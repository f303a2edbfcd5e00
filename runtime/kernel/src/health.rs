//! Health: one word for whether something can be given work, derived from what is already known about it.

use serde::{Deserialize, Serialize};

use crate::breaker::{BreakerState, CallOutcome, CallStats};

/// Whether something can be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    /// Works.
    Healthy,
    /// Works in part: prefer others.
    Degraded,
    /// Doesn't work.
    Unhealthy,
    /// Finishes what it has and takes nothing new.
    Draining,
}

impl Health {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
            Self::Draining => "DRAINING",
        }
    }
}

/// What health is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthSigns {
    /// The breaker in front of it.
    pub breaker: BreakerState,
    /// The calls in the breaker's window.
    pub calls: CallStats,
    /// Whether it has been told to finish.
    pub draining: bool,
    /// How the latest call ended that said anything.
    pub last: Option<CallOutcome>,
}

/// Where the lines between the states of health are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthThresholds {
    /// Degraded from this share of failures on, 0 to 1.
    pub degraded_failure_rate: f64,
    /// Fewer calls than this are judged by the latest one alone.
    pub minimum_calls: usize,
}

impl Default for HealthThresholds {
    fn default() -> Self {
        Self {
            degraded_failure_rate: 0.1,
            minimum_calls: 5,
        }
    }
}

impl HealthThresholds {
    /// Judges.
    pub fn judge(&self, signs: &HealthSigns) -> Health {
        if signs.draining {
            return Health::Draining;
        }
        match signs.breaker {
            BreakerState::Open => Health::Unhealthy,
            BreakerState::HalfOpen => Health::Degraded,
            BreakerState::Closed => {
                let failing = if signs.calls.calls < self.minimum_calls {
                    signs.last == Some(CallOutcome::Failure)
                } else {
                    signs.calls.failure_rate() >= self.degraded_failure_rate
                };
                if failing {
                    Health::Degraded
                } else {
                    Health::Healthy
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(breaker: BreakerState, calls: usize, failures: usize) -> HealthSigns {
        HealthSigns {
            breaker,
            calls: CallStats {
                calls,
                failures,
                slow: 0,
            },
            draining: false,
            last: Some(CallOutcome::Success),
        }
    }

    #[test]
    fn health_follows_drain_then_breaker_then_failures() {
        use BreakerState::{Closed, HalfOpen, Open};
        let judge = |s: &HealthSigns| HealthThresholds::default().judge(s);
        assert_eq!(judge(&signs(Closed, 0, 0)), Health::Healthy);
        assert_eq!(judge(&signs(Closed, 20, 1)), Health::Healthy);
        assert_eq!(judge(&signs(Closed, 20, 2)), Health::Degraded);
        assert_eq!(judge(&signs(HalfOpen, 20, 0)), Health::Degraded);
        assert_eq!(judge(&signs(Open, 20, 0)), Health::Unhealthy);
        assert_eq!(
            judge(&HealthSigns {
                draining: true,
                ..signs(Open, 20, 20)
            }),
            Health::Draining
        );
    }

    #[test]
    fn with_little_evidence_the_latest_call_decides() {
        let judge = |s: &HealthSigns| HealthThresholds::default().judge(s);
        let few = signs(BreakerState::Closed, 2, 1);
        assert_eq!(judge(&few), Health::Healthy);
        assert_eq!(
            judge(&HealthSigns {
                last: Some(CallOutcome::Failure),
                ..few
            }),
            Health::Degraded
        );
    }

    #[test]
    fn states_travel_by_their_public_names() {
        for health in [
            Health::Healthy,
            Health::Degraded,
            Health::Unhealthy,
            Health::Draining,
        ] {
            assert_eq!(serde_json::to_value(health).unwrap(), health.as_str());
        }
    }
}
