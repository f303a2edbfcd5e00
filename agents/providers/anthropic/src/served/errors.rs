//! Errors in the API's shape.
//!
//! <https://platform.claude.com/docs/en/api/errors>

use greenroom_provider_http::{EdgeError, ErrorKind};
use serde_json::{Value, json};

pub(super) fn body(error: &EdgeError) -> Value {
    let message = match &error.param {
        Some(param) => format!("{param}: {}", error.message),
        None => error.message.clone(),
    };
    json!({"type": "error", "error": {"type": kind(error.kind), "message": message}})
}

const fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::MethodNotAllowed | ErrorKind::UnsupportedMedia => {
            "invalid_request_error"
        }
        ErrorKind::Unauthenticated => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Timeout | ErrorKind::Slow => "timeout_error",
        ErrorKind::Upstream | ErrorKind::Internal => "api_error",
    }
}
