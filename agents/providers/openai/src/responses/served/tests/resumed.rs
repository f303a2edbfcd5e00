//! A stream that a server of this wire began, gone on with.

use std::collections::VecDeque;

use greenroom_kernel::{ModelEvent, Shown};
use greenroom_provider_http::{Assembler as _, Faults, Notes, Watcher as _};
use proptest::prelude::*;

use super::*;
use crate::responses::{Assembler, ResponsesWatcher};

fn faults() -> Faults {
    Faults::new("p", "http://h/v1", None, &crate::classify::WIRE)
}

fn asked() -> Vec<u8> {
    json!({"model": "m", "stream": true, "input": "hi"})
        .to_string()
        .into_bytes()
}

fn data(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    let data = |line: &str| line.strip_prefix("data: ").map(str::to_owned);
    text.lines().filter_map(data).collect()
}

fn shown(events: &[String]) -> Option<Shown> {
    let mut watcher = ResponsesWatcher::new(faults(), "m");
    let mut notes = Notes::default();
    for event in events {
        watcher.event(event.as_bytes()).unwrap();
        notes.take(event.as_bytes(), &watcher.seen());
    }
    watcher.reader()(&notes).filter(|_| !notes.is_over())
}

/// A stream's events until the text has come so far.
fn begun(thinks: bool, texts: &[String]) -> Vec<String> {
    let mut writer = ResponsesDialect.writer(&asked(), head());
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

proptest! {
    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_one_answer(
        texts in prop::collection::vec("\\PC{1,12}", 1..5),
        more in prop::collection::vec("\\PC{1,12}", 0..4),
        thinks: bool,
        calls: bool,
    ) {
        let mut events = begun(thinks, &texts);
        let shown = shown(&events).unwrap();
        prop_assert_eq!(&shown.text, &texts.concat());

        let mut rest = ResponsesDialect.resumed(&asked(), &shown).unwrap();
        let mut out = Vec::new();
        for text in &more {
            rest.event(&CallEvent::Text(text.clone()), &mut out);
        }
        let whole = texts.concat() + &more.concat();
        let tool_calls: Vec<ToolCall> = calls.then(|| call("c1")).into_iter().collect();
        for call in &tool_calls {
            rest.event(&CallEvent::ToolCall(call.clone()), &mut out);
        }
        let end = ModelAnswer { content: whole.clone(), reasoning: Vec::new(), tool_calls, ..answer() };
        rest.event(&CallEvent::End(Box::new(end)), &mut out);
        events.extend(data(&out));

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
        prop_assert_eq!(&text, &whole);

        let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        for (number, event) in events.iter().enumerate() {
            prop_assert_eq!(event["sequence_number"].as_u64(), Some(number as u64));
        }
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
        prop_assert_eq!(of("response.created").len(), 1);
        let [last] = of("response.completed")[..] else { panic!("not one end") };
        prop_assert_eq!(&last["response"]["id"], &events[0]["response"]["id"]);
        prop_assert_eq!(&last["response"]["created_at"], &events[0]["response"]["created_at"]);
        let output = last["response"]["output"].as_array().unwrap();
        prop_assert_eq!(output.len(), 1 + usize::from(thinks) + usize::from(calls));
        let message = &output[usize::from(thinks)];
        prop_assert_eq!(message["content"][0]["text"].as_str(), Some(&*whole));
        for kind in ["response.output_item.added", "response.output_item.done"] {
            let places: Vec<_> = of(kind).iter().map(|event| event["output_index"].as_u64()).collect();
            let expected: Vec<_> = (0..output.len() as u64).map(Some).collect();
            prop_assert_eq!(places, expected, "{}", kind);
        }
    }
}

#[test]
fn what_is_no_plain_text_is_not_gone_on_from() {
    // Inside a thought.
    let mut events = begun(true, &[]);
    assert_eq!(shown(&events), None);
    events = begun(false, &["one".to_owned()]);
    assert!(shown(&events).is_some());
    for beyond in [
        json!({"type": "response.refusal.delta", "delta": "no"}),
        json!({"type": "response.function_call_arguments.delta", "delta": "{"}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "id": "f"}}),
        json!({"type": "response.web_search_call.searching"}),
    ] {
        let mut events = events.clone();
        events.push(beyond.to_string());
        assert_eq!(shown(&events), None, "{beyond}");
    }
}
