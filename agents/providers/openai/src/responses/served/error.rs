//! Errors inside a response.

use greenroom_provider_http::{EdgeError, ErrorKind};
use serde_json::{Value, json};

/// The error of a response that failed; its codes are a closed list, but for a context that is too long.
pub(super) fn of_response(error: &EdgeError) -> Value {
    let code = match (error.code.as_deref(), error.kind) {
        (Some(code @ "context_length_exceeded"), _) => code,
        (_, ErrorKind::RateLimited) => "rate_limit_exceeded",
        (_, ErrorKind::InvalidRequest) => "invalid_prompt",
        _ => "server_error",
    };
    json!({"code": code, "message": error.message})
}
