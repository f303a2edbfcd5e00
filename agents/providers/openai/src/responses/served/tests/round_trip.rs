//! What we write, we read: the dialect's stream through this wire's adapter and watcher.

use std::collections::VecDeque;

use greenroom_kernel::{ModelEvent, RelaySign};
use greenroom_provider_http::{Assembler as _, Faults, Watcher as _};
use proptest::prelude::*;

use super::*;
use crate::classify::WIRE;
use crate::responses::{Assembler, ResponsesRequest, ResponsesWatcher};

fn faults() -> Faults {
    Faults::new("p", "http://h", None, &WIRE)
}

/// The answer as a caller's adapter puts it together.
fn assembled(events: &[(String, Value)]) -> ModelAnswer {
    let mut assembler = Assembler::new(faults(), "m");
    let mut out = VecDeque::new();
    for (_, event) in events {
        assembler.take(event.to_string().as_bytes(), &mut out).unwrap();
    }
    assembler.end(&mut out).unwrap();
    let mut got = ModelAnswer {
        content: String::new(),
        reasoning: Vec::new(),
        tool_calls: Vec::new(),
        usage: Usage::default(),
        ..answer()
    };
    for event in out {
        match event {
            ModelEvent::Content(more) => got.content.push_str(&more),
            ModelEvent::Reasoned(thought) => got.reasoning.push(thought),
            ModelEvent::ToolCall(call) => got.tool_calls.push(call),
            ModelEvent::End { finish, usage } => (got.finish, got.usage) = (finish, usage.unwrap()),
            ModelEvent::Thinking(_) | ModelEvent::Progress | ModelEvent::Quota(_) | ModelEvent::Used(_) => {}
        }
    }
    got
}

fn any_answer() -> impl Strategy<Value = ModelAnswer> {
    let call = ("[a-z0-9]{1,4}", "[a-z]{1,4}").prop_map(|(id, key)| ToolCall {
        id,
        name: "add".to_owned(),
        arguments: json!({ key: 1 }).to_string(),
    });
    let tokens = || 0..1000_u64;
    (
        "\\PC{0,20}",
        prop::option::of("\\PC{1,20}"),
        prop::collection::vec(call, 0..3),
        any::<bool>(),
        (tokens(), tokens(), tokens(), tokens(), tokens()),
    )
        .prop_map(|(content, thought, tool_calls, cut, tokens)| ModelAnswer {
            finish: match (cut, tool_calls.is_empty()) {
                (_, false) => FinishReason::ToolCalls,
                (true, true) => FinishReason::Length,
                (false, true) => FinishReason::Stop,
            },
            content,
            reasoning: thought
                .map(|text| Reasoning { text, seal: None })
                .into_iter()
                .collect(),
            tool_calls,
            usage: Usage {
                input_tokens: tokens.0,
                cached_input_tokens: tokens.1,
                cache_write_tokens: tokens.2,
                output_tokens: tokens.3,
                reasoning_tokens: tokens.4,
                ..Usage::default()
            },
            ..answer()
        })
}

/// `told`, whose split may not fall on the border of a letter.
fn pieces(answer: &ModelAnswer) -> Vec<CallEvent> {
    let whole = ModelAnswer {
        content: String::new(),
        ..answer.clone()
    };
    let mut events = told(&whole);
    let end = events.pop();
    let at = events.len() - answer.tool_calls.len();
    let letters = answer.content.chars().map(|letter| text(&letter.to_string()));
    events.splice(at..at, letters);
    events.extend(end.map(|_| CallEvent::End(Box::new(answer.clone()))));
    events
}

proptest! {
    #[test]
    fn a_streamed_answer_is_read_back_as_it_was(answer in any_answer()) {
        let events = stream(&json!({"input": "hi"}), &pieces(&answer));
        prop_assert_eq!(assembled(&events), answer);
    }

    #[test]
    fn a_relay_sees_the_content_and_the_end_of_what_we_write(answer in any_answer()) {
        let events = stream(&json!({"input": "hi"}), &pieces(&answer));
        let mut watcher = ResponsesWatcher::new(faults(), "m");
        let mut said = 0;
        let mut end = None;
        for (_, event) in &events {
            match watcher.event(event.to_string().as_bytes()).unwrap() {
                RelaySign::Content { said: more } => said += more as usize,
                RelaySign::End { finish, usage } => end = Some((finish, usage)),
                RelaySign::Lifecycle | RelaySign::Used(_) | RelaySign::Finished(_) => {}
            }
        }
        let thoughts: usize = answer.reasoning.iter().map(|thought| thought.text.len()).sum();
        let calls: usize = answer.tool_calls.iter().map(|call| call.arguments.len()).sum();
        let least = answer.content.len() + thoughts + calls;
        prop_assert!((least..=least * 6).contains(&said), "{said} of {least}");
        prop_assert_eq!(end, Some((answer.finish, Some(answer.usage))));
        let body = whole(&json!({"input": "hi"}), &answer).to_string();
        let sign = RelaySign::End { finish: answer.finish, usage: Some(answer.usage) };
        prop_assert_eq!(watcher.whole(body.as_bytes()), Ok(sign));
    }

    /// A conversation that came in by this wire goes out by it as it was.
    #[test]
    fn a_request_is_read_as_it_was_sent(texts in prop::collection::vec("[a-z]{1,5}", 1..6)) {
        let roles = ["user", "assistant"];
        let input: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| json!({"role": roles[at % 2], "content": text}))
            .collect();
        let body = json!({"model": "m", "input": input, "instructions": "i", "max_output_tokens": 7});
        let request = read(&body).unwrap();
        let sent = serde_json::to_value(ResponsesRequest::new("m", &request, true, "p").unwrap()).unwrap();
        for name in ["model", "input", "instructions", "max_output_tokens"] {
            prop_assert_eq!(&sent[name], &body[name]);
        }
    }
}
