//! The fields `RateLimit` and `RateLimit-Policy` of the IETF's draft (draft-ietf-httpapi-ratelimit-headers): the list of
//! its present form, and the dictionary of its seventh. Of structured fields only what these two need.

use std::time::Duration;

use super::{Allowance, Unit};

/// Most members of one field that are read.
const MEMBERS_AT_MOST: usize = 16;

/// The allowances of a `RateLimit` field; `policy`, empty where there is none, tells their units. A policy that counts
/// neither requests nor tokens says nothing to us.
pub(super) fn allowances(field: &str, policy: &str) -> Vec<Allowance> {
    let members: Vec<Vec<(&str, &str)>> = split(field, ',').take(MEMBERS_AT_MOST).map(parts).collect();
    // The seventh draft: limit=100, remaining=50, reset=5
    let flat: Vec<(&str, &str)> = members.iter().filter_map(|m| m.first().copied()).collect();
    if let Some(left) = number(&flat, "remaining") {
        return vec![Allowance {
            unit: Unit::Requests,
            left: Some(left),
            resets_in: number(&flat, "reset").map(Duration::from_secs),
        }];
    }
    let unit_of = |name: &str| {
        let mut policies = split(policy, ',').take(MEMBERS_AT_MOST).map(parts);
        let of_it = policies.find(|p| p.first().is_some_and(|(n, _)| *n == name));
        let unit = of_it.and_then(|p| p.iter().find(|(n, _)| *n == "qu").map(|(_, v)| *v));
        match unit {
            None | Some("requests") => Some(Unit::Requests),
            Some("tokens") => Some(Unit::Tokens),
            Some(_) => None,
        }
    };
    let allowance = |member: &Vec<(&str, &str)>| {
        Some(Allowance {
            unit: unit_of(member.first()?.0)?,
            left: Some(number(member, "r")?),
            resets_in: number(member, "t").map(Duration::from_secs),
        })
    };
    members.iter().filter_map(allowance).collect()
}

/// The parameters of a member, its name first, without quotes.
fn parts(member: &str) -> Vec<(&str, &str)> {
    let part = |part| -> (&str, &str) {
        let (name, value) = str::split_once(part, '=').unwrap_or((part, ""));
        (bare(name), bare(value))
    };
    split(member, ';').map(part).collect()
}

fn bare(text: &str) -> &str {
    text.trim().trim_matches('"')
}

fn number(parts: &[(&str, &str)], name: &str) -> Option<u64> {
    parts.iter().find(|(n, _)| *n == name)?.1.parse().ok()
}

/// Splits outside quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
}
