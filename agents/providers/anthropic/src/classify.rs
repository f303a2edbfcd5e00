//! From the provider's own words to a fault class.
//!
//! <https://platform.claude.com/docs/en/api/errors>

use greenroom_kernel::FaultClass;
use greenroom_provider_http::{Detail, Verdict, Wire, by_status};

/// How servers of this wire tell errors.
pub(crate) const WIRE: Wire = Wire {
    name: "Anthropic Messages",
    key_variable: "ANTHROPIC_API_KEY",
    by_words,
};

/// By the `type` of an error object. A request at fault has one type whatever is wrong with it: a conversation too long
/// and an empty account are known by the message alone.
fn by_words(detail: &Detail, status: Option<u16>) -> Option<Verdict> {
    let may_be_the_request = status.is_none_or(|s| matches!(s, 400 | 413 | 422));
    if may_be_the_request && says(&detail.message, &CONTEXT) {
        return Some(Verdict::Plain(FaultClass::ContextLength));
    }
    if may_be_the_request && says(&detail.message, &QUOTA) {
        return Some(Verdict::Quota);
    }
    detail.words.iter().find_map(|word| {
        Some(match word.as_str() {
            "rate_limit_error" => Verdict::Plain(FaultClass::Throttled),
            "overloaded_error" => Verdict::Plain(FaultClass::Overloaded),
            "authentication_error" | "permission_error" => Verdict::Credentials,
            "billing_error" => Verdict::Quota,
            "not_found_error" => Verdict::NotFound,
            // llama.cpp's.
            "exceed_context_size_error" => Verdict::Plain(FaultClass::ContextLength),
            "request_too_large" => Verdict::Plain(FaultClass::BadRequest),
            // It also stands for statuses that have no type of their own.
            "invalid_request_error" => status
                .filter(|s| (400..500).contains(s))
                .map_or(Verdict::Plain(FaultClass::BadRequest), by_status),
            _ => return None,
        })
    })
}

const CONTEXT: [&str; 4] = [
    "prompt is too long",
    "exceed context limit",
    "exceeds the available context size",
    "exceeds the context window",
];

const QUOTA: [&str; 2] = ["credit balance is too low", "specified api usage limits"];

fn says(message: &str, phrases: &[&str]) -> bool {
    let message = message.to_lowercase();
    phrases.iter().any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use greenroom_provider_http::{ApiKey, Faults};
    use serde_json::json;

    use super::*;

    fn faults() -> Faults {
        Faults::new("anthropic", "http://h", Some(ApiKey::new("sk-ant-123456")), &WIRE)
    }

    fn class(status: u16, kind: &str, message: &str) -> FaultClass {
        let body =
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        faults()
            .status(status, body.to_string().as_bytes(), Some("m"), None)
            .class
    }

    #[test]
    fn every_error_that_the_provider_documents_has_its_class() {
        use FaultClass::{BadRequest, HardDown, Overloaded, Throttled, Transient};
        for (status, kind, expected) in [
            (400, "invalid_request_error", BadRequest),
            (401, "authentication_error", HardDown),
            (402, "billing_error", HardDown),
            (403, "permission_error", HardDown),
            (404, "not_found_error", HardDown),
            (409, "invalid_request_error", Transient),
            (413, "request_too_large", BadRequest),
            (429, "rate_limit_error", Throttled),
            (500, "api_error", Transient),
            (504, "timeout_error", Transient),
            (529, "overloaded_error", Overloaded),
            // A gateway in between has another status for it.
            (503, "api_error", Overloaded),
        ] {
            assert_eq!(class(status, kind, "x"), expected, "{status} {kind}");
            let event = json!({"type": kind, "message": "x"});
            let in_stream = faults().error_object(&event, "m").class;
            match status {
                409 => assert_eq!(in_stream, BadRequest),
                503 => assert_eq!(in_stream, Transient),
                _ => assert_eq!(in_stream, expected, "{kind} in a stream"),
            }
        }
    }

    #[test]
    fn a_conversation_too_long_and_an_empty_account_are_known_by_the_message() {
        let kind = "invalid_request_error";
        for message in [
            "prompt is too long: 208310 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length",
        ] {
            assert_eq!(class(400, kind, message), FaultClass::ContextLength);
            assert_eq!(class(500, "api_error", message), FaultClass::Transient);
        }
        let empty = "Your credit balance is too low to access the Anthropic API.";
        assert_eq!(class(400, kind, empty), FaultClass::HardDown);
    }

    #[test]
    fn a_refused_key_names_where_it_comes_from_and_is_never_shown() {
        let body =
            br#"{"error":{"type":"authentication_error","message":"invalid x-api-key sk-ant-123456"}}"#;
        let fault = faults().status(401, body, None, None);
        assert!(fault.message.contains("ANTHROPIC_API_KEY"), "{fault}");
        assert!(!fault.message.contains("123456"), "{fault}");
    }
}
