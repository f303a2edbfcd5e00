//! The circuit breaker, as a pure state machine: it stops calls to what is failing, and lets exactly one call
//! find out whether it has recovered.
//!
//! Time is an argument: `now` is any duration since a fixed start that never steps backwards
//! ([`crate::Clock::monotonic`]).
//!
//! A [`Permit`] remembers the generation of the breaker that granted it. Every change of state starts a new
//! generation, and outcomes of older ones are ignored: a call that began before the breaker opened says nothing
//! about what happens after.

mod config;
mod window;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use config::{BreakerConfig, BreakerConfigError};
pub use window::CallStats;
use window::Window;

/// What a breaker does with new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BreakerState {
    /// Calls are admitted and watched.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// One call at a time is admitted, to find out.
    HalfOpen,
}

impl BreakerState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

/// How an admitted call ended, as far as the breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallOutcome {
    /// What was called did its part.
    Success,
    /// What was called is at fault.
    Failure,
    /// Says nothing about what was called: the caller's own fault, or its cancellation.
    Ignored,
}

/// The breaker refuses the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the breaker is open, retry in {} ms", retry_after.as_millis())]
pub struct Refused {
    /// When asking again makes sense.
    pub retry_after: Duration,
}

/// The right to make one call. Hand it back with [`Breaker::settle`]; dropping it counts as nothing, and frees
/// the probe's place if it was the probe.
#[derive(Debug)]
#[must_use = "a permit that is dropped settles nothing"]
pub struct Permit {
    generation: u64,
    probe: Option<Arc<()>>,
}

impl Permit {
    /// Whether this is the one call that decides over a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

#[derive(Debug)]
enum Phase {
    Closed { since: Duration },
    Open { since: Duration, until: Duration },
    HalfOpen { probe: Weak<()> },
}

/// A circuit breaker. Not shared by itself: whoever shares it puts a short lock around it.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    phase: Phase,
    generation: u64,
    /// Openings in a row without a calm time between them, the exponent of the open time.
    openings: u32,
    window: Window,
}

impl Breaker {
    /// A closed breaker.
    ///
    /// # Errors
    /// A configuration whose numbers contradict each other.
    pub fn new(config: BreakerConfig) -> Result<Self, BreakerConfigError> {
        config.validate()?;
        Ok(Self {
            window: Window::new(config.window_calls, config.window),
            phase: Phase::Closed {
                since: Duration::ZERO,
            },
            generation: 0,
            openings: 0,
            config,
        })
    }

    /// Asks for the right to make one call.
    ///
    /// # Errors
    /// [`Refused`] while the breaker is open, or half-open with its probe out.
    pub fn try_admit(&mut self, now: Duration) -> Result<Permit, Refused> {
        if let Phase::Open { until, .. } = self.phase {
            if now < until {
                return Err(Refused {
                    retry_after: until - now,
                });
            }
            self.enter(Phase::HalfOpen { probe: Weak::new() });
        }
        match &mut self.phase {
            Phase::HalfOpen { probe } if probe.strong_count() > 0 => Err(Refused {
                retry_after: self.config.probe_retry_after,
            }),
            Phase::HalfOpen { probe } => {
                let token = Arc::new(());
                *probe = Arc::downgrade(&token);
                Ok(Permit {
                    generation: self.generation,
                    probe: Some(token),
                })
            }
            Phase::Closed { .. } | Phase::Open { .. } => Ok(Permit {
                generation: self.generation,
                probe: None,
            }),
        }
    }

    /// Asks for the right to make one call though the breaker may be open, because nobody else can take it: an open
    /// breaker half-opens once it has been open for `after`. Its probe decides as ever.
    ///
    /// # Errors
    /// [`Refused`] while it has been open for less, or is half-open with its probe out.
    pub fn try_admit_early(&mut self, after: Duration, now: Duration) -> Result<Permit, Refused> {
        if let Phase::Open { since, until } = self.phase {
            let early = since.saturating_add(after).min(until);
            if now < early {
                return Err(Refused {
                    retry_after: early - now,
                });
            }
            self.enter(Phase::HalfOpen { probe: Weak::new() });
        }
        self.try_admit(now)
    }

    /// Reports how an admitted call ended. A stream is settled when it ends, not when it opens. Outcomes of
    /// permits from an earlier generation change nothing.
    pub fn settle(&mut self, permit: Permit, outcome: CallOutcome, latency: Duration, now: Duration) {
        if permit.generation != self.generation || outcome == CallOutcome::Ignored {
            return;
        }
        let failed = outcome == CallOutcome::Failure;
        let slow = latency >= self.config.slow_call;
        match self.phase {
            Phase::HalfOpen { .. } if failed || slow => self.open(now),
            Phase::HalfOpen { .. } => {
                self.window.clear();
                self.enter(Phase::Closed { since: now });
            }
            Phase::Closed { since } => {
                self.window.record(failed, slow, now);
                let stats = self.window.stats(now);
                if stats.calls >= self.config.minimum_calls
                    && (stats.failure_rate() >= self.config.failure_rate
                        || stats.slow_rate() >= self.config.slow_rate)
                {
                    if now.saturating_sub(since) >= self.config.calm {
                        self.openings = 0;
                    }
                    self.open(now);
                }
            }
            // Opening starts a generation in which nothing is granted.
            Phase::Open { .. } => {}
        }
    }

    /// The state at `now`: an open breaker whose time is over reads half-open.
    pub fn state(&self, now: Duration) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until, .. } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// When an open breaker will admit its probe; `None` in the other states.
    pub fn open_until(&self) -> Option<Duration> {
        match self.phase {
            Phase::Open { until, .. } => Some(until),
            Phase::Closed { .. } | Phase::HalfOpen { .. } => None,
        }
    }

    /// What the window holds at `now`. Kept while open, emptied when a probe closes the breaker.
    pub fn stats(&self, now: Duration) -> CallStats {
        self.window.stats(now)
    }

    fn open(&mut self, now: Duration) {
        let open_for = self.config.open_for(self.openings);
        self.openings = self.openings.saturating_add(1);
        self.enter(Phase::Open {
            since: now,
            until: now.saturating_add(open_for),
        });
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}
