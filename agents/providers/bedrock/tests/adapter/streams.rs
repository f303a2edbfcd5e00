//! Answers in a stream: whole, in crumbs, cut, with calls and thoughts.

use greenroom_kernel::{
    Content, FaultClass, FinishReason, ModelEvent, Part, Reasoning, Seal, ToolCall, ToolSpec, Usage,
};
use greenroom_provider_http::testkit::Fake;
use proptest::prelude::*;
use serde_json::json;

use super::frames::*;
use super::*;

fn content(text: &str) -> ModelEvent {
    ModelEvent::Content(text.into())
}

fn ended(finish: FinishReason) -> ModelEvent {
    let usage = Usage {
        input_tokens: 25,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 15,
        ..Usage::default()
    };
    ModelEvent::End {
        finish,
        usage: Some(usage),
    }
}

#[tokio::test]
async fn a_text_comes_piece_by_piece_and_ends_with_its_figures() {
    let mut fake = Fake::start(vec![vec![
        head(),
        chunk(&start()),
        chunk(&text(0, "Hi")),
        chunk(&text(0, " théré")),
        chunk(&[block_stop(0), stop("end_turn"), figures()].concat()),
        end(),
    ]])
    .await;
    let (events, fault) = told(&at(&fake), MODEL, &hi()).await;
    assert_eq!(fault, None);
    assert_eq!(
        events,
        [content("Hi"), content(" théré"), ended(FinishReason::Stop)]
    );
    fake.asked().await;
    let seen = &fake.seen()[0];
    let path = format!(
        "POST /model/{}/converse-stream HTTP/1.1",
        MODEL.replace(':', "%3A")
    );
    assert!(seen.head.starts_with(&path), "{}", seen.head);
    assert_eq!(
        seen.body,
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
    );
    let signed = seen.header("authorization").unwrap();
    assert!(
        signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDFORATEST/"),
        "{signed}"
    );
    assert!(signed.contains("/eu-central-1/bedrock/aws4_request"), "{signed}");
}

#[tokio::test]
async fn bytes_that_come_one_by_one_make_the_same_answer() {
    let frames = [start(), text(0, "Hi théré"), stop("max_tokens"), figures()].concat();
    let (events, fault) = called(vec![head(), Step::Trickle(frames), end()]).await;
    assert_eq!(fault, None);
    assert_eq!(events, [content("Hi théré"), ended(FinishReason::Length)]);
}

#[tokio::test]
async fn thoughts_and_parallel_calls_come_whole() {
    let frames = [
        start(),
        delta(0, &json!({"reasoningContent": {"text": "Paris"}})),
        delta(0, &json!({"reasoningContent": {"text": " and Rome."}})),
        delta(0, &json!({"reasoningContent": {"signature": "EqQB"}})),
        block_stop(0),
        delta(1, &json!({"reasoningContent": {"redactedContent": "aGk="}})),
        block_stop(1),
        call(2, "t1", "weather"),
        delta(2, &json!({"toolUse": {"input": "{\"city\": \"Par"}})),
        delta(2, &json!({"toolUse": {"input": "is\"}"}})),
        block_stop(2),
        call(3, "t2", "weather"),
        block_stop(3),
        stop("tool_use"),
        figures(),
    ];
    let (events, fault) = called(vec![head(), chunk(&frames.concat()), end()]).await;
    assert_eq!(fault, None);
    let sealed = |text: &str, value| {
        let family = "bedrock".to_owned();
        ModelEvent::Reasoned(Reasoning {
            text: text.into(),
            seal: Some(Seal { family, value }),
        })
    };
    let weather = |id: &str, arguments: &str| {
        ModelEvent::ToolCall(ToolCall {
            id: id.into(),
            name: "weather".into(),
            arguments: arguments.into(),
        })
    };
    assert_eq!(
        events,
        [
            ModelEvent::Thinking("Paris".into()),
            ModelEvent::Thinking(" and Rome.".into()),
            sealed(
                "Paris and Rome.",
                json!({"maker": "anthropic", "signature": "EqQB"})
            ),
            sealed("", json!({"maker": "anthropic", "redacted": "aGk="})),
            weather("t1", "{\"city\": \"Paris\"}"),
            weather("t2", "{}"),
            ended(FinishReason::ToolCalls),
        ]
    );
}

