//! Reads moments as people and protocols write them.

use super::Timestamp;

/// Reads RFC 3339 with any offset, to the millisecond. Leap seconds count as the second before.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let separators = byte(4)? == b'-'
        && byte(7)? == b'-'
        && matches!(byte(10)?, b'T' | b't' | b' ')
        && byte(13)? == b':'
        && byte(16)? == b':';
    if !separators {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset = zone_minutes(zone)?;
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap_year),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    Some(Timestamp::from_millis((seconds - offset * 60) * 1_000 + ms))
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let two = |part: &str| -> Option<i64> {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Days since the epoch, after Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_was_printed_is_read_back() {
        for ms in [0, -1, 951_782_400_123, 1_795_305_599_999, -62_135_596_800_000] {
            let moment = Timestamp::from_millis(ms);
            assert_eq!(Timestamp::from_rfc3339(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read_and_nonsense_is_not() {
        let noon = Timestamp::from_rfc3339("2026-11-21T12:00:00Z").unwrap();
        assert_eq!(
            Timestamp::from_rfc3339("2026-11-21T13:30:00.000000+01:30"),
            Some(noon)
        );
        assert_eq!(Timestamp::from_rfc3339("2026-11-21t04:00:00-08:00"), Some(noon));
        let later = Timestamp::from_millis(noon.as_millis() + 500);
        assert_eq!(Timestamp::from_rfc3339("2026-11-21T12:00:00.5Z"), Some(later));
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T12:00:00",
            "2026-13-21T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T12:00:00.Z",
            "2026-11-21T12:00:00+1:00",
            "2026-11-21T12:00:00Zx",
            "+026-11-21T12:00:00Z",
            "2026-11-21T12:00:0äZ",
        ] {
            assert_eq!(Timestamp::from_rfc3339(bad), None, "{bad}");
        }
    }
}
