//! When a provider wants to see us again.

use std::time::Duration;

use greenroom_kernel::Timestamp;
use http::HeaderMap;
use http::header::RETRY_AFTER;

/// Nobody is believed who asks for more.
const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// Reads `retry-after-ms` (milliseconds) or `retry-after` (seconds or an HTTP date). `now` is what a date is
/// counted from; a date that has passed means at once.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let exact = text("retry-after-ms")
        .and_then(|ms| ms.parse::<f64>().ok())
        .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
    let wait = exact.or_else(|| {
        let value = text(RETRY_AFTER.as_str())?;
        if let Ok(seconds) = value.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let date = httpdate::parse_http_date(value).ok()?;
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        let date = Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).ok()?);
        Some(now.until(date))
    })?;
    Some(wait.min(AT_MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str, now_ms: i64) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, Timestamp::from_millis(now_ms))
    }

    #[test]
    fn seconds_fractions_and_milliseconds_are_read() {
        assert_eq!(read("retry-after", "7", 0), Some(Duration::from_secs(7)));
        assert_eq!(read("retry-after", " 0.5 ", 0), Some(Duration::from_millis(500)));
        assert_eq!(
            read("retry-after-ms", "1250", 0),
            Some(Duration::from_millis(1250))
        );
    }

    #[test]
    fn a_date_counts_from_the_given_now_and_a_past_one_means_at_once() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = 784_111_777_000;
        assert_eq!(
            read("retry-after", date, at - 9_000),
            Some(Duration::from_secs(9))
        );
        assert_eq!(read("retry-after", date, at + 9_000), Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_nothing_and_the_absurd_is_bounded() {
        for value in ["soon", "-3", "NaN", "inf", ""] {
            assert_eq!(read("retry-after", value, 0), None, "{value}");
        }
        assert_eq!(read("retry-after", "99999999999", 0), Some(AT_MOST));
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::from_millis(0)), None);
    }
}
