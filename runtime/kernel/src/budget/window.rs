//! Days and months in UTC.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The time that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetWindow {
    /// A day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

impl BudgetWindow {
    /// The first moment of the window that `now` is in.
    pub fn start(self, now: Timestamp) -> Timestamp {
        let day = now.day();
        let first = match self {
            Self::Day => day,
            Self::Month => day - i64::from(day_of_month(now)) + 1,
        };
        Timestamp::from_millis(first * Timestamp::DAY_MS)
    }

    /// The first moment behind it.
    pub fn end(self, now: Timestamp) -> Timestamp {
        let start = self.start(now);
        match self {
            Self::Day => start.after(days(1)),
            // 31 days behind a month's first is always in the next one.
            Self::Month => self.start(start.after(days(31))),
        }
    }

    /// As texts name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

/// From 1 to 31. Civil-date arithmetic as in [`Timestamp`]'s own text.
fn day_of_month(at: Timestamp) -> u8 {
    let text = at.to_string();
    let digits = text.rsplit_once('T').and_then(|(date, _)| date.rsplit_once('-'));
    digits.and_then(|(_, day)| day.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_day_and_a_month_begin_and_end_at_midnight_in_utc() {
        for (window, now, start, end) in [
            (
                BudgetWindow::Day,
                "2026-11-26T23:59:59.999Z",
                "2026-11-26",
                "2026-11-27",
            ),
            (
                BudgetWindow::Day,
                "2026-11-26T00:00:00Z",
                "2026-11-26",
                "2026-11-27",
            ),
            (
                BudgetWindow::Month,
                "2026-11-01T00:00:00Z",
                "2026-11-01",
                "2026-12-01",
            ),
            (
                BudgetWindow::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01",
                "2027-01-01",
            ),
            (
                BudgetWindow::Month,
                "2028-02-29T12:00:00Z",
                "2028-02-01",
                "2028-03-01",
            ),
            (
                BudgetWindow::Month,
                "2026-02-01T12:00:00Z",
                "2026-02-01",
                "2026-03-01",
            ),
        ] {
            let midnight = |day: &str| at(&format!("{day}T00:00:00Z"));
            assert_eq!(window.start(at(now)), midnight(start), "{window:?} {now}");
            assert_eq!(window.end(at(now)), midnight(end), "{window:?} {now}");
        }
    }
}
