use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// 2026-11-21T12:00:00Z
const NOON: i64 = 1_795_262_400_000;

fn read(headers: &[(&'static str, &str)]) -> Option<Quota> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    quota(&map, Timestamp::from_millis(NOON))
}

fn told(requests: Option<u64>, tokens: Option<u64>, ms: Option<u64>) -> Option<Quota> {
    Some(Quota {
        requests_left: requests,
        tokens_left: tokens,
        resets_in: ms.map(Duration::from_millis),
    })
}

#[test]
fn openai_s_headers_tell_requests_and_tokens_and_the_wait_of_what_is_used_up() {
    let plenty = read(&[
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ]);
    assert_eq!(plenty, told(Some(59), Some(149_984), Some(360_000)));
    let used_up = read(&[
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ]);
    assert_eq!(used_up, told(Some(0), Some(149_984), Some(120)));
    assert!(is_used_up(&used_up.unwrap()) && !is_used_up(&plenty.unwrap()));
}

#[test]
fn anthropic_s_scarcest_tokens_count_and_its_moments_are_counted_from_now() {
    let quota = read(&[
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-11-21T12:00:03Z"),
        ("anthropic-ratelimit-tokens-remaining", "30000"),
        ("anthropic-ratelimit-input-tokens-remaining", "20000"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T12:00:07.5Z"),
        ("anthropic-ratelimit-output-tokens-remaining", "8000"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T11:59:00Z"),
    ]);
    assert_eq!(quota, told(Some(49), Some(8_000), Some(7_500)));
}

#[test]
fn seconds_and_moments_since_the_epoch_are_told_apart() {
    for (reset, ms) in [
        ("5", 5_000),
        ("1795262409", 9_000),
        ("1795262409500", 9_500),
        ("0.5", 500),
        ("1", 1_000),
    ] {
        let quota = read(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", reset)]);
        assert_eq!(quota, told(Some(3), None, Some(ms)), "{reset}");
        let quota = read(&[("ratelimit-remaining", "3"), ("ratelimit-reset", reset)]);
        assert_eq!(quota, told(Some(3), None, Some(ms)), "{reset}");
    }
}

#[test]
fn the_ietf_s_fields_are_read_in_both_forms() {
    let list = |field, policy| read(&[("ratelimit", field), ("ratelimit-policy", policy)]);
    assert_eq!(
        read(&[("ratelimit", r#""default";r=50;t=30"#)]),
        told(Some(50), None, Some(30_000))
    );
    assert_eq!(
        list(
            r#""burst, 1";r=0;t=2, "daily";r=900;t=3600, "in";r=4000;t=60, "size";r=1"#,
            r#""burst, 1";q=5;w=5, "in";q=9000;qu="tokens", "size";q=9;qu="content-bytes""#,
        ),
        told(Some(0), Some(4_000), Some(2_000))
    );
    assert_eq!(
        read(&[("ratelimit", "limit=100, remaining=50, reset=5")]),
        told(Some(50), None, Some(5_000))
    );
}

#[test]
fn nonsense_is_nothing_the_overdrawn_is_used_up_and_the_absurd_is_bounded() {
    assert_eq!(read(&[]), None);
    for nonsense in ["", "soon", "1x", "m", "s5", "-", "NaN", "1.2.3s", "٣"] {
        let headers = [
            ("x-ratelimit-reset-tokens", nonsense),
            ("x-ratelimit-remaining-tokens", "x"),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(quota(&map, Timestamp::from_millis(NOON)), None, "{nonsense}");
    }
    assert_eq!(
        read(&[("x-ratelimit-remaining-tokens", "-12")]),
        told(None, Some(0), None)
    );
    assert_eq!(
        read(&[("x-ratelimit-reset-tokens", "9999h")]),
        told(None, None, Some(24 * 3_600_000))
    );
}

/// As Go prints a duration of whole milliseconds.
fn go(ms: u64) -> String {
    let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    match (h, m, s, ms) {
        (0, 0, 0, ms) => format!("{ms}ms"),
        (0, 0, s, ms) => format!("{s}.{ms:03}s"),
        (0, m, s, ms) => format!("{m}m{s}.{ms:03}s"),
        (h, m, s, ms) => format!("{h}h{m}m{s}.{ms:03}s"),
    }
}

proptest! {
    #[test]
    fn a_wait_is_read_as_it_was_printed(ms in 0..86_400_000u64) {
        let quota = read(&[("x-ratelimit-reset-requests", &go(ms))]);
        let read = quota.unwrap().resets_in.unwrap();
        prop_assert!(read.abs_diff(Duration::from_millis(ms)) < Duration::from_micros(1), "{} {read:?}", go(ms));
    }

    #[test]
    fn no_header_value_panics_or_makes_anybody_wait_longer_than_a_day(
        values in prop::collection::vec("[ -~]{0,40}|[0-9.hmsu\"=;,rt-]{0,40}", 12),
    ) {
        let names = PAIRS.iter().flat_map(|(_, a, b)| [*a, *b]).step_by(2).chain(["ratelimit", "ratelimit-policy", "ratelimit-reset", "x-ratelimit-reset"]);
        let mut map = HeaderMap::new();
        for (name, value) in names.zip(&values) {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let quota = quota(&map, Timestamp::from_millis(NOON)).unwrap_or_default();
        prop_assert!(quota.resets_in.unwrap_or_default() <= AT_MOST);
    }
}
