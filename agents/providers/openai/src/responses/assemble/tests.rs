use greenroom_kernel::Seal;
use greenroom_provider_http::Assembler as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::classify::WIRE;

fn assembled(events: &[Value]) -> (Vec<ModelEvent>, Result<(), ProviderFault>) {
    let mut assembler = Assembler::new(Faults::new("p", "http://h", None, &WIRE), "m");
    let mut out = VecDeque::new();
    let outcome = events
        .iter()
        .try_for_each(|event| assembler.take(event.to_string().as_bytes(), &mut out));
    let outcome = outcome.and_then(|()| assembler.end(&mut out));
    (out.into(), outcome)
}

fn whole(events: &[Value]) -> Vec<ModelEvent> {
    let (told, outcome) = assembled(events);
    outcome.unwrap();
    told.into_iter().filter(|e| *e != ModelEvent::Progress).collect()
}

fn fault(events: &[Value]) -> ProviderFault {
    assembled(events).1.unwrap_err()
}

fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "status": "in_progress", "output": []}})
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text,
           "logprobs": [], "sequence_number": 4})
}

fn completed() -> Value {
    json!({"type": "response.completed", "sequence_number": 9, "response": {"id": "resp_1", "status": "completed", "error": null,
        "incomplete_details": null, "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi there"}]}],
        "usage": {"input_tokens": 36, "input_tokens_details": {"cached_tokens": 6}, "output_tokens": 87,
                  "output_tokens_details": {"reasoning_tokens": 80}, "total_tokens": 123}}})
}

fn usage() -> Option<Usage> {
    Some(Usage {
        input_tokens: 30,
        cached_input_tokens: 6,
        output_tokens: 7,
        reasoning_tokens: 80,
        ..Usage::default()
    })
}

fn end(finish: FinishReason) -> ModelEvent {
    ModelEvent::End {
        finish,
        usage: usage(),
    }
}

fn text(text: &str) -> ModelEvent {
    ModelEvent::Content(text.to_owned())
}

#[test]
fn text_comes_piece_by_piece_and_is_not_told_again_at_the_end() {
    let message = json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message",
        "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi there", "annotations": []}]}});
    let refused = json!({"type": "response.refusal.delta", "delta": " no"});
    let events = [
        created(),
        delta("Hi"),
        delta(""),
        delta(" there"),
        refused,
        message,
        completed(),
    ];
    assert_eq!(
        whole(&events),
        [text("Hi"), text(" there"), text(" no"), end(FinishReason::Stop)]
    );
}

#[test]
fn an_answer_that_is_only_told_whole_is_told() {
    assert_eq!(
        whole(&[created(), completed()]),
        [text("Hi there"), end(FinishReason::Stop)]
    );
    let message = json!({"type": "response.output_item.done", "item": {"type": "message",
        "content": [{"type": "output_text", "text": "Hi "}, {"type": "refusal", "refusal": "there"}]}});
    assert_eq!(
        whole(&[created(), message, completed()]),
        [text("Hi "), text("there"), end(FinishReason::Stop)]
    );
}

