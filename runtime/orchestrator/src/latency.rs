//! The last durations of something, for its median and its tail.

use std::collections::VecDeque;
use std::time::Duration;

const KEPT: usize = 128;

/// A bounded window of durations.
#[derive(Debug, Default)]
pub(crate) struct Latencies(VecDeque<u64>);

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, took: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0
            .push_back(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }

    /// The durations kept, in milliseconds.
    pub(crate) fn values(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

/// The value below which `percent` of them lie.
pub(crate) fn percentile(mut values: Vec<u64>, percent: usize) -> Option<u64> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    values.get(last * percent / 100).copied()
}
