//! How many calls may run at once, found out while they run: one more each round while all goes well, a share fewer when
//! what is called says that it is too much or begins to queue, and few at first after it was away.
//!
//! Pure: `now` is any duration since a fixed start that never steps backwards.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// How a call ended, as far as the limit is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSignal {
    /// It was answered, and began to be so after this time.
    Answered(Duration),
    /// Too much was asked: it was refused for that, or nothing came in time.
    TooMuch,
    /// It says nothing about how much is too much.
    Nothing,
}

/// The numbers of an [`AdaptiveLimit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitConfig {
    /// Never more than this, at least 1. A new limit starts here: nothing speaks against it yet.
    pub ceiling: u32,
    /// What is left of the limit when too much was asked, between 0 and 1.
    pub cut: f64,
    /// What is left of it when calls begin to queue, between 0 and 1. A queue alone leaves a quarter of the ceiling.
    pub ease: f64,
    /// Latency above so many times the baseline is taken for a queue, above 1.
    pub queueing: f64,
    /// What latency may vary by without meaning anything.
    pub slack: Duration,
    /// The share of the ceiling that is allowed at first after a recovery, between 0 and 1.
    pub restart: f64,
}

impl LimitConfig {
    /// The usual numbers below this ceiling.
    pub const fn below(ceiling: u32) -> Self {
        Self {
            ceiling: if ceiling == 0 { 1 } else { ceiling },
            cut: 0.6,
            ease: 0.9,
            queueing: 2.0,
            slack: Duration::from_millis(200),
            restart: 0.1,
        }
    }
}

/// How much the latest latency counts in its average.
const LATEST: f64 = 0.2;

/// How fast the baseline follows when latency falls.
const DOWN: f64 = 0.3;

/// How soon it has followed half of the way when latency rises: what stays slower for minutes is no queue.
const UP_HALF_LIFE: Duration = Duration::from_secs(180);

/// The share of the ceiling that latency alone leaves: prompts may just have become longer.
const EASED_AT_MOST_TO: f64 = 0.25;

/// How many calls say what latency is.
const EVIDENCE: u32 = 8;

/// A limit that adapts, between 1 and its ceiling.
#[derive(Debug, Clone)]
pub struct AdaptiveLimit {
    config: LimitConfig,
    limit: f64,
    /// Up to here every good call adds one; above, every round of them does.
    ramp_to: f64,
    /// Calls that began before the last cut had their say with it.
    cut_at: Option<Duration>,
    answered: u32,
    /// Seconds.
    recent: f64,
    baseline: f64,
    learned_at: Duration,
}

impl AdaptiveLimit {
    /// A limit at its ceiling.
    pub fn new(config: LimitConfig) -> Self {
        let ceiling = f64::from(config.ceiling.max(1));
        Self {
            config,
            limit: ceiling,
            ramp_to: 0.0,
            cut_at: None,
            answered: 0,
            recent: 0.0,
            baseline: 0.0,
            learned_at: Duration::ZERO,
        }
    }

    /// How many calls may run at once now.
    pub fn current(&self) -> u32 {
        // Always between 1 and the ceiling; what isn't whole isn't allowed yet.
        self.limit as u32
    }

    /// Never more than this.
    pub fn ceiling(&self) -> u32 {
        self.config.ceiling.max(1)
    }

    /// A call that began at `began` has ended; `running` is how many ran beside it at most,
    /// itself included.
    pub fn ended(&mut self, signal: LimitSignal, began: Duration, running: u32, now: Duration) {
        match signal {
            LimitSignal::Nothing => {}
            LimitSignal::TooMuch => self.cut_once(self.config.cut, 1.0, began, now),
            LimitSignal::Answered(after) => {
                self.learn(after.as_secs_f64(), now);
                // A limit that isn't used is neither too high nor too low.
                if u64::from(running) * 2 < u64::from(self.current()) {
                    return;
                }
                let queue = self.baseline * self.config.queueing + self.config.slack.as_secs_f64();
                let near =
                    self.baseline * (1.0 + self.config.queueing) / 2.0 + self.config.slack.as_secs_f64();
                if self.answered >= EVIDENCE && self.recent > queue {
                    let floor = f64::from(self.ceiling()) * EASED_AT_MOST_TO;
                    self.cut_once(self.config.ease, floor, began, now);
                } else if self.answered < EVIDENCE || self.recent <= near {
                    self.grow();
                }
            }
        }
    }

    /// What was away is back: few calls are let through at first, then twice as many each round up to half of what was
    /// allowed before, then one more each round.
    pub fn recovered(&mut self, now: Duration) {
        self.ramp_to = self.ramp_to.max(self.limit / 2.0);
        let few = f64::from(self.ceiling()) * self.config.restart;
        self.set(self.limit.min(few));
        self.cut_at = Some(now);
    }

    fn learn(&mut self, seconds: f64, now: Duration) {
        if self.answered == 0 {
            (self.recent, self.baseline) = (seconds, seconds);
        }
        self.answered = self.answered.saturating_add(1);
        self.recent += LATEST * (seconds - self.recent);
        let since = now.saturating_sub(self.learned_at).as_secs_f64() / UP_HALF_LIFE.as_secs_f64();
        let follow = if seconds < self.baseline {
            DOWN
        } else {
            1.0 - 0.5_f64.powf(since)
        };
        self.learned_at = self.learned_at.max(now);
        self.baseline += follow * (seconds - self.baseline);
    }

    /// At most once for the calls that ran together, and not below a floor.
    fn cut_once(&mut self, keep: f64, floor: f64, began: Duration, now: Duration) {
        if self.limit > floor && self.cut_at.is_none_or(|at| began >= at) {
            self.cut_at = Some(now);
            self.set((self.limit * keep).max(floor));
            self.ramp_to = self.ramp_to.min(self.limit);
        }
    }

    fn grow(&mut self) {
        let step = if self.limit < self.ramp_to {
            1.0
        } else {
            1.0 / self.limit
        };
        self.set(self.limit + step);
        if self.limit >= self.ramp_to {
            self.ramp_to = 0.0;
        }
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(1.0, f64::from(self.ceiling()));
    }
}
