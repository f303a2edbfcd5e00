//! Extractions against scripted models, with and without a form they can be held to, and with losses on the way.

use greenroom_agent_extractor::Extractor;
use greenroom_agent_rehearsal::{Rehearsal, StepCall, ends, request, says};
use greenroom_agent_sdk::{ErrorCode, Failure, ModelRole, OutputFormat};
use serde_json::{Value, json};

fn person() -> Value {
    json!({ "type": "object", "required": ["name", "age"], "additionalProperties": false,
            "properties": { "name": { "type": "string" }, "age": { "type": "integer", "minimum": 0 } } })
}

fn task(more: &[(&str, Value)]) -> Rehearsal {
    let mut input = json!({ "content": "Ann is seven.", "schema": person() });
    for (name, value) in more {
        input[name] = value.clone();
    }
    Rehearsal::of(Extractor::default(), &input)
}

fn held_to_the_form(call: &StepCall) -> bool {
    matches!(&request(call).output, OutputFormat::JsonSchema { schema, .. } if *schema == person())
}

#[tokio::test]
async fn a_model_held_to_the_form_gives_the_document_at_once() {
    let mut task = task(&[]);
    let end = task
        .attempt(|call| {
            assert!(held_to_the_form(call) && !call.visible);
            let said = &request(call).messages[1].content;
            assert!(
                said.contains("Ann is seven.") && said.contains("\"minimum\":0"),
                "{said}"
            );
            Some(says(r#"{"name":"Ann","age":7}"#))
        })
        .await;
    assert_eq!(*end.data(), json!({ "name": "Ann", "age": 7 }));
    assert_eq!(serde_json::from_str::<Value>(end.content()).unwrap(), *end.data());
    assert_eq!(task.asked.len(), 1);
}

#[tokio::test]
async fn where_the_form_is_refused_or_breaks_the_server_it_is_asked_for_in_words() {
    for refused in [
        Failure::bad_input("unknown parameter: response_format"),
        Failure::new(ErrorCode::ProviderFailed, "HTTP 500: grammar").retryable(),
    ] {
        let mut task = task(&[]);
        let end = task
            .attempt(|call| {
                Some(match held_to_the_form(call) {
                    true => Err(refused.clone()),
                    false => {
                        says("Here you are:\n```json\n{\"name\": \"Ann\", \"age\": 7}\n```\nAnything else?")
                    }
                })
            })
            .await;
        assert_eq!(*end.data(), json!({ "name": "Ann", "age": 7 }));
        assert_eq!(task.asked.len(), 2);
    }
}

#[tokio::test]
async fn what_is_wrong_is_shown_with_its_pointer_until_it_is_right() {
    let mut task = task(&[]);
    let mut answers = [
        r#"{"name":"Ann","age":"seven"}"#,
        r#"{"name":"Ann","age":-7}"#,
        r#"{"name":"Ann","age":7}"#,
    ]
    .into_iter();
    let end = task
        .survives_every_loss(|call| {
            let messages = request(call).messages;
            if let Some(last) = messages.get(3) {
                assert_eq!(messages[2].role, ModelRole::Assistant);
                assert!(last.content.contains("/age: "), "{last:?}");
            }
            says(answers.next().expect("no call is made twice"))
        })
        .await;
    assert_eq!(end.data()["age"], 7);
    assert_eq!(task.asked.len(), 3);
}

#[tokio::test]
async fn after_the_last_repair_the_task_fails_naming_the_pointers_and_returns_no_document() {
    for (repairs, answer, named) in [
        (0, says(r#"{"name":1,"age":"x"}"#), "/name: "),
        (1, says(r#"{"name":"Ann"}"#), "\"age\" is a required"),
        (2, says("I would rather not."), "no JSON"),
        (1, ends(r#"{"name":"Ann","age":7}"#, "length", 2_000), "cut off"),
    ] {
        let mut task = task(&[("maxRepairs", json!(repairs))]);
        let end = task.attempt(|_| Some(answer.clone())).await;
        assert_eq!(end.failure().code, ErrorCode::AgentFailed);
        assert!(end.failure().message.contains(named), "{end:?}");
        assert_eq!(task.asked.len(), repairs + 1);
    }
}

#[tokio::test]
async fn a_repair_too_long_for_the_model_leaves_its_first_answer_out() {
    let mut task = task(&[]);
    let end = task
        .attempt(|call| {
            let messages = request(call).messages;
            Some(match messages.len() {
                2 if messages[1].content.contains("/age: ") => says(r#"{"name":"Ann","age":7}"#),
                2 => says(r#"{"name":"Ann","age":"seven"}"#),
                _ => Err(Failure::bad_input("too long")),
            })
        })
        .await;
    assert_eq!(end.data()["age"], 7);
}

#[tokio::test]
async fn a_text_too_long_and_a_missing_model_fail_as_the_model_says() {
    let mut long = task(&[]);
    let end = long
        .attempt(|_| Some(Err(Failure::bad_input("context length exceeded"))))
        .await;
    assert_eq!(*end.failure(), Failure::bad_input("context length exceeded"));
    assert_eq!(long.asked.len(), 2);
    let missing = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let mut without = task(&[]);
    let end = without.attempt(|_| Some(Err(missing.clone()))).await;
    assert_eq!((end.failure(), without.asked.len()), (&missing, 1));
}

#[tokio::test]
async fn bad_input_asks_no_model() {
    for (more, named) in [
        (("schema", json!({ "type": "objekt" })), "`/type`"),
        (("schema", json!({ "$ref": "https://a.example/s" })), "`/$ref`"),
        (("content", json!("")), "no text"),
        (("maxRepairs", json!(99)), "maxRepairs"),
    ] {
        let end = task(&[more]).attempt(|call| panic!("asked: {call:?}")).await;
        assert_eq!(end.failure().code, ErrorCode::BadUserInput);
        assert!(end.failure().message.contains(named), "{end:?}");
    }
}
