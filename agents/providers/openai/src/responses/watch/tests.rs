use std::collections::VecDeque;

use greenroom_kernel::{FaultClass, FinishReason, Reach, Usage};
use greenroom_provider_http::Assembler as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::classify::WIRE;
use crate::responses::Assembler;

fn watcher() -> ResponsesWatcher {
    ResponsesWatcher::new(Faults::new("p", "http://h", None, &WIRE), "m")
}

fn sign(event: &Value) -> Result<RelaySign, ProviderFault> {
    watcher().event(event.to_string().as_bytes())
}

fn said(said: u32) -> Result<RelaySign, ProviderFault> {
    Ok(RelaySign::Content { said })
}

const LIFECYCLE: Result<RelaySign, ProviderFault> = Ok(RelaySign::Lifecycle);

#[test]
fn what_the_model_says_thinks_and_calls_is_content_by_its_length() {
    for kind in [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta",
        "response.function_call_arguments.delta",
    ] {
        // Told with its type first, as OpenAI does, and last, as others do.
        for event in [
            json!({"type": kind, "delta": "Hi \n", "x": 1}),
            json!({"delta": "Hi \n", "type": kind}),
        ] {
            assert_eq!(sign(&event), said(5), "{event}");
        }
        assert_eq!(sign(&json!({"type": kind, "delta": ""})), LIFECYCLE, "{kind}");
    }
}

#[test]
fn what_only_frames_an_answer_is_held_back() {
    for event in [
        json!({"type": "response.created", "response": {"status": "in_progress"}}),
        json!({"type": "response.in_progress", "response": {}}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "arguments": ""}}),
        json!({"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}}),
        json!({"type": "response.reasoning_summary_part.added", "summary_index": 0}),
        json!({"type": "response.output_item.done", "item": {"type": "reasoning", "summary": [], "encrypted_content": "g"}}),
        json!({"type": "keepalive"}),
        json!({}),
    ] {
        assert_eq!(sign(&event), LIFECYCLE, "{event}");
    }
    assert_eq!(watcher().event(b"[DONE]"), LIFECYCLE);
}

#[test]
fn an_item_that_was_not_told_in_pieces_is_content_when_it_is_done() {
    let call =
        json!({"type": "response.output_item.done", "item": {"type": "function_call", "arguments": "{}"}});
    assert_eq!(sign(&call), said(2));
    let message = json!({"type": "response.output_item.done", "item": {"type": "message", "content": [
        {"type": "output_text", "text": "abc"}, {"type": "refusal", "refusal": "d"}]}});
    assert_eq!(sign(&message), said(4));

    let mut watcher = watcher();
    let piece = json!({"type": "response.output_text.delta", "delta": "abcd"});
    assert_eq!(watcher.event(piece.to_string().as_bytes()), said(4));
    assert_eq!(watcher.event(message.to_string().as_bytes()), said(0));
}

#[test]
fn a_tool_that_the_provider_runs_is_content_since_a_second_try_would_run_it_twice() {
    let event = json!({"type": "response.mcp_call.in_progress", "item_id": "mcp_1"});
    assert_eq!(sign(&event), said(0));
}

#[test]
fn the_last_event_is_the_end_with_its_figures() {
    let response = |status: &str, more: Value| {
        let mut response = json!({"id": "resp_1", "status": status, "error": null, "output": [], "usage": {
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 11}});
        for (name, value) in more.as_object().unwrap() {
            response[name] = value.clone();
        }
        response
    };
    let usage = Some(Usage {
        input_tokens: 5,
        cached_input_tokens: 4,
        output_tokens: 1,
        reasoning_tokens: 1,
        ..Usage::default()
    });
    for (kind, response, finish) in [
        (
            "response.completed",
            response("completed", json!({})),
            FinishReason::Stop,
        ),
        (
            "response.completed",
            response(
                "completed",
                json!({"output": [{"type": "message"}, {"type": "function_call"}]}),
            ),
            FinishReason::ToolCalls,
        ),
        (
            "response.incomplete",
            response(
                "incomplete",
                json!({"incomplete_details": {"reason": "max_output_tokens"}}),
            ),
            FinishReason::Length,
        ),
        (
            "response.incomplete",
            response(
                "incomplete",
                json!({"incomplete_details": {"reason": "content_filter"}}),
            ),
            FinishReason::ContentFilter,
        ),
    ] {
        let end = Ok(RelaySign::End { finish, usage });
        assert_eq!(sign(&json!({"type": kind, "response": response})), end);
        assert_eq!(watcher().whole(response.to_string().as_bytes()), end);
    }
}

#[test]
fn words_of_the_caller_in_the_last_event_are_not_taken_for_events() {
    let event = json!({"type": "response.completed", "response": {"status": "completed",
        "tools": [{"parameters": {"type": "response.output_text.delta", "delta": "x"}}]}});
    assert!(matches!(sign(&event), Ok(RelaySign::End { .. })));
}

