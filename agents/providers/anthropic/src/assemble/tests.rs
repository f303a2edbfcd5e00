mod bounds;
mod figures;
mod thoughts;

use greenroom_kernel::{FaultClass, Usage};
use greenroom_provider_http::Assembler as _;
use serde_json::json;

use super::*;

const STOP: &str = r#"{"type":"message_stop"}"#;

fn run(events: &[&str]) -> Result<Vec<ModelEvent>, FaultClass> {
    assembled(events, false)
}

fn assembled(events: &[&str], document: bool) -> Result<Vec<ModelEvent>, FaultClass> {
    let mut out = VecDeque::new();
    let mut assembler = Assembler::new(
        Faults::new("p", "http://h", None, &crate::classify::WIRE),
        "m",
        document,
    );
    for event in events {
        assembler
            .take(event.as_bytes(), &mut out)
            .map_err(|fault| fault.class)?;
    }
    assembler.end(&mut out).map_err(|fault| fault.class)?;
    Ok(out.into())
}

fn shown(events: &[&str]) -> Result<Vec<ModelEvent>, FaultClass> {
    let mut events = run(events)?;
    events.retain(|event| *event != ModelEvent::Progress);
    Ok(events)
}

fn call(id: &str, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    })
}

fn end(finish: FinishReason) -> ModelEvent {
    ModelEvent::End { finish, usage: None }
}

fn stopped(reason: &str) -> String {
    json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}}).to_string()
}

#[test]
fn every_stop_reason_has_its_meaning() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("pause_turn", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("one_that_comes_later", FinishReason::Stop),
    ] {
        assert_eq!(
            shown(&[&stopped(reason), STOP]).unwrap(),
            [end(expected)],
            "{reason}"
        );
    }
}

#[test]
fn only_message_stop_after_a_reason_makes_an_answer_whole() {
    let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#;
    let ended = stopped("end_turn");
    assert!(shown(&[text, &ended, STOP]).is_ok());
    for cut in [&[text, ended.as_str()][..], &[text, STOP], &[text], &[STOP], &[]] {
        assert_eq!(shown(cut), Err(FaultClass::Transient), "{cut:?}");
    }
}

#[test]
fn interleaved_calls_are_put_together_by_index_whether_their_input_streams_or_not() {
    let started = |index: u32, id: &str, input: Value| {
        json!({"type": "content_block_start", "index": index,
            "content_block": {"type": "tool_use", "id": id, "name": "add", "input": input}})
        .to_string()
    };
    let grown = |index: u32, part: &str| {
        json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "input_json_delta", "partial_json": part}})
        .to_string()
    };
    let events = [
        started(1, "a", json!({})),
        started(2, "b", json!({})),
        grown(1, ""),
        grown(2, "{\"y\""),
        grown(1, "{\"x\":1}"),
        grown(2, ":2}"),
        grown(9, "{\"of\":\"nobody's\"}"),
        started(3, "c", json!({"z": 3})),
        started(4, "d", json!({})),
        stopped("tool_use"),
        STOP.to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(
        shown(&events).unwrap(),
        [
            call("a", "add", "{\"x\":1}"),
            call("b", "add", "{\"y\":2}"),
            call("c", "add", "{\"z\":3}"),
            call("d", "add", "{}"),
            end(FinishReason::ToolCalls),
        ]
    );
}

#[test]
fn a_call_cut_off_by_the_bound_or_a_refusal_is_not_told() {
    let begun = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#;
    for (reason, finish) in [
        ("max_tokens", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
    ] {
        assert_eq!(shown(&[begun, &stopped(reason), STOP]).unwrap(), [end(finish)]);
    }
}

#[test]
fn what_is_not_shown_is_progress_and_what_is_unknown_is_nothing() {
    for unseen in [
        r#"{"type":"ping"}"#,
        r#"{"type":"message_start","message":{"id":"msg_1","content":[]}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"x"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
    ] {
        let events = run(&[unseen, &stopped("end_turn"), STOP]).unwrap();
        assert_eq!(events[0], ModelEvent::Progress, "{unseen}");
    }
    for nothing in [
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"an_event_that_comes_later","with":["fields"]}"#,
    ] {
        let events = run(&[nothing, &stopped("end_turn"), STOP, "not json, but after the end"]);
        assert_eq!(events.unwrap(), [end(FinishReason::Stop)], "{nothing}");
    }
}

#[test]
fn figures_are_the_last_that_came_and_their_classes_are_disjoint() {
    let events = run(&[
        r#"{"type":"message_start","message":{"usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15,"cache_read_input_tokens":null}}"#,
        STOP,
    ])
    .unwrap();
    let usage = Usage {
        input_tokens: 25,
        cache_write_tokens: 100,
        cached_input_tokens: 1000,
        output_tokens: 15,
        ..Usage::default()
    };
    let finish = FinishReason::Stop;
    assert_eq!(
        events.last(),
        Some(&ModelEvent::End {
            finish,
            usage: Some(usage)
        })
    );
}

#[test]
fn an_error_event_is_a_fault_of_its_kind() {
    for (kind, expected) in [
        ("overloaded_error", FaultClass::Overloaded),
        ("api_error", FaultClass::Transient),
        ("rate_limit_error", FaultClass::Throttled),
        ("invalid_request_error", FaultClass::BadRequest),
    ] {
        let event = json!({"type": "error", "error": {"type": kind, "message": "x"}}).to_string();
        assert_eq!(run(&[&event]), Err(expected), "{kind}");
    }
}

#[test]
fn what_breaks_the_contract_is_a_fault() {
    let nameless =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","input":{}}}"#;
    assert_eq!(
        run(&[nameless, &stopped("tool_use"), STOP]),
        Err(FaultClass::Transient)
    );
    for malformed in [
        "",
        "[]",
        "{}",
        r#"{"type":"content_block_delta"}"#,
        r#"{"type":"ping""#,
    ] {
        assert_eq!(run(&[malformed]), Err(FaultClass::Transient), "{malformed}");
    }
}

#[test]
fn a_finished_document_that_is_no_json_is_no_answer() {
    let part = |text: &str| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
            .to_string()
    };
    let document = |second: &str, reason: &str| {
        assembled(&[&part("{\"a\":"), &part(second), &stopped(reason), STOP], true)
    };
    assert!(document(" 1}", "end_turn").is_ok());
    assert_eq!(document(" Ada is", "end_turn"), Err(FaultClass::BadRequest));
    // One that was cut need not have the form, and one that was not asked for has none.
    assert!(document(" 1", "max_tokens").is_ok());
    assert!(run(&[&part("Ada is"), &stopped("end_turn"), STOP]).is_ok());
}
