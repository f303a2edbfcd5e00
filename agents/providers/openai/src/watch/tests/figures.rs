//! What is told of an answer's usage before its end, by both who read it.

use std::collections::VecDeque;

use greenroom_kernel::Reach;
use greenroom_provider_http::Assembler as _;
use serde_json::json;

use super::*;
use crate::assemble::Assembler;

/// What is told after each event, which both readers agree on.
fn told(events: &[String]) -> Vec<Option<Reported>> {
    let (mut watcher, mut assembler) = (watcher(), Assembler::new(faults(), "m"));
    let tell = |event: &String| {
        let _ = watcher.event(event.as_bytes());
        let _ = assembler.take(event.as_bytes(), &mut VecDeque::new());
        let told = watcher.figures();
        assert_eq!(told, assembler.figures(), "{event}");
        told
    };
    events.iter().map(tell).collect()
}

fn chunk(text: &str, finish: Option<&str>, usage: Value) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], "usage": usage})
        .to_string()
}

fn usage(completion: u64) -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": 4}})
}

fn reported(output_tokens: u64, output: Reach) -> Option<Reported> {
    let usage = Usage {
        input_tokens: 5,
        cached_input_tokens: 4,
        output_tokens,
        ..Usage::default()
    };
    Some(Reported { usage, output })
}

const SO_FAR: Reach = Reach::Until { ahead: 0 };

#[test]
fn the_last_chunk_before_the_end_tells_all() {
    let events = [
        chunk("Hi", None, Value::Null),
        chunk("", Some("stop"), Value::Null),
        json!({"choices": [], "usage": usage(2)}).to_string(),
        "[DONE]".to_owned(),
    ];
    assert_eq!(told(&events), [None, None, reported(2, Reach::Whole), None]);
}

#[test]
fn a_server_that_counts_all_along_is_heard_all_along() {
    let events = [
        chunk("", None, usage(0)),
        chunk("Hi", None, usage(1)),
        chunk(" there", None, usage(3)),
        chunk("", Some("stop"), usage(4)),
    ];
    assert_eq!(
        told(&events),
        [
            reported(0, SO_FAR),
            reported(1, SO_FAR),
            reported(3, SO_FAR),
            reported(4, Reach::Whole),
        ]
    );
}

#[test]
fn a_count_of_the_prompt_alone_leaves_the_output_open() {
    let prompt = json!({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}});
    let events = [chunk("Hi", Some("stop"), prompt)];
    assert_eq!(told(&events), [reported(0, Reach::Begun)]);
}

#[test]
fn what_breaks_an_answer_may_tell_what_it_took() {
    let error = json!({"message": "overloaded", "code": 503});
    for event in [
        json!({"choices": [], "error": error, "usage": usage(2)}).to_string(),
        chunk("", Some("error"), usage(2)),
    ] {
        assert_eq!(told(&[event]), [reported(2, SO_FAR)]);
    }
    let mut watcher = watcher();
    let body = json!({"choices": [{"index": 0, "message": {}, "finish_reason": "error"}], "usage": usage(2)});
    watcher.whole(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(watcher.figures(), reported(2, SO_FAR));
}
