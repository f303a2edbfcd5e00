//! The calls a breaker judges by: the latest few, and none that is too old.

use std::collections::VecDeque;
use std::time::Duration;

/// What a window of calls holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallStats {
    /// Calls in the window.
    pub calls: usize,
    /// Those that failed.
    pub failures: usize,
    /// Those that were slow, failed or not.
    pub slow: usize,
}

impl CallStats {
    /// The share of failures, 0 when there were no calls.
    pub fn failure_rate(&self) -> f64 {
        rate(self.failures, self.calls)
    }

    /// The share of slow calls, 0 when there were no calls.
    pub fn slow_rate(&self) -> f64 {
        rate(self.slow, self.calls)
    }
}

fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[derive(Debug, Clone, Copy)]
struct Call {
    at: Duration,
    failed: bool,
    slow: bool,
}

#[derive(Debug)]
pub(super) struct Window {
    calls: VecDeque<Call>,
    most: usize,
    oldest: Duration,
    totals: CallStats,
}

impl Window {
    pub(super) fn new(most: usize, oldest: Duration) -> Self {
        Self {
            calls: VecDeque::new(),
            most,
            oldest,
            totals: CallStats::default(),
        }
    }

    pub(super) fn record(&mut self, failed: bool, slow: bool, now: Duration) {
        while self.calls.len() >= self.most || self.calls.front().is_some_and(|c| self.expired(c, now)) {
            if let Some(gone) = self.calls.pop_front() {
                subtract(&mut self.totals, gone);
            }
        }
        self.calls.push_back(Call {
            at: now,
            failed,
            slow,
        });
        self.totals.calls += 1;
        self.totals.failures += usize::from(failed);
        self.totals.slow += usize::from(slow);
    }

    pub(super) fn stats(&self, now: Duration) -> CallStats {
        let mut stats = self.totals;
        for old in self.calls.iter().take_while(|c| self.expired(c, now)) {
            subtract(&mut stats, *old);
        }
        stats
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.totals = CallStats::default();
    }

    fn expired(&self, call: &Call, now: Duration) -> bool {
        now.saturating_sub(call.at) > self.oldest
    }
}

fn subtract(stats: &mut CallStats, call: Call) {
    stats.calls -= 1;
    stats.failures -= usize::from(call.failed);
    stats.slow -= usize::from(call.slow);
}
