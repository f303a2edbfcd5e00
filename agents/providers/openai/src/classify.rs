//! From the providers' own words to a fault class.

#[cfg(test)]
mod tests;

use greenroom_kernel::FaultClass;
use greenroom_provider_http::{Detail, Verdict, Wire};

/// How servers of this wire tell errors.
pub(crate) const WIRE: Wire = Wire {
    name: "OpenAI",
    key_variable: "OPENAI_API_KEY",
    by_words,
};

/// By the `code` and `type` of an error object, and for a context too long also by its message, since half of the
/// servers say it nowhere else.
fn by_words(detail: &Detail, status: Option<u16>) -> Option<Verdict> {
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
        _ => return crate::responses::by_word(word),
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
