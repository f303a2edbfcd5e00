//! Extractions against scripted models, with and without a form they can be held to, and through crashes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

use greenroom_agent_extractor::Extractor;
use greenroom_agent_sdk::testkit::{Bench, Ran, Reply};
use greenroom_agent_sdk::{ErrorCode, Failure, FinishReason, ModelRequest, ModelRole, OutputFormat};
use serde_json::{Value, json};

const RIGHT: &str = r#"{"name":"Ann","age":7}"#;

fn person() -> Value {
    json!({ "type": "object", "required": ["name", "age"], "additionalProperties": false,
            "properties": { "name": { "type": "string" }, "age": { "type": "integer", "minimum": 0 } } })
}

fn task(more: &[(&str, Value)]) -> Bench {
    let mut input = json!({ "content": "Ann is seven.", "schema": person() });
    for (name, value) in more {
        input[name] = value.clone();
    }
    Bench::new(Extractor::default()).input(input)
}

fn held_to_the_form(request: &ModelRequest) -> bool {
    matches!(&request.output, OutputFormat::JsonSchema { schema, .. } if *schema == person())
}

fn requests(ran: &Ran) -> Vec<ModelRequest> {
    let steps = ran.steps().iter();
    steps.map(|step| step.request().expect("a model call")).collect()
}

fn document(ran: &Ran) -> Value {
    ran.data()
        .unwrap_or_else(|| panic!("no document: {:?}", ran.end()))
}

#[tokio::test]
async fn a_model_held_to_the_form_gives_the_document_at_once() {
    let ran = task(&[]).reply(Reply::text(RIGHT)).run().await;
    assert_eq!(document(&ran), json!({ "name": "Ann", "age": 7 }));
    let text: Value = serde_json::from_str(ran.content().unwrap()).unwrap();
    assert_eq!(text, document(&ran));
    let asked = requests(&ran);
    assert_eq!(asked.len(), 1);
    assert!(held_to_the_form(&asked[0]) && !ran.steps()[0].visible);
    let said = &asked[0].messages[1].content.text();
    assert!(
        said.contains("Ann is seven.") && said.contains("\"minimum\":0"),
        "{said}"
    );
}

#[tokio::test]
async fn where_the_form_is_refused_or_breaks_the_server_it_is_asked_for_in_words() {
    for refused in [
        Failure::bad_input("unknown parameter: response_format"),
        Failure::new(ErrorCode::ProviderFailed, "HTTP 500: grammar").retryable(),
    ] {
        let bench = task(&[]).reply_by(move |request| match held_to_the_form(request) {
            true => Reply::failed(refused.clone()),
            false => {
                Reply::text("Here you are:\n```json\n{\"name\": \"Ann\", \"age\": 7}\n```\nAnything else?")
            }
        });
        let ran = bench.run().await;
        assert_eq!(document(&ran), json!({ "name": "Ann", "age": 7 }));
        assert_eq!(ran.steps().len(), 2);
    }
}

#[tokio::test]
async fn what_is_wrong_is_shown_with_its_pointer_until_it_is_right_and_no_crash_asks_for_more() {
    let bench = task(&[])
        .reply(Reply::text(r#"{"name":"Ann","age":"seven"}"#))
        .reply(Reply::text(r#"{"name":"Ann","age":-7}"#))
        .reply(Reply::text(RIGHT));
    let ran = bench.run().await;
    assert_eq!(document(&ran)["age"], 7);
    let asked = requests(&ran);
    assert_eq!(asked.len(), 3);
    for request in &asked[1..] {
        assert_eq!(request.messages[2].role, ModelRole::Assistant);
        let last = &request.messages[3].content.text();
        assert!(last.contains("/age: "), "{last:?}");
    }
    let survival = bench.crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert_eq!(survival.steps, 3..=3);
}

#[tokio::test]
async fn after_the_last_repair_the_task_fails_naming_the_pointers_and_returns_no_document() {
    for (repairs, answer, named) in [
        (0, Reply::text(r#"{"name":1,"age":"x"}"#), "/name: "),
        (1, Reply::text(r#"{"name":"Ann"}"#), "\"age\" is a required"),
        (2, Reply::text("I would rather not."), "no JSON"),
        (1, Reply::text(RIGHT).finish(FinishReason::Length), "cut off"),
    ] {
        let bench = task(&[("maxRepairs", json!(repairs))]);
        let ran = bench.reply_by(move |_| answer.clone()).run().await;
        let failure = ran.failure().expect("no document");
        assert_eq!(failure.code, ErrorCode::AgentFailed);
        assert!(failure.message.contains(named), "{failure}");
        assert_eq!(ran.steps().len(), repairs + 1);
    }
}

#[tokio::test]
async fn a_repair_too_long_for_the_model_leaves_its_first_answer_out() {
    let bench = task(&[]).reply_by(|request| match request.messages.len() {
        2 if request.messages[1].content.text().contains("/age: ") => Reply::text(RIGHT),
        2 => Reply::text(r#"{"name":"Ann","age":"seven"}"#),
        _ => Reply::failed(Failure::bad_input("too long")),
    });
    let ran = bench.run().await;
    assert_eq!(document(&ran)["age"], 7);
    // Its first answer, the repair with the form and without it, and the one that fits.
    assert_eq!(ran.steps().len(), 4);
    bench.assert_survives_crashes().await;
}

#[tokio::test]
async fn a_text_too_long_and_a_missing_model_fail_as_the_model_says() {
    for (failure, calls) in [
        (Failure::bad_input("context length exceeded"), 2),
        (Failure::unavailable("no model: set GREENROOM_MODEL_PATH"), 1),
    ] {
        let reply = Reply::failed(failure.clone());
        let ran = task(&[]).reply_by(move |_| reply.clone()).run().await;
        assert_eq!((ran.failure(), ran.steps().len()), (Some(&failure), calls));
    }
}

#[tokio::test]
async fn bad_input_asks_no_model() {
    for (more, named) in [
        (("schema", json!({ "type": "objekt" })), "`/type`"),
        (("schema", json!({ "$ref": "https://a.example/s" })), "`/$ref`"),
        (("content", json!("")), "no text"),
        (("maxRepairs", json!(99)), "maxRepairs"),
    ] {
        let ran = task(&[more]).run().await;
        assert_eq!(ran.steps(), []);
        let failure = ran.failure().expect("bad input");
        assert_eq!(failure.code, ErrorCode::BadUserInput);
        assert!(failure.message.contains(named), "{failure}");
    }
}