#[tokio::test]
async fn thoughts_that_came_go_back_as_they_came() {
    let frames = [
        start(),
        delta(0, &json!({"reasoningContent": {"text": "hm"}})),
        delta(0, &json!({"reasoningContent": {"signature": "EqQB"}})),
        block_stop(0),
        call(1, "t1", "weather"),
        block_stop(1),
        stop("tool_use"),
        figures(),
    ];
    let first = vec![head(), chunk(&frames.concat()), end()];
    let fake = Fake::start(vec![first, saying("Sunny.")]).await;
    let backend = at(&fake);
    let mut request = ModelRequest {
        tools: vec![ToolSpec {
            name: "weather".into(),
            description: String::new(),
            parameters: json!({"type": "object"}),
            cache: None,
        }],
        ..hi()
    };
    let (events, _) = told(&backend, MODEL, &request).await;
    let mut assistant = ModelMessage::text(ModelRole::Assistant, "");
    for event in events {
        match event {
            ModelEvent::Reasoned(thought) => {
                assistant.content = Content::Parts(vec![Part::Reasoning(thought)]);
            }
            ModelEvent::ToolCall(call) => assistant.tool_calls.push(call),
            _ => {}
        }
    }
    let found = ModelMessage {
        tool_call_id: Some("t1".into()),
        ..ModelMessage::text(ModelRole::Tool, "24 °C")
    };
    request.messages.extend([assistant, found]);
    let (_, fault) = told(&backend, MODEL, &request).await;
    assert_eq!(fault, None);
    assert_eq!(
        fake.seen()[1].body["messages"],
        json!([
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}},
            ]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "24 °C"}]}}]},
        ])
    );
}

#[tokio::test]
async fn an_answer_that_ends_before_its_stop_is_truncated_however_it_ends() {
    let half = [start(), text(0, "half")].concat();
    let cut = &text(0, "more")[..20];
    for (how, script) in [
        ("a body that ends", vec![head(), chunk(&half), end()]),
        (
            "figures without a stop",
            vec![head(), chunk(&half), chunk(&figures()), end()],
        ),
        (
            "a frame that is cut",
            vec![head(), chunk(&half), chunk(cut), end()],
        ),
        (
            "a connection that closes",
            vec![head(), chunk(&half), Step::Close],
        ),
        (
            "a connection that closes in a frame",
            vec![head(), chunk(&half), chunk(cut), Step::Close],
        ),
    ] {
        let (events, fault) = called(script).await;
        assert_eq!(events, [content("half")], "{how}");
        assert_eq!(
            fault.map(|fault| fault.class),
            Some(FaultClass::Transient),
            "{how}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_has_stopped_is_whole_without_its_figures() {
    let frames = [start(), text(0, "Hi"), stop("end_turn")].concat();
    for after in [vec![end()], vec![Step::Close], vec![Step::AwaitClose]] {
        let script = [vec![head(), chunk(&frames)], after.clone()].concat();
        let (events, fault) = called(script).await;
        assert_eq!(fault, None, "{after:?}");
        let finish = FinishReason::Stop;
        assert_eq!(
            events,
            [content("Hi"), ModelEvent::End { finish, usage: None }],
            "{after:?}"
        );
    }
}

#[tokio::test]
async fn what_nobody_knows_yet_is_passed_over() {
    let frames = [
        start(),
        event("somethingNew", &json!({"a": 1})),
        delta(0, &json!({"novelty": {"b": 2}})),
        text(0, "Hi"),
        event(
            "contentBlockStart",
            &json!({"contentBlockIndex": 1, "start": {"novelty": {}}}),
        ),
        block_stop(7),
        stop("end_turn"),
        figures(),
    ];
    let (events, fault) = called(vec![head(), chunk(&frames.concat()), end()]).await;
    assert_eq!(fault, None);
    assert_eq!(events, [content("Hi"), ended(FinishReason::Stop)]);
}

#[tokio::test]
async fn frames_that_can_t_be_read_are_the_provider_s_fault() {
    let mut damaged = text(0, "damaged");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for (how, bytes) in [
        ("a checksum", damaged),
        ("a payload", garbled("contentBlockDelta")),
    ] {
        let (events, fault) = called(vec![head(), chunk(&text(0, "Hi")), chunk(&bytes), end()]).await;
        assert_eq!(events, [content("Hi")], "{how}");
        assert_eq!(fault.unwrap().class, FaultClass::Transient, "{how}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let fake = Fake::start(vec![saying("one"), saying("two")]).await;
    let backend = at(&fake);
    for _ in 0..2 {
        let (_, fault) = told(&backend, MODEL, &hi()).await;
        assert_eq!(fault, None);
    }
    let on: Vec<usize> = fake.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(on, [0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn wherever_the_stream_is_cut_no_half_answer_is_whole(at in 0usize..400, damage: bool) {
        let frames = [start(), text(0, "Hi"), block_stop(0), stop("end_turn")].concat();
        let before_stop = frames.len() - stop("end_turn").len();
        let at = at % frames.len();
        let mut bytes = frames[..at].to_vec();
        if damage && at > 0 {
            bytes[at - 1] ^= 0x55;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (events, fault) = runtime.block_on(called(vec![head(), chunk(&bytes), end()]));
        let ended = events.iter().any(|event| matches!(event, ModelEvent::End { .. }));
        prop_assert!(!ended && fault.is_some(), "cut at {at} of {before_stop}: {events:?}");
    }
}
