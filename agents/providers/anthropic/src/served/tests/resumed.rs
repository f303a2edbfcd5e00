//! A stream that a server of this wire began, gone on with.

use std::collections::VecDeque;

use greenroom_kernel::{CallEvent, FinishReason, ModelAnswer, ModelEvent, Shown, Usage};
use greenroom_provider_http::{Assembler as _, Faults, Notes, Watcher as _};
use proptest::prelude::*;

use super::*;
use crate::assemble::Assembler;
use crate::watch::MessagesWatcher;

fn faults() -> Faults {
    Faults::new("p", "http://h", None, &crate::classify::WIRE)
}

fn thinking() -> Value {
    json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})
}

fn data(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    let data = |line: &str| line.strip_prefix("data: ").map(str::to_owned);
    text.lines().filter_map(data).collect()
}

fn shown(events: &[String]) -> Option<Shown> {
    let mut watcher = MessagesWatcher::new(faults(), "m");
    let mut notes = Notes::default();
    for event in events {
        watcher.event(event.as_bytes()).unwrap();
        notes.take(event.as_bytes(), &watcher.seen());
    }
    watcher.reader()(&notes).filter(|_| !notes.is_over())
}

fn begun(thinks: bool, texts: &[String]) -> Vec<String> {
    let mut writer = writer(thinking());
    let mut out = Vec::new();
    writer.begin(&mut out);
    if thinks {
        writer.event(&CallEvent::Thinking("hm".into()), &mut out);
    }
    for text in texts {
        writer.event(&CallEvent::Text(text.clone()), &mut out);
    }
    data(&out)
}

#[test]
fn a_thought_that_broke_off_has_no_signature_and_is_not_gone_on_with() {
    assert_eq!(shown(&begun(true, &[])), None);
    assert!(shown(&begun(true, &["so".to_owned()])).is_some());
}

proptest! {
    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_one_answer(
        texts in prop::collection::vec("\\PC{1,12}", 1..5),
        more in prop::collection::vec("\\PC{1,12}", 0..4),
        spaced: bool,
    ) {
        let mut events = begun(true, &texts);
        if spaced {
            // As no server known writes it: it is parsed then.
            events = events.iter().map(|event| event.replace("\",\"", "\" , \"")).collect();
        }
        prop_assume!(!texts.concat().contains('"'));
        let shown = shown(&events).unwrap();
        prop_assert_eq!(&shown.text, &texts.concat());
        prop_assert!(shown.thoughts);

        let body = request(thinking()).to_string();
        let mut rest = MessagesDialect.resumed(body.as_bytes(), &shown).unwrap();
        let mut out = Vec::new();
        for text in &more {
            rest.event(&CallEvent::Text(text.clone()), &mut out);
        }
        let whole = texts.concat() + &more.concat();
        let end = ModelAnswer {
            content: whole.clone(),
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() },
            provider: "p".into(),
            model: "m".into(),
        };
        rest.event(&CallEvent::End(Box::new(end)), &mut out);
        events.extend(data(&out));

        let mut assembler = Assembler::new(faults(), "m", false);
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

        // Every block begins and ends once, one after the other.
        let (mut open, mut blocks) = (None, 0);
        for event in &events {
            let event: Value = serde_json::from_str(event).unwrap();
            let index = event["index"].as_u64();
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    prop_assert_eq!((open, index), (None, Some(blocks)));
                    open = index;
                    blocks += 1;
                }
                "content_block_delta" => prop_assert_eq!(open, index),
                "content_block_stop" => prop_assert_eq!(open.take(), index),
                _ => {}
            }
        }
        prop_assert_eq!(open, None);
        for kind in ["message_start", "message_delta", "message_stop"] {
            let named = format!("\"type\":\"{kind}\"");
            let count = events.iter().filter(|event| event.contains(&named)).count();
            prop_assert_eq!(count, 1, "{}", kind);
        }
    }
}

#[test]
fn what_is_no_plain_text_is_not_gone_on_from() {
    let events = begun(false, &["one".to_owned()]);
    assert!(shown(&events).is_some());
    let block = |block: Value| json!({"type": "content_block_start", "index": 1, "content_block": block});
    for beyond in [
        block(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        block(json!({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}})),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    ] {
        let mut events = events.clone();
        events.push(beyond.to_string());
        assert_eq!(shown(&events), None, "{beyond}");
    }
}
