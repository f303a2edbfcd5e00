//! How many restarts are too many.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::spec::Intensity;

pub(super) struct Restarts {
    intensity: Intensity,
    recent: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(intensity: Intensity) -> Self {
        Self {
            intensity,
            recent: VecDeque::new(),
        }
    }

    /// Counts a restart; `false` when it is one too many.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|at| now.duration_since(*at) > self.intensity.within)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() <= self.intensity.restarts as usize
    }
}
