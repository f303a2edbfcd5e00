//! From statuses and the providers' own words to a fault class.

use greenroom_kernel::FaultClass;

use super::detail::Detail;

/// A class, and what there is to say beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Plain(FaultClass),
    Credentials,
    Quota,
    NotFound,
    Redirect,
}

pub(super) fn by_status(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::Credentials,
        402 => Verdict::Quota,
        404 | 405 | 410 => Verdict::NotFound,
        408 | 409 | 425 => Verdict::Plain(FaultClass::Transient),
        429 => Verdict::Plain(FaultClass::Throttled),
        503 | 529 => Verdict::Plain(FaultClass::Overloaded),
        300..=399 => Verdict::Redirect,
        400..=499 => Verdict::Plain(FaultClass::BadRequest),
        _ => Verdict::Plain(FaultClass::Transient),
    }
}

/// By the `code` and `type` of an error object, and for a context too long also by its message, since half of the
/// servers say it nowhere else.
pub(super) fn by_words(detail: &Detail, status: Option<u16>) -> Option<Verdict> {
    let known = detail.words.iter().find_map(|word| by_word(word));
    if known.is_some() {
        return known;
    }
    let may_be_the_request = status.is_none_or(|s| matches!(s, 400 | 413 | 422));
    (may_be_the_request && speaks_of_context(&detail.message))
        .then_some(Verdict::Plain(FaultClass::ContextLength))
}

fn by_word(word: &str) -> Option<Verdict> {
    Some(match word {
        "context_length_exceeded" | "exceed_context_size_error" | "string_above_max_length" => {
            Verdict::Plain(FaultClass::ContextLength)
        }
        "content_filter" | "content_policy_violation" | "responsibleaipolicyviolation" => {
            Verdict::Plain(FaultClass::ContentFilter)
        }
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => Verdict::Quota,
        "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" => {
            Verdict::Plain(FaultClass::Throttled)
        }
        "overloaded" | "overloaded_error" | "server_overloaded" | "unavailable_error" => {
            Verdict::Plain(FaultClass::Overloaded)
        }
        "invalid_api_key"
        | "authentication_error"
        | "permission_error"
        | "permission_denied"
        | "account_deactivated" => Verdict::Credentials,
        "model_not_found" | "not_found_error" | "deploymentnotfound" => Verdict::NotFound,
        _ => return None,
    })
}

fn speaks_of_context(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "maximum context length",
        "exceeds the available context size",
        "context length exceeded",
        "exceed context window",
        "exceeds the context window",
    ]
    .iter()
    .any(|phrase| message.contains(phrase))
}
