//! The glance against the parse, which is right.

use std::collections::VecDeque;

use greenroom_kernel::ModelEvent;
use greenroom_provider_http::Assembler as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::assemble::Assembler;

/// Texts that a careless look would trip over.
fn text() -> impl Strategy<Value = String> {
    let tricky = prop::sample::select(vec![
        "",
        "error",
        "usage",
        "delta",
        "finish_reason",
        "\"finish_reason\":\"stop\"",
        "\"delta\":{\"content\":\"x\"}",
        "\"error\":{}",
        "},\"usage\":{}",
        "\\",
        "\"",
        "\\\"",
        "[DONE]",
        "é\n\u{1}",
        "🦀",
    ]);
    prop_oneof![tricky.prop_map(str::to_owned), ".{0,12}"]
}

fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => Just(Value::Null),
        1 => Just(json!([])),
        1 => Just(json!({"error": 1})),
    ]
}

fn delta() -> impl Strategy<Value = Value> {
    let names = prop::sample::subsequence(
        vec![
            "role",
            "content",
            "refusal",
            "reasoning_content",
            "reasoning",
            "x",
            "error",
            "delta",
            "usage",
        ],
        0..6,
    );
    let calls = prop::option::weighted(0.2, text());
    (names.prop_shuffle(), prop::collection::vec(field(), 9), calls).prop_map(|(names, values, calls)| {
        let mut delta: serde_json::Map<String, Value> =
            names.into_iter().map(str::to_owned).zip(values).collect();
        if let Some(arguments) = calls {
            let call = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}});
            delta.insert("tool_calls".to_owned(), json!([call]));
        }
        Value::Object(delta)
    })
}

fn choice() -> impl Strategy<Value = Value> {
    let finish = prop::option::weighted(
        0.7,
        prop::sample::select(vec![Value::Null, json!("stop"), json!("length"), json!("")]),
    );
    (delta(), finish, any::<bool>()).prop_map(|(delta, finish, first)| {
        let mut choice = json!({"index": 0, "logprobs": null});
        let finish = finish.map(|finish| ("finish_reason", finish));
        let mut fields: Vec<_> = [("delta", delta)].into_iter().chain(finish).collect();
        if first {
            fields.reverse();
        }
        for (name, value) in fields {
            choice[name] = value;
        }
        choice
    })
}

fn chunk() -> impl Strategy<Value = Value> {
    let extra = prop::option::weighted(
        0.3,
        prop::sample::select(vec![
            ("usage", Value::Null),
            ("usage", json!({"prompt_tokens": 3, "completion_tokens": 1})),
            ("error", Value::Null),
            ("error", json!({"message": "m"})),
            ("model", json!("delta")),
        ]),
    );
    (prop::collection::vec(choice(), 0..3), extra).prop_map(|(choices, extra)| {
        let mut chunk = json!({"id": "chatcmpl-1"});
        chunk["choices"] = choices.into();
        if let Some((name, value)) = extra {
            chunk[name] = value;
        }
        chunk
    })
}

/// What a chunk says when it is parsed.
fn parsed(data: &[u8]) -> Result<(RelaySign, bool), String> {
    let mut watcher = watcher();
    let sign = watcher.parsed(data).map_err(|fault| fault.to_string())?;
    Ok((sign, watcher.answered))
}

