//! Errors in OpenAI's shape, for all of its wires.

use greenroom_provider_http::{EdgeError, ErrorKind, NO_QUOTA};
use serde_json::{Value, json};

/// `{"error": {message, type, param, code}}`. The type is one of those that OpenAI's own servers send; where no code is
/// known, the one that clients tell the kind by is put in.
pub(crate) fn error_body(error: &EdgeError) -> Value {
    let (kind, code) = match error.kind {
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::Unauthenticated => ("invalid_request_error", Some("invalid_api_key")),
        ErrorKind::Forbidden => ("invalid_request_error", Some("insufficient_permissions")),
        ErrorKind::NotFound => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::MethodNotAllowed => ("invalid_request_error", Some("method_not_allowed")),
        ErrorKind::TooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorKind::UnsupportedMedia => ("invalid_request_error", Some("unsupported_media_type")),
        ErrorKind::RateLimited if error.code.as_deref() == Some(NO_QUOTA) => (NO_QUOTA, None),
        ErrorKind::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Overloaded => ("server_error", Some("overloaded")),
        ErrorKind::Upstream => ("server_error", Some("upstream_error")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        ErrorKind::Slow => ("invalid_request_error", Some("timeout")),
        ErrorKind::Internal => ("server_error", Some("internal_error")),
    };
    // Clients tell a refused key by its code: the upstream's word for it differs by family.
    let told = error
        .code
        .as_deref()
        .filter(|_| error.kind != ErrorKind::Unauthenticated);
    json!({"error": {
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": told.or(code),
    }})
}

/// The same as bytes.
pub(crate) fn error_bytes(error: &EdgeError) -> Vec<u8> {
    error_body(error).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_openai_s_type_and_a_code_that_clients_know() {
        let written = |error: &EdgeError| serde_json::from_slice::<Value>(&error_bytes(error)).unwrap();
        let refused = EdgeError {
            param: Some("messages[3].content".into()),
            ..EdgeError::new(ErrorKind::InvalidRequest, "no")
        };
        assert_eq!(
            written(&refused),
            json!({"error": {"message": "no", "type": "invalid_request_error", "param": "messages[3].content", "code": null}})
        );
        for (kind, kind_said, code) in [
            (
                ErrorKind::Unauthenticated,
                "invalid_request_error",
                "invalid_api_key",
            ),
            (ErrorKind::NotFound, "invalid_request_error", "model_not_found"),
            (ErrorKind::RateLimited, "rate_limit_error", "rate_limit_exceeded"),
            (ErrorKind::Internal, "server_error", "internal_error"),
        ] {
            let error = written(&EdgeError::new(kind, "m"))["error"].clone();
            assert_eq!(
                (error["type"].as_str(), error["code"].as_str()),
                (Some(kind_said), Some(code))
            );
        }
        let quota = EdgeError::new(ErrorKind::RateLimited, "m").coded("insufficient_quota");
        assert_eq!(written(&quota)["error"]["code"], "insufficient_quota");
        let foreign = EdgeError::new(ErrorKind::Unauthenticated, "m").coded("authentication_error");
        assert_eq!(written(&foreign)["error"]["code"], "invalid_api_key");
    }
}