#[test]
fn thoughts_are_shown_as_they_come_and_sealed_when_they_are_whole() {
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]});
    let part = |index: u64| json!({"type": "response.reasoning_summary_part.added", "summary_index": index});
    let events = [
        created(),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}}),
        part(0),
        json!({"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "one"}),
        part(1),
        json!({"type": "response.reasoning_summary_text.delta", "summary_index": 1, "delta": "two"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        delta("Hi"),
        completed(),
    ];
    let (told, outcome) = assembled(&events);
    outcome.unwrap();
    assert_eq!(told[0], ModelEvent::Progress);
    let thinking = |text: &str| ModelEvent::Thinking(text.to_owned());
    assert_eq!(
        told[1..],
        [
            thinking("one"),
            thinking("\n\n"),
            thinking("two"),
            ModelEvent::Reasoned(Reasoning {
                text: "one\n\ntwo".to_owned(),
                seal: Some(Seal {
                    family: "openai".to_owned(),
                    value: json!({"provider": "p", "item": item}),
                }),
            }),
            text("Hi"),
            end(FinishReason::Stop),
        ]
    );
}

#[test]
fn a_summary_alone_is_no_seal_and_a_thought_shown_whole_is_one() {
    let summary = thought(
        json!({"id": "rs_1", "encrypted_content": null, "summary": [{"text": "s"}]}),
        "p",
    );
    assert_eq!((summary.text.as_str(), summary.seal), ("s", None));
    let shown = thought(
        json!({"id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}),
        "p",
    );
    assert_eq!(shown.text, "t");
    assert!(shown.seal.is_some());
}

#[test]
fn tool_calls_are_told_once_the_answer_is_whole() {
    let call = |id: &str, name: &str, arguments: &str| {
        json!({"type": "response.output_item.done", "item": {"type": "function_call", "id": "fc_1", "call_id": id,
               "name": name, "arguments": arguments, "status": "completed"}})
    };
    let piece = json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{"});
    let events = [
        created(),
        piece,
        call("c1", "add", "{\"a\":1}"),
        call("c2", "now", ""),
        completed(),
    ];
    let called = |id: &str, name: &str, arguments: &str| {
        ModelEvent::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    };
    assert_eq!(
        whole(&events),
        [
            called("c1", "add", "{\"a\":1}"),
            called("c2", "now", "{}"),
            end(FinishReason::ToolCalls)
        ]
    );
    assert_eq!(
        fault(&[call("c1", "", "{}"), completed()]).class,
        greenroom_kernel::FaultClass::Transient
    );

    let cut = |reason: &str| {
        json!({"type": "response.incomplete", "response": {"status": "incomplete",
               "incomplete_details": {"reason": reason}, "output": []}})
    };
    for (reason, finish) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let told = whole(&[call("c1", "add", "{}"), cut(reason)]);
        assert_eq!(told, [ModelEvent::End { finish, usage: None }], "{reason}");
    }
}

#[test]
fn a_call_without_an_id_gets_one_that_no_other_answer_has() {
    let ids = || {
        let call =
            json!({"type": "response.output_item.done", "item": {"type": "function_call", "name": "f"}});
        let told = whole(&[call.clone(), call, completed()]);
        told.into_iter().filter_map(|event| match event {
            ModelEvent::ToolCall(call) => Some(call.id),
            _ => None,
        })
    };
    let made: std::collections::BTreeSet<_> = ids().chain(ids()).collect();
    assert_eq!(made.len(), 4, "{made:?}");
    assert!(made.iter().all(|id| id.starts_with("call_")), "{made:?}");
}

#[test]
fn failures_are_faults_of_their_own_class_in_every_shape() {
    use greenroom_kernel::FaultClass::{BadRequest, ContextLength, Overloaded, Throttled, Transient};
    for (event, class) in [
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "m"}}}),
            Transient,
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": null}}),
            Transient,
        ),
        (
            json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "m"}}}),
            Throttled,
        ),
        (
            json!({"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "m"}}}),
            BadRequest,
        ),
        (
            json!({"type": "error", "code": "context_length_exceeded", "message": "m", "param": null, "sequence_number": 3}),
            ContextLength,
        ),
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "code": null, "message": "m"}}),
            Overloaded,
        ),
        (
            json!({"error": {"type": "overloaded_error", "message": "m"}}),
            Overloaded,
        ),
        (json!({"type": "error"}), Transient),
        (
            json!({"type": "response.completed", "response": {"status": "failed"}}),
            Transient,
        ),
    ] {
        assert_eq!(
            fault(&[created(), delta("Hi"), event.clone()]).class,
            class,
            "{event}"
        );
    }
}

#[test]
fn an_answer_without_its_last_event_was_truncated() {
    let (told, outcome) = assembled(&[created(), delta("Hi")]);
    assert_eq!(told, [text("Hi")]);
    assert!(outcome.unwrap_err().message.contains("ended before"));
}

#[test]
fn what_comes_behind_the_end_and_what_nobody_knows_is_passed_over() {
    let events = [
        json!({"type": "response.output_text.annotation.added", "annotation": {}}),
        json!({"type": "keepalive", "sequence_number": 3}),
        json!({}),
        delta("Hi"),
        completed(),
        json!({"type": "response.failed", "response": {}}),
    ];
    assert_eq!(whole(&events), [text("Hi"), end(FinishReason::Stop)]);
}

#[test]
fn endless_names_ids_and_thoughts_are_a_fault() {
    let long = "x".repeat(1 << 19);
    for item in [
        json!({"type": "function_call", "call_id": "c", "name": &long}),
        json!({"type": "function_call", "call_id": &long, "name": "f"}),
        json!({"type": "reasoning", "summary": [], "encrypted_content": &long}),
    ] {
        let done = json!({"type": "response.output_item.done", "item": item});
        let mut events = vec![done; 9];
        events.push(completed());
        let (_, outcome) = assembled(&events);
        let message = outcome.unwrap_err().message;
        assert!(message.contains("more than"), "{message}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_break_it(data in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut assembler = Assembler::new(Faults::new("p", "http://h", None, &WIRE), "m");
        let _ = assembler.take(&data, &mut VecDeque::new());
    }

    #[test]
    fn arbitrary_events_never_break_it(events in prop::collection::vec(super::super::strange::event(), 0..6)) {
        let _ = assembled(&events);
    }
}
