use greenroom_kernel::{WireFamily, Wish};
use greenroom_provider_http::{EdgeError, ErrorKind};

use super::*;

#[test]
fn each_kind_of_error_has_the_api_s_type_and_status() {
    for (kind, status, expected) in [
        (ErrorKind::InvalidRequest, 400, "invalid_request_error"),
        (ErrorKind::Unauthenticated, 401, "authentication_error"),
        (ErrorKind::Forbidden, 403, "permission_error"),
        (ErrorKind::NotFound, 404, "not_found_error"),
        (ErrorKind::MethodNotAllowed, 405, "invalid_request_error"),
        (ErrorKind::TooLarge, 413, "request_too_large"),
        (ErrorKind::UnsupportedMedia, 415, "invalid_request_error"),
        (ErrorKind::RateLimited, 429, "rate_limit_error"),
        (ErrorKind::Internal, 500, "api_error"),
        (ErrorKind::Upstream, 502, "api_error"),
        (ErrorKind::Timeout, 504, "timeout_error"),
        (ErrorKind::Overloaded, 529, "overloaded_error"),
    ] {
        let error = EdgeError::new(kind, "why");
        let body: Value = serde_json::from_slice(&MessagesDialect.error(&error)).unwrap();
        assert_eq!(
            body,
            json!({"type": "error", "error": {"type": expected, "message": "why"}})
        );
        assert_eq!(MessagesDialect.status(&error), status);
    }
    let error = EdgeError::from(greenroom_kernel::Unreadable::at("tools[0].type", "no"));
    let body: Value = serde_json::from_slice(&MessagesDialect.error(&error)).unwrap();
    assert_eq!(body["error"]["message"], "tools[0].type: no");
    assert_eq!(MessagesDialect.family(), WireFamily::AnthropicMessages);
}

#[test]
fn data_goes_before_the_caller_s_own_instructions_which_stay_as_they_are() {
    let injected = |system: Value| {
        let mut request = request(json!({"system": system, "x": 1}));
        let fields = request.as_object_mut().unwrap();
        if fields["system"].is_null() {
            fields.remove("system");
        }
        MessagesDialect.inject(fields, "data");
        assert!(matches!(
            MessagesDialect.read(request.to_string().as_bytes()),
            Ok(Wish::Answer(_))
        ));
        assert_eq!(request["x"], 1);
        request["system"].clone()
    };
    let block = |text: &str| json!({"type": "text", "text": text});
    let marked = json!({"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}});
    assert_eq!(injected(Value::Null), "data");
    assert_eq!(injected(json!("")), "data");
    assert_eq!(injected(json!("own")), json!([block("data"), block("own")]));
    assert_eq!(injected(json!([marked])), json!([block("data"), marked]));
}
