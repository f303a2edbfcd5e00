use greenroom_kernel::{FaultClass, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn watcher() -> MessagesWatcher {
    let faults = Faults::new("p", "http://h", None, &crate::classify::WIRE);
    MessagesWatcher::new(faults, "m")
}

fn signs(events: &[Value]) -> Result<Vec<RelaySign>, FaultClass> {
    let mut watcher = watcher();
    let mut sign = |event: &Value| {
        watcher
            .event(event.to_string().as_bytes())
            .map_err(|fault| fault.class)
    };
    events.iter().map(&mut sign).collect()
}

fn grown(delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": delta})
}

const fn said(said: u32) -> RelaySign {
    RelaySign::Content { said }
}

#[test]
fn each_event_of_an_answer_has_its_sign_and_the_end_brings_all_figures() {
    let usage = Usage {
        input_tokens: 25,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 9,
        reasoning_tokens: 6,
        ..Usage::default()
    };
    let started = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let told = [
        (
            json!({"type": "message_start", "message": {"id": "msg_1", "usage":
                {"input_tokens": 25, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}}}),
            RelaySign::Lifecycle,
        ),
        (json!({"type": "ping"}), RelaySign::Lifecycle),
        (json!({"type": "comes_later", "with": []}), RelaySign::Lifecycle),
        (
            started(json!({"type": "thinking", "thinking": "", "signature": ""})),
            RelaySign::Lifecycle,
        ),
        (
            grown(json!({"type": "thinking_delta", "thinking": "hmm"})),
            said(3),
        ),
        (
            grown(json!({"type": "signature_delta", "signature": "EqQB"})),
            said(0),
        ),
        (
            json!({"type": "content_block_stop", "index": 0}),
            RelaySign::Lifecycle,
        ),
        (
            started(json!({"type": "redacted_thinking", "data": "x"})),
            said(0),
        ),
        (started(json!({"type": "text", "text": ""})), RelaySign::Lifecycle),
        (started(json!({"type": "text", "text": "Hi"})), said(2)),
        (
            grown(json!({"type": "text_delta", "text": ""})),
            RelaySign::Lifecycle,
        ),
        (grown(json!({"type": "text_delta", "text": "there"})), said(5)),
        (grown(json!({"type": "citations_delta", "citation": {}})), said(0)),
        (
            started(json!({"type": "tool_use", "id": "t1", "name": "add", "input": {}})),
            said(5),
        ),
        (
            grown(json!({"type": "input_json_delta", "partial_json": ""})),
            RelaySign::Lifecycle,
        ),
        (
            grown(json!({"type": "input_json_delta", "partial_json": "{}"})),
            said(2),
        ),
        (
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
                "usage": {"output_tokens": 15, "output_tokens_details": {"thinking_tokens": 6}}}),
            RelaySign::Finished(FinishReason::ToolCalls),
        ),
        (
            json!({"type": "message_stop"}),
            RelaySign::End {
                finish: FinishReason::ToolCalls,
                usage: Some(usage),
            },
        ),
    ];
    let (events, expected): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    assert_eq!(signs(&events).unwrap(), expected);
}

#[test]
fn an_end_without_a_reason_and_a_stream_without_an_end_are_truncated() {
    let stop = json!({"type": "message_stop"});
    assert_eq!(signs(&[stop]), Err(FaultClass::Transient));
    let mut watcher = watcher();
    let ended = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}});
    assert!(watcher.event(ended.to_string().as_bytes()).is_ok());
    assert_eq!(watcher.end().unwrap_err().class, FaultClass::Transient);
}

#[test]
fn an_end_after_a_call_is_one_for_its_sake_whatever_the_server_calls_it() {
    let call = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}});
    let ended = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}});
    assert_eq!(
        signs(&[call, ended]).unwrap()[1],
        RelaySign::Finished(FinishReason::ToolCalls)
    );
}

#[test]
fn errors_and_what_can_t_be_read_are_faults_of_their_kind() {
    for (event, class) in [
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            FaultClass::Overloaded,
        ),
        (json!({"delta": 1}), FaultClass::Transient),
        (json!([]), FaultClass::Transient),
        (grown(json!({"type": "text_delta"})), FaultClass::Transient),
    ] {
        assert_eq!(signs(std::slice::from_ref(&event)), Err(class), "{event}");
    }
}

