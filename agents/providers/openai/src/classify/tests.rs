use greenroom_provider_http::{ApiKey, Faults};
use serde_json::{Value, json};

use super::*;

fn faults() -> Faults {
    Faults::new("acme", "http://h/v1", Some(ApiKey::new("gsk-123456")), &WIRE)
}

fn class(status: u16, body: &str) -> FaultClass {
    faults().status(status, body.as_bytes(), Some("m"), None).class
}

#[test]
fn the_providers_own_words_are_more_precise_than_the_status() {
    use FaultClass::{BadRequest, ContentFilter, ContextLength, HardDown, Overloaded};
    let coded = |status, code: &str| {
        class(
            status,
            &json!({"error": {"code": code, "message": "x"}}).to_string(),
        )
    };
    assert_eq!(coded(400, "context_length_exceeded"), ContextLength);
    assert_eq!(coded(400, "content_filter"), ContentFilter);
    assert_eq!(coded(400, "content_policy_violation"), ContentFilter);
    assert_eq!(coded(429, "insufficient_quota"), HardDown);
    assert_eq!(coded(400, "model_not_found"), HardDown);
    assert_eq!(coded(400, "unknown_parameter"), BadRequest);
    let typed = |status, kind: &str| {
        class(
            status,
            &json!({"error": {"type": kind, "message": "x"}}).to_string(),
        )
    };
    assert_eq!(typed(400, "exceed_context_size_error"), ContextLength);
    assert_eq!(typed(500, "overloaded_error"), Overloaded);
    let said = json!({"object": "error", "code": 400,
        "message": "This model's maximum context length is 2048 tokens. However, you requested 9000 tokens"});
    assert_eq!(class(400, &said.to_string()), ContextLength);
    // A server that fails while it talks of context is not a request too long.
    assert_eq!(class(500, &said.to_string()), FaultClass::Transient);
}

#[test]
fn errors_inside_a_good_answer_are_classified_by_code_and_number() {
    use FaultClass::{ContentFilter, HardDown, Throttled, Transient};
    let of = |error: Value| faults().error_object(&error, "m").class;
    assert_eq!(of(json!("it broke")), Transient);
    assert_eq!(
        of(json!({"message": "x", "type": "server_error", "code": null})),
        Transient
    );
    assert_eq!(of(json!({"message": "x", "code": 429})), Throttled);
    assert_eq!(of(json!({"message": "x", "code": "429"})), Throttled);
    assert_eq!(
        of(json!({"message": "x", "code": "rate_limit_exceeded"})),
        Throttled
    );
    assert_eq!(of(json!({"message": "x", "code": "invalid_api_key"})), HardDown);
    assert_eq!(
        of(json!({"message": "x", "code": "content_filter"})),
        ContentFilter
    );
    assert_eq!(of(json!(17)), Transient);
}

#[test]
fn faults_name_the_provider_the_model_and_the_remedy_but_never_the_key() {
    let missing = faults().status(
        404,
        br#"{"error":{"message":"no such model"}}"#,
        Some("gpt-x"),
        None,
    );
    assert!(
        missing.message.contains("`gpt-x`") && missing.message.contains("http://h/v1"),
        "{missing}"
    );
    assert!(missing.to_string().contains("acme"));
    let refused = faults().status(
        401,
        br#"{"error":{"message":"Incorrect API key: gsk-123456 or sk-proj-abc*****xyz"}}"#,
        None,
        None,
    );
    assert!(refused.message.contains("OPENAI_API_KEY"), "{refused}");
    assert!(
        !refused.message.contains("123456") && !refused.message.contains("proj"),
        "{refused}"
    );
    assert!(!format!("{:?}", faults()).contains("123456"));
}
