use serde_json::json;

use super::*;

const WIRE: Wire = Wire {
    name: "Acme",
    key_variable: "ACME_KEY",
    by_words: |_, _| None,
};

fn faults() -> Faults {
    Faults::new("acme", "http://h/v1", Some(ApiKey::new("gsk-123456")), &WIRE)
}

fn class(status: u16, body: &str) -> FaultClass {
    faults().status(status, body.as_bytes(), Some("m"), None).class
}

#[test]
fn every_status_has_its_class() {
    use FaultClass::{BadRequest, HardDown, Overloaded, Throttled, Transient};
    for (status, expected) in [
        (307, HardDown),
        (400, BadRequest),
        (401, HardDown),
        (402, HardDown),
        (403, HardDown),
        (404, HardDown),
        (405, HardDown),
        (408, Transient),
        (409, Transient),
        (413, BadRequest),
        (422, BadRequest),
        (425, Transient),
        (429, Throttled),
        (500, Transient),
        (502, Transient),
        (503, Overloaded),
        (504, Transient),
        (520, Transient),
        (529, Overloaded),
    ] {
        assert_eq!(class(status, "{}"), expected, "{status}");
        assert_eq!(class(status, "<html>no json</html>"), expected, "{status}");
    }
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let body = json!({"error": {"message": "é".repeat(2000)}}).to_string();
    let fault = faults().status(500, body.as_bytes(), None, None);
    assert!(fault.message.chars().count() < 500);
}

#[test]
fn a_whole_body_in_place_of_a_stream_names_the_base_url() {
    let page = faults().no_stream(200, b"<html>", "text/html", "m");
    assert_eq!(page.class, FaultClass::HardDown);
    assert!(page.message.contains("http://h/v1"));
    let error = faults().no_stream(200, br#"{"error":{"code":429}}"#, "application/json", "m");
    assert_eq!(error.class, FaultClass::Throttled);
}

fn answered(status: u16, body: &str) -> greenroom_kernel::ErrorAnswer {
    *faults()
        .status(status, body.as_bytes(), Some("m"), None)
        .answered
        .unwrap()
}

#[test]
fn a_client_error_s_own_answer_is_kept_for_callers_of_the_family() {
    let body = r#"{"error":{"message":"no","type":"invalid_request_error","code":"too_long"}}"#;
    let kept = answered(400, body);
    assert_eq!((kept.status, kept.code.as_deref()), (400, Some("too_long")));
    assert_eq!(kept.body.as_deref(), Some(body.as_bytes()));
    let typed = answered(
        422,
        r#"{"type":"error","error":{"type":"invalid_request_error"}}"#,
    );
    assert_eq!(typed.code.as_deref(), Some("invalid_request_error"));
    assert_eq!(answered(400, r#"{"error":{"code":400,"type":"a b"}}"#).code, None);
}

#[test]
fn what_is_between_us_and_the_provider_or_holds_a_key_is_not_shown() {
    let body = r#"{"error":{"message":"of organisation org-1","code":"c"}}"#;
    for status in [401, 402, 403, 404, 429, 500, 503] {
        let kept = answered(status, body);
        assert_eq!((kept.status, kept.body), (status, None));
        assert_eq!(kept.code.as_deref(), Some("c"));
    }
    for body in [
        r#"{"error":{"message":"you sent gsk-123456"}}"#,
        r#"{"error":{"message":"you sent \u0067sk-123456"}}"#,
        r#"{"error":{"message":"x","sk-proj-1":1}}"#,
        "gsk is no json",
        "[]",
        "",
    ] {
        assert_eq!(answered(400, body).body, None, "{body}");
    }
    assert_eq!(answered(400, r#"{"error":{"code":"sk-proj-1"}}"#).code, None);
}

#[test]
fn an_error_inside_a_good_answer_has_a_status_that_fits_its_class_and_no_body() {
    let of = |error: Value| *faults().error_object(&error, "m").answered.unwrap();
    let told = of(json!({"code": 429, "type": "busy"}));
    assert_eq!((told.status, told.code.as_deref()), (429, Some("busy")));
    let untold = of(json!({"message": "m", "code": "c"}));
    assert_eq!(
        (untold.status, untold.code.as_deref(), untold.body),
        (500, Some("c"), None)
    );
    assert_eq!(of(json!({"code": 200})).status, 500);
}