#[test]
fn a_whole_body_is_an_end_or_a_fault() {
    let whole = |body: Value| {
        watcher()
            .whole(body.to_string().as_bytes())
            .map_err(|fault| fault.class)
    };
    let message = |reason: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": reason,
            "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 2, "output_tokens": 1}})
    };
    let usage = Usage {
        input_tokens: 2,
        output_tokens: 1,
        ..Usage::default()
    };
    assert_eq!(
        whole(message(json!("refusal"))),
        Ok(RelaySign::End {
            finish: FinishReason::ContentFilter,
            usage: Some(usage)
        })
    );
    assert_eq!(whole(message(Value::Null)), Err(FaultClass::Transient));
    let mut calling = message(json!("end_turn"));
    calling["content"] =
        json!([{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]);
    let end = |finish| RelaySign::End {
        finish,
        usage: Some(usage),
    };
    assert_eq!(whole(calling.clone()), Ok(end(FinishReason::ToolCalls)));
    calling["stop_reason"] = json!("max_tokens");
    assert_eq!(whole(calling), Ok(end(FinishReason::Length)));
    assert_eq!(whole(message(json!("end_turn"))), Ok(end(FinishReason::Stop)));
    let error = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}});
    assert_eq!(whole(error), Err(FaultClass::Throttled));
    assert_eq!(whole(json!({"text": "hi"})), Err(FaultClass::Transient));
}

#[test]
fn the_deltas_that_servers_write_are_known_without_parsing() {
    for (event, expected) in [
        (
            r#"{"type":"content_block_delta","index":12,"delta":{"type":"text_delta","text":"a\"b"}}"#,
            Some(said(4)),
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eq"}}"#,
            Some(said(0)),
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#,
            None,
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"cut"#,
            None,
        ),
        (
            r#"{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}"#,
            None,
        ),
        (r#"{"type":"error","error":{}}"#, None),
    ] {
        let sign = delta(event.as_bytes()).map(|(sign, _)| sign);
        assert_eq!(sign, expected, "{event}");
    }
}

fn any_delta() -> impl Strategy<Value = Value> {
    let text = "(\\PC|[\"\\\\\n]){0,20}";
    prop_oneof![
        text.prop_map(|t| json!({"type": "text_delta", "text": t})),
        text.prop_map(|t| json!({"type": "thinking_delta", "thinking": t})),
        text.prop_map(|t| json!({"type": "input_json_delta", "partial_json": t})),
        text.prop_map(|t| json!({"type": "signature_delta", "signature": t})),
        text.prop_map(|t| json!({"type": "text_delta", "text": t, "more": {"type": "error"}})),
        Just(json!({"type": "citations_delta", "citation": {"text": "}}"}})),
    ]
}

proptest! {
    #[test]
    fn what_is_read_from_bytes_is_what_a_parser_reads(delta in any_delta(), index in 0..300u32, spaced in any::<bool>()) {
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        let text = if spaced { serde_json::to_string_pretty(&event).unwrap() } else { event.to_string() };
        let seen = watcher().event(text.as_bytes()).unwrap();
        let parsed = watcher().parsed(text.as_bytes()).unwrap();
        match (seen, parsed) {
            // Escapes are counted as they are written.
            (RelaySign::Content { said: seen }, RelaySign::Content { said: parsed }) => {
                prop_assert!(seen >= parsed && (parsed > 0 || seen == 0), "{} {}", seen, parsed);
            }
            (seen, parsed) => prop_assert_eq!(seen, parsed),
        }
    }

    #[test]
    fn nothing_that_comes_breaks_it(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("{\"type\":\"content_block_delta\",\"index\":".to_owned()),
                Just(",\"delta\":{\"type\":\"".to_owned()),
                Just("text_delta\",\"text\":\"".to_owned()),
                Just("\"}}".to_owned()),
                "\\PC{0,8}",
            ],
            0..8,
        ),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut watcher = watcher();
        let _ = watcher.event(pieces.concat().as_bytes());
        let _ = watcher.event(&bytes);
        let _ = watcher.whole(&bytes);
    }
}
