//! What the headers of an answer say is left of the account's allowance, in the dialects that providers write it in.
//!
//! | dialect | left | there again |
//! |---|---|---|
//! | OpenAI and its kin | `x-ratelimit-remaining-{requests,tokens}` | `x-ratelimit-reset-…`: `6m0s`, `120ms` |
//! | Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-remaining` | `…-reset`: RFC 3339 |
//! | common | `x-ratelimit-remaining`, `ratelimit-remaining` | `…-reset`: seconds, or a moment since the epoch |
//! | IETF | `ratelimit: "name";r=50;t=30` or `limit=100, remaining=50, reset=30` | in it |

mod ietf;
mod moment;
#[cfg(test)]
mod tests;

use std::time::Duration;

use greenroom_kernel::{Quota, Timestamp};
use http::HeaderMap;

use moment::reset;

/// Nobody is believed who asks for more.
const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// What an allowance counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Requests,
    Tokens,
}

/// Headers that tell one allowance, by where they tell what is left and when it is there again.
const PAIRS: [(Unit, &str, &str); 8] = [
    (
        Unit::Requests,
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    (
        Unit::Tokens,
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ),
    (
        Unit::Requests,
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        Unit::Tokens,
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        Unit::Tokens,
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        Unit::Tokens,
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
    (Unit::Requests, "x-ratelimit-remaining", "x-ratelimit-reset"),
    (Unit::Requests, "ratelimit-remaining", "ratelimit-reset"),
];

/// One allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowance {
    unit: Unit,
    left: Option<u64>,
    resets_in: Option<Duration>,
}

/// Reads them all; `now` is what moments are counted from. Of several allowances of one kind the scarcest counts. The
/// wait is that of what is used up; while nothing is, it is the longest.
pub(crate) fn quota(headers: &HeaderMap, now: Timestamp) -> Option<Quota> {
    // Most answers tell nothing: that is seen at a glance.
    if !headers.keys().any(|name| name.as_str().contains("ratelimit")) {
        return None;
    }
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let mut told: Vec<Allowance> = PAIRS
        .iter()
        .map(|(unit, left, resets)| Allowance {
            unit: *unit,
            left: text(left).and_then(whole),
            resets_in: text(resets).and_then(|t| reset(t, now)),
        })
        .collect();
    if let Some(field) = text("ratelimit") {
        told.extend(ietf::allowances(
            field,
            text("ratelimit-policy").unwrap_or_default(),
        ));
    }
    let scarcest = |unit| {
        told.iter()
            .filter(|a| a.unit == unit)
            .filter_map(|a| a.left)
            .min()
    };
    let used_up = told
        .iter()
        .filter(|a| a.left == Some(0))
        .filter_map(|a| a.resets_in)
        .max();
    let longest = || told.iter().filter_map(|a| a.resets_in).max();
    let quota = Quota {
        requests_left: scarcest(Unit::Requests),
        tokens_left: scarcest(Unit::Tokens),
        resets_in: used_up.or_else(longest).map(|wait| wait.min(AT_MOST)),
    };
    (quota != Quota::default()).then_some(quota)
}

/// Whether nothing is left of one of them.
pub(crate) fn is_used_up(quota: &Quota) -> bool {
    quota.requests_left == Some(0) || quota.tokens_left == Some(0)
}

/// A count. Some servers overdraw: less than nothing is nothing.
fn whole(text: &str) -> Option<u64> {
    let overdrawn = text.strip_prefix('-').is_some_and(|t| t.parse::<u64>().is_ok());
    if overdrawn { Some(0) } else { text.parse().ok() }
}
