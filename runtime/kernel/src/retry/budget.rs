//! How many retries a whole process may make: a share of its first tries, so that retries can't multiply an
//! outage, with a small floor, so that a quiet process may retry at all.

use std::collections::VecDeque;
use std::time::Duration;

/// The numbers of a [`RetryBudget`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetConfig {
    /// Retries a first try earns, 0 or more.
    pub ratio: f64,
    /// Retries allowed in a window whatever happens.
    pub floor: u32,
    /// How far back is counted.
    pub window: Duration,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            floor: 10,
            window: Duration::from_secs(10),
        }
    }
}

const SLOTS_PER_WINDOW: u32 = 20;

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u128,
    tries: u64,
    retries: u64,
}

/// Counts first tries and retries. In any window at the moment of any grant:
/// `retries <= floor + ratio * first tries`.
///
/// Kept in slots, rounded to the safe side: first tries are forgotten up to a slot early, retries up to a slot
/// late.
#[derive(Debug)]
pub struct RetryBudget {
    config: RetryBudgetConfig,
    slot: Duration,
    slots: VecDeque<Slot>,
}

impl RetryBudget {
    /// An unused budget.
    pub fn new(config: RetryBudgetConfig) -> Self {
        let slot = (config.window / SLOTS_PER_WINDOW).max(Duration::from_nanos(1));
        Self {
            config,
            slot,
            slots: VecDeque::new(),
        }
    }

    /// Counts a first try.
    pub fn first_try(&mut self, now: Duration) {
        self.current(now).tries += 1;
    }

    /// Asks for one retry; `true` grants and counts it.
    pub fn try_retry(&mut self, now: Duration) -> bool {
        let (tries, retries) = self.counted(now);
        let allowed = f64::from(self.config.floor) + self.config.ratio.max(0.0) * tries as f64;
        let granted = (retries + 1) as f64 <= allowed;
        if granted {
            self.current(now).retries += 1;
        }
        granted
    }

    /// First tries and retries that count at `now`.
    pub fn counted(&self, now: Duration) -> (u64, u64) {
        let oldest = now.saturating_sub(self.config.window).as_nanos();
        let slot = self.slot.as_nanos();
        self.slots.iter().fold((0, 0), |(tries, retries), s| {
            let young = s.number * slot >= oldest;
            let alive = (s.number + 1) * slot > oldest;
            (
                tries + if young { s.tries } else { 0 },
                retries + if alive { s.retries } else { 0 },
            )
        })
    }

    fn current(&mut self, now: Duration) -> &mut Slot {
        let number = now.as_nanos() / self.slot.as_nanos();
        let oldest = now.saturating_sub(self.config.window).as_nanos() / self.slot.as_nanos();
        while self.slots.front().is_some_and(|s| s.number < oldest) {
            self.slots.pop_front();
        }
        match self.slots.back() {
            // A reading older than the newest slot counts into that slot: time never steps backwards by contract.
            Some(last) if last.number >= number => {}
            _ => self.slots.push_back(Slot {
                number,
                tries: 0,
                retries: 0,
            }),
        }
        let last = self.slots.len() - 1;
        &mut self.slots[last]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn budget(ratio: f64, floor: u32) -> RetryBudget {
        RetryBudget::new(RetryBudgetConfig {
            ratio,
            floor,
            window: WINDOW,
        })
    }

    fn granted(b: &mut RetryBudget, now: Duration, asked: usize) -> usize {
        (0..asked).filter(|_| b.try_retry(now)).count()
    }

    #[test]
    fn a_quiet_process_has_its_floor_and_a_busy_one_its_share() {
        let mut b = budget(0.2, 3);
        assert_eq!(granted(&mut b, Duration::ZERO, 100), 3);
        let mut b = budget(0.2, 3);
        for _ in 0..50 {
            b.first_try(Duration::ZERO);
        }
        assert_eq!(granted(&mut b, Duration::ZERO, 100), 13);
    }

    #[test]
    fn what_left_the_window_is_forgotten() {
        let mut b = budget(0.5, 1);
        for _ in 0..10 {
            b.first_try(Duration::ZERO);
        }
        assert_eq!(granted(&mut b, Duration::from_secs(1), 100), 6);
        assert_eq!(granted(&mut b, Duration::from_secs(9), 100), 0);
        assert_eq!(granted(&mut b, Duration::from_secs(12), 100), 1);
        assert_eq!(b.slots.len(), 1);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_retries_than_the_budget(
            moves in proptest::collection::vec((0..2500u64, 0..3usize, 0..4usize), 1..120),
            ratio in 0.0..1.5f64,
            floor in 0..4u32,
        ) {
            let mut b = budget(ratio, floor);
            let mut now = Duration::ZERO;
            let (mut tries, mut retries) = (Vec::new(), Vec::new());
            for (wait, first, again) in moves {
                now += Duration::from_millis(wait);
                for _ in 0..first {
                    b.first_try(now);
                    tries.push(now);
                }
                for _ in 0..again {
                    if b.try_retry(now) {
                        retries.push(now);
                        let recent = |at: &&Duration| **at + WINDOW >= now;
                        let allowed = f64::from(floor) + ratio * tries.iter().filter(recent).count() as f64;
                        prop_assert!(retries.iter().filter(recent).count() as f64 <= allowed);
                    }
                }
            }
        }

        #[test]
        fn the_floor_is_always_there_after_a_quiet_window(floor in 1..5u32, earlier in 0..50usize) {
            let mut b = budget(0.3, floor);
            granted(&mut b, Duration::ZERO, earlier);
            let later = WINDOW * 2;
            prop_assert_eq!(granted(&mut b, later, 100), floor as usize);
        }
    }
}
