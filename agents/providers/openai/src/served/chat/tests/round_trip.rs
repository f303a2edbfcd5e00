//! What we write as a server, our own adapter and watcher read as a client.

use std::collections::VecDeque;

use bytes::Bytes;
use greenroom_kernel::{
    CallEvent, FinishReason, ModelAnswer, ModelEvent, RawRequest, RelaySign, ToolCall, Usage, WireFamily,
};
use greenroom_provider_http::{Assembler as _, Faults, HeaderMap, Watcher as _};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::assemble::Assembler;
use crate::watch::ChatWatcher;

fn usage() -> impl Strategy<Value = Usage> {
    [0_u64..1000, 0..1000, 0..1000, 0..1000, 0..1000].prop_map(
        |[input, cached, written, output, reasoning]| Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output,
            reasoning_tokens: reasoning,
            ..Usage::default()
        },
    )
}

/// Text and thoughts by turns, then tool calls, then the end.
fn told() -> impl Strategy<Value = Vec<CallEvent>> {
    let piece = (any::<bool>(), ".{1,8}").prop_map(|(thinks, text)| match thinks {
        true => CallEvent::Thinking(text),
        false => CallEvent::Text(text),
    });
    let call = ("[a-z]{1,5}", "\\{\"[a-z]{0,3}\":\".{0,4}\"\\}");
    let calls = prop::collection::vec(call, 0..3);
    let finish = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ContentFilter,
    ]);
    (prop::collection::vec(piece, 0..6), calls, finish, usage()).prop_map(
        |(mut told, calls, finish, usage)| {
            let tool_calls: Vec<_> = calls
                .into_iter()
                .enumerate()
                .map(|(number, (name, arguments))| ToolCall {
                    id: format!("call_{number}"),
                    name,
                    arguments,
                })
                .collect();
            told.extend(tool_calls.iter().cloned().map(CallEvent::ToolCall));
            let finish = if tool_calls.is_empty() {
                finish
            } else {
                FinishReason::ToolCalls
            };
            let content = told.iter().filter_map(|event| match event {
                CallEvent::Text(text) => Some(text.as_str()),
                _ => None,
            });
            told.push(CallEvent::End(Box::new(ModelAnswer {
                content: content.collect(),
                tool_calls,
                finish,
                usage,
                ..super::writing::answer()
            })));
            told
        },
    )
}

/// What the adapter makes of what was told.
fn expected(told: &[CallEvent]) -> Vec<ModelEvent> {
    let event = |event: &CallEvent| match event.clone() {
        CallEvent::Text(text) => ModelEvent::Content(text),
        CallEvent::Thinking(text) => ModelEvent::Thinking(text),
        CallEvent::ToolCall(call) => ModelEvent::ToolCall(call),
        CallEvent::End(answer) => ModelEvent::End {
            finish: answer.finish,
            usage: Some(answer.usage),
        },
    };
    told.iter().map(event).collect()
}

fn faults() -> Faults {
    Faults::new("p", "http://h/v1", None, &crate::classify::WIRE)
}

fn watcher() -> ChatWatcher {
    let request = RawRequest {
        family: WireFamily::OpenAiChat,
        before: Bytes::new(),
        model: Bytes::new(),
        after: Bytes::new(),
        stream: true,
        headers: HeaderMap::new(),
        allows: greenroom_kernel::Allows::default(),
    };
    ChatWatcher::new(faults(), "m", &request)
}

proptest! {
    #[test]
    fn a_stream_is_read_back_as_it_was_told(told in told()) {
        let (mut writer, mut out) = (writer(&json!({"stream_options": {"include_usage": true}})), Vec::new());
        writer.begin(&mut out);
        for event in &told {
            writer.event(event, &mut out);
        }
        let (mut assembler, mut watcher) = (Assembler::new(faults(), "m"), watcher());
        let (mut read, mut signs) = (VecDeque::new(), Vec::new());
        for data in events(&out) {
            assembler.take(data.as_bytes(), &mut read).unwrap();
            signs.push(watcher.event(data.as_bytes()).unwrap());
        }
        assembler.end(&mut read).unwrap();
        read.retain(|event| !matches!(event, ModelEvent::Progress | ModelEvent::Reasoned(_)));
        let expected = expected(&told);
        prop_assert_eq!(Vec::from(read), &expected[..]);
        let contents = signs.iter().filter(|sign| matches!(sign, RelaySign::Content { .. })).count();
        prop_assert_eq!(contents, told.len() - 1);
        let Some(ModelEvent::End { finish, usage }) = expected.last().cloned() else { unreachable!() };
        prop_assert_eq!(signs.last(), Some(&RelaySign::End { finish, usage }));
    }

    #[test]
    fn a_whole_answer_tells_its_end_and_figures(told in told()) {
        let Some(CallEvent::End(answer)) = told.last() else { unreachable!() };
        let body = writer(&json!({})).whole(answer);
        let (finish, usage) = (answer.finish, Some(answer.usage));
        prop_assert_eq!(watcher().whole(&body).unwrap(), RelaySign::End { finish, usage });
    }
}
