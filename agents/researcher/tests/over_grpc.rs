//! Questions to other agents, with the others and the model played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

use greenroom_agent_rehearsal::{Rehearsal, StepCall, request, says};
use greenroom_agent_researcher::Researcher;
use greenroom_agent_sdk::{ErrorCode, Failure, OutputFormat};
use greenroom_kernel::StepKind;
use serde_json::{Value, json};

fn research(input: &Value) -> Rehearsal {
    Rehearsal::of(Researcher::default(), input)
}

fn is_plan(call: &StepCall) -> bool {
    call.kind == StepKind::Model && request(call).messages[0].content.starts_with("You plan")
}

fn plan(parts: &[(&str, &str)]) -> Result<String, Failure> {
    let parts: Vec<Value> = parts
        .iter()
        .map(|(agent, question)| json!({ "agent": agent, "question": question }))
        .collect();
    says(&json!({ "parts": parts }).to_string())
}

/// A child task's answer.
fn reply(call: &StepCall, content: &str) -> Result<String, Failure> {
    Ok(json!({ "taskId": format!("child-{}", call.path), "content": content, "data": null }).to_string())
}

/// Two parts, of which summarizer's fails, and a model that cites what isn't there.
fn world(call: &StepCall) -> Result<String, Failure> {
    match (call.kind, call.name.as_deref()) {
        (StepKind::Agent, Some("assistant")) => reply(call, &format!("A says {}", call.input)),
        (StepKind::Agent, _) => Err(Failure::not_found("agent")),
        _ if is_plan(call) => plan(&[("assistant", "how tall?"), ("summarizer", "how old?")]),
        _ => {
            let said = &request(call).messages[1].content;
            assert!(
                said.contains("<source n=\"1\" agent=\"assistant\">\nAsked: how tall?\nA says"),
                "{said}"
            );
            assert!(
                said.contains("summarizer was asked too and could not answer"),
                "{said}"
            );
            says("Very tall [1]. Very old [2] and wise [7].")
        }
    }
}

#[tokio::test]
async fn parts_go_to_agents_and_the_answer_cites_only_those_who_said_something() {
    let mut task = research(&json!("how tall and old is it?"));
    let end = task.attempt(|call| Some(world(call))).await;
    let data = end.data();
    assert_eq!(data["answer"], "Very tall [1]. Very old and wise.");
    assert_eq!(data["sources"].as_array().unwrap().len(), 2);
    assert_eq!(data["sources"][0]["agent"], "assistant");
    assert_eq!(data["sources"][0]["question"], "how tall?");
    assert!(
        data["sources"][0]["content"]
            .as_str()
            .unwrap()
            .contains("how tall?")
    );
    assert!(
        data["sources"][0]["taskId"]
            .as_str()
            .unwrap()
            .starts_with("child-")
    );
    assert!(
        data["sources"][1]["error"]
            .as_str()
            .unwrap()
            .contains("NOT_FOUND"),
        "{data}"
    );
    assert!(data["sources"][1].get("content").is_none());
    let text = end.content();
    assert!(
        text.starts_with("Very tall [1]. Very old and wise.\n\nSources:\n[1] assistant: how tall?\n"),
        "{text}"
    );
    assert!(
        text.contains("[2] summarizer, without an answer: how old? (NOT_FOUND"),
        "{text}"
    );
    assert!(text.ends_with(&task.emitted));
    let shown: Vec<bool> = task.asked.iter().map(|call| call.visible).collect();
    assert_eq!(shown, [false, false, false, true]);
}

#[tokio::test]
async fn nobody_is_asked_twice_whatever_is_lost_on_the_way() {
    let mut task = research(&json!("how tall and old is it?"));
    let mut asked = Vec::new();
    let end = task
        .survives_every_loss(|call| {
            assert!(!asked.contains(&call.path.to_string()), "{call:?} again");
            asked.push(call.path.to_string());
            world(call)
        })
        .await;
    assert_eq!(asked.len(), 4);
    let mut whole = research(&json!("how tall and old is it?"));
    assert_eq!(
        whole.attempt(|call| Some(world(call))).await.data()["answer"],
        end.data()["answer"]
    );
}

