//! When an allowance is there again, in the forms it is written in.

use std::time::Duration;

use greenroom_kernel::Timestamp;

/// Numbers from here on are moments in seconds since the epoch, not waits: nobody waits thirty years.
const SECONDS_SINCE_EPOCH: f64 = 1e9;

/// Numbers from here on are such moments in milliseconds.
const MILLIS_SINCE_EPOCH: f64 = 1e11;

/// A wait (`6m0s`, `120ms`, or a number of seconds) or a moment (RFC 3339, or a number of seconds or milliseconds since
/// the epoch). A moment that has passed means at once.
pub(super) fn reset(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return of_number(number, now);
    }
    if let Some(moment) = Timestamp::from_rfc3339(text) {
        return Some(now.until(moment));
    }
    of_units(text)
}

fn of_number(number: f64, now: Timestamp) -> Option<Duration> {
    let since_epoch = |seconds: f64| {
        let since = Duration::try_from_secs_f64(seconds).ok()?;
        let moment = Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?);
        Some(now.until(moment))
    };
    if number >= MILLIS_SINCE_EPOCH {
        since_epoch(number / 1000.0)
    } else if number >= SECONDS_SINCE_EPOCH {
        since_epoch(number)
    } else {
        Duration::try_from_secs_f64(number).ok()
    }
}

/// Numbers with units behind them, as Go prints a duration: `1h2m3.5s`, `120ms`.
fn of_units(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, behind) = rest.split_at(digits);
        let end = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = behind;
    }
    Some(total)
}
