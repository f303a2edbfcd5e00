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
