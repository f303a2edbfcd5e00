//! What is told of an answer's usage before its end, by both who read it.

use greenroom_kernel::{Reach, Reported};
use greenroom_provider_http::Watcher as _;
use serde_json::Value;

use super::*;
use crate::watch::MessagesWatcher;

fn faults() -> Faults {
    Faults::new("p", "http://h", None, &crate::classify::WIRE)
}

/// What is told after each event, which both readers agree on.
fn told(events: &[Value]) -> Vec<Option<Reported>> {
    let mut watcher = MessagesWatcher::new(faults(), "m");
    let mut assembler = Assembler::new(faults(), "m", false);
    let tell = |event: &Value| {
        let data = event.to_string();
        let _ = watcher.event(data.as_bytes());
        let _ = assembler.take(data.as_bytes(), &mut VecDeque::new());
        let told = watcher.figures();
        assert_eq!(told, assembler.figures(), "{event}");
        told
    };
    events.iter().map(tell).collect()
}

fn started() -> Value {
    json!({"type": "message_start", "message": {"usage":
        {"input_tokens": 25, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}}})
}

fn delta(reason: Option<&str>, usage: Value) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage})
}

fn reported(output_tokens: u64, reasoning_tokens: u64, output: Reach) -> Option<Reported> {
    let usage = Usage {
        input_tokens: 25,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens,
        reasoning_tokens,
        ..Usage::default()
    };
    Some(Reported { usage, output })
}

#[test]
fn the_beginning_tells_the_input_and_each_delta_the_output_until_it() {
    let text =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}});
    let thinking = json!({"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}});
    let events = [
        started(),
        text.clone(),
        delta(None, json!({"output_tokens": 12})),
        text,
        delta(Some("end_turn"), thinking),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(
        told(&events),
        [
            reported(1, 0, Reach::Begun),
            None,
            reported(12, 0, Reach::Until { ahead: 0 }),
            None,
            reported(10, 20, Reach::Whole),
            None,
        ]
    );
}

#[test]
fn an_end_without_its_output_leaves_it_open() {
    let events = [started(), delta(Some("end_turn"), json!({}))];
    assert_eq!(told(&events)[1], reported(1, 0, Reach::Begun));
    assert_eq!(told(&[delta(Some("end_turn"), Value::Null)]), [None]);
}

#[test]
fn a_body_that_is_no_whole_answer_tells_what_it_took() {
    let mut watcher = MessagesWatcher::new(faults(), "m");
    let body = json!({"type": "message", "content": [], "stop_reason": null, "usage":
        {"input_tokens": 25, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 9}});
    watcher.whole(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(watcher.figures(), reported(9, 0, Reach::Whole));
}