#[test]
fn failures_are_faults_and_a_missing_end_is_one() {
    let failed = json!({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}});
    assert_eq!(
        sign(&json!({"type": "response.failed", "response": failed}))
            .unwrap_err()
            .class,
        FaultClass::Throttled
    );
    assert_eq!(
        sign(&json!({"type": "error", "code": "server_error", "message": "m"}))
            .unwrap_err()
            .class,
        FaultClass::Transient
    );
    assert_eq!(
        sign(&json!({"error": {"code": "invalid_prompt", "message": "m"}}))
            .unwrap_err()
            .class,
        FaultClass::BadRequest
    );
    assert_eq!(
        watcher().whole(failed.to_string().as_bytes()).unwrap_err().class,
        FaultClass::Throttled
    );
    assert_eq!(watcher().whole(b"{}").unwrap_err().class, FaultClass::Transient);
    assert!(watcher().whole(b"<html>").is_err());
    assert!(watcher().event(b"{\"type\":").is_err());
    assert_eq!(watcher().end().unwrap_err().class, FaultClass::Transient);
}

#[test]
fn a_response_that_runs_in_the_background_is_an_answer() {
    let queued = json!({"id": "resp_1", "status": "queued", "output": [], "usage": null});
    assert_eq!(
        watcher().whole(queued.to_string().as_bytes()),
        Ok(RelaySign::End {
            finish: FinishReason::Stop,
            usage: None
        })
    );
}

proptest! {
    #[test]
    fn the_quick_look_sees_what_the_full_read_sees(text in "\\PC{0,12}|[\\\\\"\n\t\u{1}a]{0,8}") {
        let quick = json!({"type": "response.output_text.delta", "item_id": "m\"delta\":\"x", "delta": text, "logprobs": []});
        let slow = json!({"item_id": "m", "delta": text, "type": "response.output_text.delta"});
        prop_assert_eq!(sign(&quick), sign(&slow));
        prop_assert_eq!(sign(&quick) == LIFECYCLE, text.is_empty());
    }

    #[test]
    fn arbitrary_bytes_never_break_it(rest in prop::collection::vec(any::<u8>(), 0..60), text: bool) {
        let begin: &[u8] = if text { TEXT_BEGINS } else { b"" };
        let data = [begin, &rest].concat();
        let _ = watcher().event(&data);
        let _ = watcher().whole(&data);
    }

    #[test]
    fn arbitrary_events_never_break_it(events in prop::collection::vec(super::super::strange::event(), 0..6)) {
        let mut watcher = watcher();
        for event in &events {
            let _ = watcher.event(event.to_string().as_bytes());
            let _ = watcher.whole(event.to_string().as_bytes());
        }
    }
}

/// What is told of the usage with an event, which both readers agree on.
fn told(event: &Value) -> Option<Reported> {
    let (mut watcher, data) = (watcher(), event.to_string());
    let mut assembler = Assembler::new(Faults::new("p", "http://h", None, &WIRE), "m");
    let _ = watcher.event(data.as_bytes());
    let _ = assembler.take(data.as_bytes(), &mut VecDeque::new());
    let told = watcher.figures();
    assert_eq!(told, assembler.figures(), "{event}");
    told
}

#[test]
fn figures_are_told_with_whatever_event_has_them() {
    let event = |kind: &str, status: &str, usage: Value| {
        let error = (status == "failed").then(|| json!({"code": "server_error", "message": "broke"}));
        json!({"type": kind, "response": {"status": status, "error": error, "usage": usage}})
    };
    let usage = json!({"input_tokens": 36, "input_tokens_details": {"cached_tokens": 6}, "output_tokens": 7});
    let reported = |output_tokens, output| {
        let usage = Usage {
            input_tokens: 30,
            cached_input_tokens: 6,
            output_tokens,
            ..Usage::default()
        };
        Some(Reported { usage, output })
    };
    for (kind, status, reach) in [
        ("response.in_progress", "in_progress", Reach::Until { ahead: 0 }),
        ("response.failed", "failed", Reach::Whole),
        ("response.completed", "failed", Reach::Whole),
        ("response.completed", "completed", Reach::Whole),
        ("response.incomplete", "incomplete", Reach::Whole),
    ] {
        assert_eq!(
            told(&event(kind, status, usage.clone())),
            reported(7, reach),
            "{kind}"
        );
        assert_eq!(told(&event(kind, status, Value::Null)), None, "{kind}");
    }
    let input = json!({"input_tokens": 36, "input_tokens_details": {"cached_tokens": 6}});
    let begun = event("response.created", "in_progress", input);
    assert_eq!(told(&begun), reported(0, Reach::Begun));
    let mut watcher = watcher();
    let failed = json!({"status": "failed", "output": [], "usage": usage});
    watcher.whole(failed.to_string().as_bytes()).unwrap_err();
    assert_eq!(watcher.figures(), reported(7, Reach::Whole));
}
