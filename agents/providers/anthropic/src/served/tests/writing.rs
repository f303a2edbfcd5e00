use greenroom_kernel::{CallEvent, FinishReason, ModelAnswer, Reasoning, ToolCall, Usage};
use greenroom_provider_http::{EdgeError, ErrorKind};

use super::*;
use crate::seal;

fn answer(finish: FinishReason) -> ModelAnswer {
    ModelAnswer {
        content: "Hi\nthere".into(),
        reasoning: vec![Reasoning {
            text: "hm".into(),
            seal: None,
        }],
        tool_calls: vec![call("t1", r#"{"a": 1}"#), call("t2", "")],
        finish,
        usage: Usage {
            input_tokens: 2,
            cached_input_tokens: 3,
            cache_write_tokens: 4,
            output_tokens: 5,
            reasoning_tokens: 6,
            ..Usage::default()
        },
        provider: "p".into(),
        model: "m".into(),
    }
}

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "add".into(),
        arguments: arguments.into(),
    }
}

fn figures() -> Value {
    json!({"input_tokens": 2, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 3,
        "output_tokens": 11, "output_tokens_details": {"thinking_tokens": 6}})
}

/// The events of a stream, each named as its data is.
fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n\n"));
    let event = |text: &str| {
        let (name, data) = text.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    text.trim_end().split("\n\n").map(event).collect()
}

fn streamed(more: Value, told: &[CallEvent]) -> Vec<Value> {
    let mut writer = writer(more);
    let mut out = Vec::new();
    writer.begin(&mut out);
    for event in told {
        writer.event(event, &mut out);
    }
    events(&out)
}

#[test]
fn a_whole_message_has_its_blocks_in_order_and_disjoint_figures() {
    let whole = |more, answer: &ModelAnswer| -> Value {
        serde_json::from_slice(&writer(more).whole(answer)).unwrap()
    };
    let mut said = answer(FinishReason::ToolCalls);
    said.reasoning.push(seal::signed("own".into(), "Eq"));
    said.reasoning.push(seal::redacted("xyz"));
    let own = [
        json!({"type": "thinking", "thinking": "own", "signature": "Eq"}),
        json!({"type": "redacted_thinking", "data": "xyz"}),
        json!({"type": "text", "text": "Hi\nthere"}),
        json!({"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}),
        json!({"type": "tool_use", "id": "t2", "name": "add", "input": {}}),
    ];
    assert_eq!(
        whole(json!({}), &said),
        json!({"id": "msg_abc", "type": "message", "role": "assistant", "model": "route", "content": own,
            "stop_reason": "tool_use", "stop_sequence": null, "usage": figures()})
    );
    let wanted = whole(json!({"thinking": {"type": "adaptive"}}), &said);
    assert_eq!(
        wanted["content"][0],
        json!({"type": "thinking", "thinking": "hm", "signature": ""})
    );
    for (finish, reason) in [
        (FinishReason::Stop, "end_turn"),
        (FinishReason::Length, "max_tokens"),
        (FinishReason::ContentFilter, "refusal"),
    ] {
        assert_eq!(whole(json!({}), &answer(finish))["stop_reason"], reason);
    }
}

#[test]
fn a_stream_is_the_sequence_of_events_that_clients_put_together() {
    let told = [
        CallEvent::Thinking("h".into()),
        CallEvent::Thinking("m".into()),
        CallEvent::Text(String::new()),
        CallEvent::Text("Hi\n".into()),
        CallEvent::Text("there".into()),
        CallEvent::ToolCall(call("t1", r#"{"a": 1}"#)),
        CallEvent::ToolCall(call("t2", "[")),
        CallEvent::End(Box::new(answer(FinishReason::ToolCalls))),
    ];
    let start = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta =
        |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u32| json!({"type": "content_block_stop", "index": index});
    let begun = json!({"type": "message_start", "message": {
        "id": "msg_abc", "type": "message", "role": "assistant", "model": "route", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}}});
    assert_eq!(
        streamed(
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            &told
        ),
        [
            begun,
            start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "h"})),
            delta(0, json!({"type": "thinking_delta", "thinking": "m"})),
            stop(0),
            start(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "Hi\n"})),
            delta(1, json!({"type": "text_delta", "text": "there"})),
            stop(1),
            start(
                2,
                json!({"type": "tool_use", "id": "t1", "name": "add", "input": {}})
            ),
            delta(
                2,
                json!({"type": "input_json_delta", "partial_json": r#"{"a":1}"#})
            ),
            stop(2),
            start(
                3,
                json!({"type": "tool_use", "id": "t2", "name": "add", "input": {}})
            ),
            delta(
                3,
                json!({"type": "input_json_delta", "partial_json": r#"{"unreadable":"["}"#})
            ),
            stop(3),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": figures()}),
            json!({"type": "message_stop"}),
        ]
    );
}

#[test]
fn thoughts_that_nobody_asked_to_see_only_keep_the_client_awake() {
    let told = vec![CallEvent::Thinking("hm".into()); 40];
    for more in [
        json!({}),
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
    ] {
        let events = streamed(more, &told);
        assert_eq!(events[1..], [json!({"type": "ping"}), json!({"type": "ping"})]);
    }
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_and_no_end() {
    let mut writer = writer(json!({}));
    let mut out = Vec::new();
    writer.begin(&mut out);
    writer.event(&CallEvent::Text("Hi".into()), &mut out);
    writer.fail(&EdgeError::new(ErrorKind::Overloaded, "later"), &mut out);
    let events = events(&out);
    assert_eq!(
        events.last(),
        Some(&json!({"type": "error", "error": {"type": "overloaded_error", "message": "later"}}))
    );
    assert!(events.iter().all(|event| event["type"] != "message_stop"));
}

#[test]
fn figures_at_their_bound_break_no_sum() {
    let mut said = answer(FinishReason::Stop);
    said.usage.output_tokens = u64::MAX;
    said.usage.reasoning_tokens = 7;
    let whole: Value = serde_json::from_slice(&writer(json!({})).whole(&said)).unwrap();
    assert_eq!(whole["usage"]["output_tokens"], u64::MAX);
}
