//! The latest few durations, for their median.

use std::collections::VecDeque;
use std::time::Duration;

const KEPT: usize = 128;

/// Fewer say nothing about their slowest.
const TELLING: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Duration>);

impl Samples {
    pub(super) fn add(&mut self, sample: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What 19 of 20 do not exceed; none of too few.
    pub(super) fn mostly_within(&self) -> Option<Duration> {
        if self.0.len() < TELLING {
            return None;
        }
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get((sorted.len() * 19).div_ceil(20) - 1).copied()
    }

    /// The median in milliseconds; none without samples.
    pub(super) fn median_ms(&self) -> Option<u64> {
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len().checked_sub(1)? / 2)?;
        u64::try_from(median.as_millis()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nineteen_of_twenty_do_not_exceed_is_known_of_twenty_and_more() {
        let mut samples = Samples::default();
        for ms in 1..=20 {
            assert_eq!(samples.mostly_within(), None);
            samples.add(Duration::from_millis(ms));
        }
        assert_eq!(samples.mostly_within(), Some(Duration::from_millis(19)));
    }

    #[test]
    fn the_median_is_of_the_latest_samples_only() {
        let mut samples = Samples::default();
        assert_eq!(samples.median_ms(), None);
        for ms in [5, 1, 3] {
            samples.add(Duration::from_millis(ms));
        }
        assert_eq!(samples.median_ms(), Some(3));
        for _ in 0..KEPT {
            samples.add(Duration::from_millis(7));
        }
        assert_eq!(samples.median_ms(), Some(7));
        assert_eq!(samples.0.len(), KEPT);
    }
}
