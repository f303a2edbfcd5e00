//! How the time that a process may take to leave is divided, so that all of it together is never exceeded.

use std::time::Duration;

use crate::output;

/// What comes behind the order at most: the ledger's last rows, the last spans and lines, the runtime's last tasks.
const TAIL: Duration = Duration::from_millis(2_500);
/// How much of the whole that is at most.
const TAIL_OF: u32 = 3;
/// What is said then, and how long that may take.
const SAID: &str = "greenroom: it did not end in time and is ended; nothing that was accepted is lost";
const LAST_WORD: Duration = Duration::from_millis(20);
/// The exit status of a process that didn't get done.
const OVERDUE: i32 = 1;

/// The parts of the time to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leave {
    /// For everything that ends in its order.
    pub(crate) order: Duration,
    /// For the ledger's last rows, where the order took too long.
    pub(crate) rows: Duration,
    /// For the last spans and log lines.
    pub(crate) lines: Duration,
    /// For the runtime's last tasks and blocking calls, once everything was stopped.
    pub(crate) runtime: Duration,
    whole: Duration,
}

impl Leave {
    /// Of so much altogether.
    pub(crate) fn within(whole: Duration) -> Self {
        let tail = TAIL.min(whole / TAIL_OF);
        Self {
            order: whole.saturating_sub(tail),
            rows: tail * 2 / 5,
            lines: tail * 3 / 10,
            runtime: tail / 5,
            whole,
        }
    }

    /// Ends the process when the time is over, whatever hangs: a disk that doesn't answer holds up a thread for ever.
    ///
    /// # Errors
    /// No thread can be had.
    pub(crate) fn enforce(self) -> std::io::Result<()> {
        let watch = move || {
            std::thread::sleep(self.whole);
            // By another thread: nobody may read what is said.
            let _ = std::thread::Builder::new().spawn(|| output::complaint(SAID));
            std::thread::sleep(LAST_WORD);
            std::process::exit(OVERDUE);
        };
        std::thread::Builder::new()
            .name("leave".to_owned())
            .spawn(watch)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_leave_a_rest_of_the_whole() {
        for ms in [0, 1, 2_000, 7_499, 9_000, 25_000, 29_000, 3_600_000] {
            let leave = Leave::within(Duration::from_millis(ms));
            let parts = leave.order + leave.rows + leave.lines + leave.runtime;
            assert!(parts <= leave.whole, "{leave:?}");
            assert!(leave.order >= leave.whole * 2 / 3, "{leave:?}");
        }
        let leave = Leave::within(Duration::from_secs(25));
        assert_eq!(leave.order, Duration::from_millis(22_500));
        assert!(
            leave.whole - leave.order - leave.rows - leave.lines - leave.runtime
                >= Duration::from_millis(200)
        );
    }
}
