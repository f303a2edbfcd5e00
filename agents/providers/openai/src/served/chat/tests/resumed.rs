//! A stream that a server of this wire began, gone on with.

use std::collections::VecDeque;

use bytes::Bytes;
use greenroom_kernel::{
    CallEvent, FinishReason, ModelAnswer, ModelEvent, Shown, ToolCall, Usage, WireFamily,
};
use greenroom_provider_http::{Assembler as _, Faults, HeaderMap, Notes, Watcher as _, peek};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::assemble::Assembler;
use crate::watch::ChatWatcher;

fn faults() -> Faults {
    Faults::new("p", "http://h/v1", None, &crate::classify::WIRE)
}

fn asked(figures: bool) -> Value {
    json!({"model": "m", "stream": true, "messages": [], "stream_options": {"include_usage": figures}})
}

/// What was shown in these events.
fn shown(events: &[impl AsRef<str>]) -> Option<Shown> {
    let body = Bytes::from(asked(true).to_string());
    let raw = peek(WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap().raw;
    let mut watcher = ChatWatcher::new(faults(), "m", &raw);
    let mut notes = Notes::default();
    for event in events {
        let data = event.as_ref().as_bytes();
        watcher.event(data).unwrap();
        notes.take(data, &watcher.seen());
    }
    watcher.reader()(&notes).filter(|_| !notes.is_over())
}

fn ended(content: String) -> CallEvent {
    CallEvent::End(Box::new(ModelAnswer {
        content,
        reasoning: Vec::new(),
        tool_calls: Vec::new(),
        finish: FinishReason::Length,
        usage: Usage {
            input_tokens: 7,
            ..Usage::default()
        },
        provider: "p".into(),
        model: "m".into(),
    }))
}

proptest! {
    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_one_answer(
        begun in prop::collection::vec("\\PC{1,12}", 1..5),
        more in prop::collection::vec("\\PC{1,12}", 0..4),
        cut in 1..5usize,
        thinks: bool,
        figures: bool,
    ) {
        let mut out = Vec::new();
        let mut first = writer(&asked(figures));
        first.begin(&mut out);
        if thinks {
            first.event(&CallEvent::Thinking("hm".into()), &mut out);
        }
        for text in &begun {
            first.event(&CallEvent::Text(text.clone()), &mut out);
        }
        let before = 1 + usize::from(thinks);
        let cut = cut.min(begun.len());
        let mut events: Vec<String> = super::events(&out).into_iter().take(before + cut).collect();
        let shown = shown(&events).unwrap();
        prop_assert_eq!(&shown.text, &begun[..cut].concat());
        prop_assert_eq!(shown.thoughts, thinks);

        let mut out = Vec::new();
        let mut rest = ChatDialect.resumed(asked(figures).to_string().as_bytes(), &shown).unwrap();
        for text in &more {
            rest.event(&CallEvent::Text(text.clone()), &mut out);
        }
        rest.event(&ended(String::new()), &mut out);
        events.extend(super::events(&out));

        let whole = [&begun[..cut], &more[..]].concat().concat();
        let mut assembler = Assembler::new(faults(), "m");
        let mut told = VecDeque::new();
        for event in &events {
            assembler.take(event.as_bytes(), &mut told).unwrap();
        }
        assembler.end(&mut told).unwrap();
        let text: String = told
            .iter()
            .filter_map(|event| match event {
                ModelEvent::Content(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(text, whole);
        let ends = |event: &&ModelEvent| matches!(event, ModelEvent::End { finish: FinishReason::Length, .. });
        prop_assert_eq!(told.iter().filter(ends).count(), 1);

        // One answer by what its chunks say of themselves too.
        prop_assert_eq!(events.iter().filter(|event| *event == "[DONE]").count(), 1);
        let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        for name in ["id", "object", "created", "model"] {
            prop_assert!(chunks.iter().all(|chunk| chunk[name] == chunks[0][name]), "{}", name);
        }
        let roles = chunks.iter().filter(|chunk| !chunk["choices"][0]["delta"]["role"].is_null());
        prop_assert_eq!(roles.count(), 1);
        let counted = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
        prop_assert_eq!(counted, usize::from(figures));
    }
}

#[test]
fn what_is_no_plain_text_is_not_gone_on_from() {
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": "1", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            .to_string()
    };
    let text = chunk(json!({"content": "one"}), None);
    assert_eq!(shown(&[&text]).unwrap().text, "one");
    // One that must be parsed.
    let parts = chunk(json!({"content": [{"type": "text", "text": " two"}]}), None);
    assert_eq!(shown(&[&text, &parts]).unwrap().text, "one two");
    for (delta, finish) in [
        (
            json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}),
            None,
        ),
        (json!({"refusal": "no"}), None),
        (json!({"audio": {"id": "a"}}), None),
        (json!({}), Some("stop")),
    ] {
        let beyond = chunk(delta, finish);
        assert_eq!(shown(&[&text, &beyond, &text]), None, "{beyond}");
    }
    let mut out = Vec::new();
    let mut writer = writer(&asked(false));
    writer.begin(&mut out);
    writer.event(
        &CallEvent::ToolCall(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: "{}".into(),
        }),
        &mut out,
    );
    assert_eq!(shown(&super::events(&out)), None);
}
