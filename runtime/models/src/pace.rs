//! How fast an answer flows, against the slowest that is put up with. Pure. Only time in which we read counts: a slow
//! reader makes no slow provider.

use std::time::Duration;

/// An answer is judged over so long at least.
const WINDOW: Duration = Duration::from_secs(10);

/// Bytes of text that make a token, about.
const BYTES_PER_TOKEN: u64 = 4;

/// What a sign counts that doesn't say how much it stands for, such as a piece of a tool call.
pub(crate) const UNSEEN: u64 = BYTES_PER_TOKEN;

#[derive(Debug)]
pub(crate) struct Pace {
    /// Tokens a second, above 0.
    floor: Option<f64>,
    /// Whether the model has given a sign: before that other deadlines run.
    flows: bool,
    read: Duration,
    bytes: u64,
}

impl Pace {
    pub(crate) fn with_floor(tokens_per_second: Option<u32>) -> Self {
        Self {
            floor: tokens_per_second.filter(|floor| *floor > 0).map(f64::from),
            flows: false,
            read: Duration::ZERO,
            bytes: 0,
        }
    }

    /// So long was read.
    pub(crate) fn read(&mut self, time: Duration) {
        if self.flows {
            self.read += time;
        }
    }

    /// The model wrote so much.
    pub(crate) fn came(&mut self, bytes: u64) {
        self.flows = true;
        self.bytes += bytes;
    }

    /// How much longer reading may go on without anything coming; none for ever.
    pub(crate) fn left(&self) -> Option<Duration> {
        let floor = self.floor.filter(|_| self.flows)?;
        let enough_for = Duration::try_from_secs_f64(self.tokens() / floor).ok()?;
        Some(enough_for.max(WINDOW).saturating_sub(self.read))
    }

    /// What is wrong, if the answer is too slow. One that isn't is judged anew from here on.
    pub(crate) fn judge(&mut self) -> Option<String> {
        let floor = self.floor.filter(|_| self.read >= WINDOW)?;
        let speed = self.tokens() / self.read.as_secs_f64();
        if speed <= floor {
            let seconds = self.read.as_secs();
            return Some(format!(
                "the answer came too slowly: {speed:.1} tokens a second for {seconds} s, the slowest allowed is {floor}"
            ));
        }
        (self.read, self.bytes) = (Duration::ZERO, 0);
        None
    }

    fn tokens(&self) -> f64 {
        self.bytes as f64 / BYTES_PER_TOKEN as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_is_too_slow_once_its_average_of_ten_seconds_and_more_is_below_the_floor() {
        let mut pace = Pace::with_floor(Some(5));
        pace.read(100 * SECOND);
        assert_eq!(pace.left(), None, "nothing runs before the first sign");
        pace.came(4);
        assert_eq!(pace.left(), Some(10 * SECOND));
        pace.read(9 * SECOND);
        assert_eq!(pace.judge(), None);
        assert_eq!(pace.left(), Some(SECOND));
        pace.read(SECOND);
        let why = pace.judge().unwrap();
        assert!(why.contains("0.1 tokens a second for 10 s"), "{why}");
    }

    #[test]
    fn what_came_quickly_lasts_and_a_window_that_was_quick_enough_is_forgotten() {
        let mut pace = Pace::with_floor(Some(5));
        pace.came(4 * 100);
        assert_eq!(pace.left(), Some(20 * SECOND));
        pace.read(12 * SECOND);
        assert_eq!(pace.judge(), None);
        assert_eq!(pace.left(), Some(10 * SECOND));
    }

    #[test]
    fn without_a_floor_nothing_is_too_slow() {
        for floor in [None, Some(0)] {
            let mut pace = Pace::with_floor(floor);
            pace.came(1);
            pace.read(1000 * SECOND);
            assert_eq!((pace.left(), pace.judge()), (None, None));
        }
    }
}