#[tokio::test]
async fn a_plan_is_mended_once_and_its_form_is_asked_of_the_provider() {
    let mut task = research(&json!({ "question": "q?", "agents": ["a", "b"], "maxParts": 1 }));
    let mut plans = 0;
    let end = task
        .attempt(|call| {
            if is_plan(call) {
                plans += 1;
                let request = request(call);
                let OutputFormat::JsonSchema { schema, .. } = &request.output else {
                    panic!("no form")
                };
                assert_eq!(schema["properties"]["parts"]["maxItems"], 1);
                return Some(match request.messages.last() {
                    Some(last) if last.content.contains("/parts/0/agent") => plan(&[("b", "q?")]),
                    _ => plan(&[("c", "q?")]),
                });
            }
            Some(if call.kind == StepKind::Agent {
                reply(call, "so")
            } else {
                says("So [1].")
            })
        })
        .await;
    assert_eq!((plans, &end.data()["sources"][0]["agent"]), (2, &json!("b")));
}

#[tokio::test]
async fn a_model_that_cannot_plan_leaves_the_whole_question_to_everybody() {
    for answer in [
        says("I do not know what a plan is."),
        Err(Failure::bad_input("too long")),
    ] {
        let mut task = research(&json!("q?"));
        let end = task
            .attempt(|call| {
                Some(match call.kind {
                    StepKind::Agent => reply(call, "so"),
                    _ if is_plan(call) => answer.clone(),
                    _ => says("So [1] and so [2]."),
                })
            })
            .await;
        let sources = end.data()["sources"].clone();
        let asked: Vec<_> = sources
            .as_array()
            .unwrap()
            .iter()
            .map(|s| (&s["agent"], &s["question"]))
            .collect();
        assert_eq!(
            asked,
            [
                (&json!("assistant"), &json!("q?")),
                (&json!("summarizer"), &json!("q?"))
            ]
        );
    }
}

#[tokio::test]
async fn answers_too_long_for_the_model_are_shortened_until_they_fit() {
    let mut task = research(&json!({ "question": "q?", "agents": ["a"] }));
    let mut refused = 0;
    let end = task
        .attempt(|call| {
            Some(match call.kind {
                StepKind::Agent => reply(call, &"long ".repeat(10_000)),
                _ if is_plan(call) => plan(&[("a", "q?")]),
                _ if request(call).messages[1].content.len() > 5_000 => {
                    refused += 1;
                    Err(Failure::bad_input("too long"))
                }
                _ => says("Long [1]."),
            })
        })
        .await;
    assert_eq!((end.data()["answer"].as_str(), refused), (Some("Long [1]."), 2));
}

#[tokio::test]
async fn where_nobody_answers_the_task_fails_saying_why() {
    for (one, two, code, named) in [
        (
            Failure::unavailable("no model"),
            Failure::unavailable("no model"),
            ErrorCode::Unavailable,
            "no model",
        ),
        (
            Failure::unavailable("no model"),
            Failure::not_found("agent"),
            ErrorCode::AgentFailed,
            "no such agent",
        ),
    ] {
        let mut task = research(&json!("q?"));
        let end = task
            .attempt(|call| {
                Some(match call.name.as_deref() {
                    Some("assistant") => Err(one.clone()),
                    Some(_) => Err(two.clone()),
                    None => plan(&[("assistant", "q?"), ("summarizer", "q?")]),
                })
            })
            .await;
        assert_eq!(end.failure().code, code);
        assert!(end.failure().message.contains(named), "{end:?}");
    }
    let missing = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let mut without = research(&json!("q?"));
    let end = without.attempt(|_| Some(Err(missing.clone()))).await;
    assert_eq!((end.failure(), without.asked.len()), (&missing, 1));
}

#[tokio::test]
async fn bad_input_asks_nobody() {
    for input in [
        json!(""),
        json!(1),
        json!({ "question": "q", "agents": ["researcher"] }),
        json!({ "q": "q" }),
    ] {
        let end = research(&input).attempt(|call| panic!("asked: {call:?}")).await;
        assert_eq!(end.failure().code, ErrorCode::BadUserInput, "{end:?}");
    }
}