/// Whether two signs are the same, but for how a text with escapes was counted.
fn alike(glanced: RelaySign, parsed: RelaySign, escapes: usize) -> bool {
    match (glanced, parsed) {
        (RelaySign::Content { said: a }, RelaySign::Content { said: b }) => {
            usize::try_from(a.abs_diff(b)).is_ok_and(|off| off <= 2 * escapes)
        }
        (glanced, parsed) => glanced == parsed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_glance_sees_what_the_parse_reads(chunk in chunk(), pretty in any::<bool>()) {
        let data = if pretty { serde_json::to_vec_pretty(&chunk) } else { serde_json::to_vec(&chunk) };
        let data = data.unwrap();
        let mut watcher = watcher();
        match (watcher.event(&data), parsed(&data)) {
            (Ok(sign), Ok((parsed, answered))) => {
                let escapes = data.iter().filter(|byte| **byte == b'\\').count();
                prop_assert!(alike(sign, parsed, escapes), "{sign:?} {parsed:?}");
                // What has a form of its own may be seen as an answer before its end, and only that.
                prop_assert!(watcher.answered >= answered);
            }
            (Err(fault), Err(parsed)) => prop_assert_eq!(fault.to_string(), parsed),
            (sign, parsed) => prop_assert!(false, "{sign:?} {parsed:?}"),
        }
    }

    #[test]
    fn a_stream_ends_for_the_watcher_as_for_the_assembler(
        chunks in prop::collection::vec(chunk(), 0..5),
        done in any::<bool>(),
    ) {
        let mut events: Vec<_> = chunks.iter().map(|chunk| serde_json::to_vec(chunk).unwrap()).collect();
        if done {
            events.push(b"[DONE]".to_vec());
        }
        let mut out = VecDeque::new();
        let mut assembler = Assembler::new(faults(), "m");
        let taken = events.iter().try_for_each(|event| assembler.take(event, &mut out));
        // The assembler reads no forms of their own, which the watcher lets pass.
        prop_assume!(taken.is_ok());
        let assembled = assembler.end(&mut out).ok().and_then(|()| out.pop_back());

        let mut watcher = watcher();
        let mut last = Ok(RelaySign::Lifecycle);
        for event in &events {
            last = watcher.event(event);
        }
        let watched = if done { last } else { watcher.end() };
        match (watched, assembled) {
            (Ok(RelaySign::End { finish, usage }), Some(ModelEvent::End { finish: assembled, usage: figures })) => {
                prop_assert_eq!((finish, usage), (assembled, figures));
            }
            (Err(_), None) => {}
            (watched, assembled) => prop_assert!(false, "{watched:?} {assembled:?}"),
        }
    }

    #[test]
    fn arbitrary_bytes_never_break_it(
        events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        start in prop::sample::select(vec!["", "{\"choices\":[{\"delta\":{", "{\"delta\":{\"content\":\"\\u"]),
    ) {
        let mut watcher = watcher();
        for event in &events {
            let event = [start.as_bytes(), event, b"}"].concat();
            let _ = watcher.event(&event);
            let _ = watcher.whole(&event);
            let _ = EmbeddingsWatcher::new(faults(), "m").whole(&event);
        }
        let _ = watcher.end();
    }
}

fn whole() -> impl Strategy<Value = Vec<u8>> {
    let finish = prop::sample::select(vec![
        Value::Null,
        json!("stop"),
        json!("length"),
        json!(""),
        json!("error"),
        json!("a\"b"),
    ]);
    let usage = prop::sample::select(vec![
        Value::Null,
        json!({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}),
        json!({"prompt_tokens": 3, "cached_tokens": 1, "completion_tokens_details": null}),
        json!({"prompt_tokens": "3"}),
        json!(7),
    ]);
    let calls = prop::option::of(prop::sample::select(vec![
        Value::Null,
        json!([]),
        json!([{"id": "a", "function": {"name": "f", "arguments": "{}"}}]),
    ]));
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (text(), finish, usage, calls, 1..3_usize, cut).prop_map(
        |(content, finish, usage, calls, choices, cut)| {
            let mut message = json!({"role": "assistant", "content": content, "error": null});
            message.as_object_mut().unwrap().remove("error");
            if let Some(calls) = calls {
                message["tool_calls"] = calls;
            }
            let choice = json!({"index": 0, "message": message, "finish_reason": finish});
            let answer = json!({"model": "m", "choices": vec![choice; choices], "usage": usage});
            let mut body = serde_json::to_vec(&answer).unwrap();
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            body
        },
    )
}

proptest! {
    #[test]
    fn a_look_at_a_whole_answer_tells_what_its_parse_tells_or_nothing(body in whole()) {
        if let Some(seen) = GLANCE.whole(&body) {
            let parsed: Whole<'_> = serde_json::from_slice(&body).unwrap();
            prop_assert!(parsed.error.is_none());
            prop_assert_eq!(parsed.usage, Some(seen.usage));
            let choices = parsed.choices.unwrap();
            prop_assert_eq!(choices.len(), 1);
            prop_assert!(!choices[0].has_calls());
            prop_assert_eq!(choices[0].finish_reason(), Some(seen.finish_reason));
        }
    }
}

#[test]
fn the_usual_answer_is_only_looked_at() {
    let body = br#"{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"\"usage\": {}","tool_calls":[]},"finish_reason":"length"}],
        "usage":{"prompt_tokens":9,"completion_tokens":9}}"#;
    let seen = GLANCE.whole(body).unwrap();
    assert_eq!(seen.finish_reason, "length");
    assert_eq!(Usage::from(seen.usage).input_tokens, 9);
}
