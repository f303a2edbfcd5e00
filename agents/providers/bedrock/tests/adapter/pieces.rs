//! Answers in one piece, of models that don't stream.

use greenroom_kernel::{Capabilities, FaultClass, FinishReason, ModelEvent, ModelInfo, ToolCall};
use greenroom_provider_http::testkit::{Fake, answer};
use serde_json::json;

use super::*;

const JSON: &str = "content-type: application/json\r\n";

fn whole() -> Vec<Step> {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"text": "adding"},
            {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1, "b": [true, null, -2, 0.5]}}},
        ]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
    });
    answer(200, JSON, &body.to_string())
}

fn check(events: &[ModelEvent]) {
    assert!(matches!(&events[0], ModelEvent::Thinking(text) if text == "hm"));
    assert!(matches!(&events[1], ModelEvent::Reasoned(thought) if thought.seal.is_some()));
    assert_eq!(events[2], ModelEvent::Content("adding".into()));
    let call = ToolCall {
        id: "t1".into(),
        name: "add".into(),
        arguments: r#"{"a":1,"b":[true,null,-2,0.5]}"#.into(),
    };
    assert_eq!(events[3], ModelEvent::ToolCall(call));
    let ModelEvent::End { finish, usage } = &events[4] else {
        panic!("{events:?}");
    };
    assert_eq!(*finish, FinishReason::ToolCalls);
    assert_eq!(usage.unwrap().input_tokens, 3);
}

#[tokio::test]
async fn a_model_that_is_known_not_to_stream_answers_in_one_piece() {
    let fake = Fake::start(vec![whole()]).await;
    let can = Capabilities {
        streaming: Some(false),
        ..Capabilities::default()
    };
    let name = MODEL.to_owned();
    let backend = backend(BedrockConfig {
        models: vec![ModelInfo { name, can }],
        ..config(&format!("http://{}", fake.address))
    });
    let (events, fault) = told(&backend, MODEL, &hi()).await;
    assert_eq!(fault, None);
    check(&events);
    assert!(fake.seen()[0].head.contains("/converse HTTP/1.1"));
}

#[tokio::test]
async fn so_does_one_that_says_that_it_can_t_stream_this() {
    let message = "This model doesn't support tool use in streaming mode.";
    let headers = format!("{JSON}x-amzn-errortype: ValidationException\r\n");
    let refused = answer(400, &headers, &json!({ "message": message }).to_string());
    let fake = Fake::start(vec![refused, whole()]).await;
    let (events, fault) = told(&at(&fake), MODEL, &hi()).await;
    assert_eq!(fault, None);
    check(&events);
    let seen = fake.seen();
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn a_piece_that_is_cut_is_the_provider_s_fault() {
    let fake = Fake::start(vec![
        answer(
            400,
            &format!("{JSON}x-amzn-errortype: ValidationException\r\n"),
            r#"{"message":"not in streaming mode"}"#,
        ),
        vec![
            Step::Send(format!("HTTP/1.1 200 OK\r\n{JSON}content-length: 500\r\n\r\n{{").into_bytes()),
            Step::Close,
        ],
    ])
    .await;
    let (_, fault) = told(&at(&fake), MODEL, &hi()).await;
    assert_eq!(fault.unwrap().class, FaultClass::Transient);
}
