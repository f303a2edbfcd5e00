//! What is written is what our own adapter reads, and what is read is what it would send.

use std::collections::VecDeque;

use greenroom_kernel::{
    CallEvent, Content, FinishReason, ModelAnswer, ModelEvent, ModelMessage, ModelRequest, ModelRole, Part,
    Reasoning, ReasoningWish, ToolCall, ToolSpec, Usage,
};
use greenroom_provider_http::{Assembler as _, Faults};
use proptest::prelude::*;

use super::*;
use crate::assemble::Assembler;
use crate::request::MessagesRequest;
use crate::seal;

/// The answer that our adapter makes of a stream.
fn assembled(stream: &[u8]) -> ModelAnswer {
    let faults = Faults::new("p", "http://h", None, &crate::classify::WIRE);
    let mut assembler = Assembler::new(faults, "m", false);
    let mut events = VecDeque::new();
    for line in std::str::from_utf8(stream).unwrap().lines() {
        if let Some(data) = line.strip_prefix("data: ") {
            assembler.take(data.as_bytes(), &mut events).unwrap();
        }
    }
    assembler.end(&mut events).unwrap();
    let mut answer = blank();
    for event in events {
        match event {
            ModelEvent::Content(text) => answer.content.push_str(&text),
            ModelEvent::Reasoned(thought) => answer.reasoning.push(thought),
            ModelEvent::ToolCall(call) => answer.tool_calls.push(call),
            ModelEvent::End { finish, usage } => {
                answer.finish = finish;
                answer.usage = usage.unwrap_or_default();
            }
            ModelEvent::Thinking(_) | ModelEvent::Progress | ModelEvent::Quota(_) | ModelEvent::Used(_) => {}
        }
    }
    answer
}

fn blank() -> ModelAnswer {
    ModelAnswer {
        content: String::new(),
        reasoning: Vec::new(),
        tool_calls: Vec::new(),
        finish: FinishReason::Stop,
        usage: Usage::default(),
        provider: "p".into(),
        model: "m".into(),
    }
}

fn any_answer() -> impl Strategy<Value = (Vec<String>, Vec<String>, ModelAnswer)> {
    let text = "(\\PC|[\"\\\\\n\r]){1,12}";
    let call = ("[a-z0-9_]{1,8}", "[a-z]{1,8}", text).prop_map(|(id, name, value)| ToolCall {
        id,
        name,
        arguments: json!({"value": value}).to_string(),
    });
    let finish = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ContentFilter,
    ]);
    (
        prop::collection::vec(text, 0..4),
        prop::collection::vec(text, 0..5),
        prop::collection::vec(call, 0..3),
        finish,
        [0..1000u64, 0..1000, 0..1000, 0..1000, 0..1000],
    )
        .prop_map(
            |(thoughts, texts, tool_calls, finish, [input, cached, written, output, thinking])| {
                let answer = ModelAnswer {
                    content: texts.concat(),
                    reasoning: match thoughts.concat() {
                        text if text.is_empty() => Vec::new(),
                        text => vec![Reasoning { text, seal: None }],
                    },
                    finish: if tool_calls.is_empty() {
                        finish
                    } else {
                        FinishReason::ToolCalls
                    },
                    tool_calls,
                    usage: Usage {
                        input_tokens: input,
                        cached_input_tokens: cached,
                        cache_write_tokens: written,
                        output_tokens: output,
                        reasoning_tokens: thinking,
                        ..Usage::default()
                    },
                    ..blank()
                };
                (thoughts, texts, answer)
            },
        )
}

proptest! {
    #[test]
    fn a_stream_that_is_written_is_read_back_as_the_same_answer((thoughts, texts, answer) in any_answer()) {
        let mut writer = writer(json!({"thinking": {"type": "adaptive"}}));
        let mut out = Vec::new();
        writer.begin(&mut out);
        for thought in thoughts {
            writer.event(&CallEvent::Thinking(thought), &mut out);
        }
        for text in texts {
            writer.event(&CallEvent::Text(text), &mut out);
        }
        for call in &answer.tool_calls {
            writer.event(&CallEvent::ToolCall(call.clone()), &mut out);
        }
        writer.event(&CallEvent::End(Box::new(answer.clone())), &mut out);
        prop_assert_eq!(assembled(&out), answer);
    }
}

#[test]
fn a_request_that_our_adapter_would_send_is_read_back_as_the_same_request() {
    let call = ToolCall {
        id: "t1".into(),
        name: "add".into(),
        arguments: r#"{"a":1}"#.into(),
    };
    let request = ModelRequest {
        model: Some("claude-sonnet-4-5".into()),
        messages: vec![
            ModelMessage::text(ModelRole::System, "be brief"),
            ModelMessage::text(ModelRole::User, "add"),
            ModelMessage {
                tool_calls: vec![call],
                ..ModelMessage::new(
                    ModelRole::Assistant,
                    Content::Parts(vec![
                        Part::Reasoning(seal::signed("hm".into(), "Eq")),
                        Part::text("adding"),
                    ]),
                )
            },
            ModelMessage {
                tool_call_id: Some("t1".into()),
                is_error: true,
                ..ModelMessage::text(ModelRole::Tool, "no")
            },
            ModelMessage::text(ModelRole::User, "again"),
        ],
        max_tokens: Some(9000),
        stop: vec!["END".into()],
        tools: vec![ToolSpec {
            name: "add".into(),
            description: "adds".into(),
            parameters: json!({"type": "object"}),
            cache: Some(greenroom_kernel::CacheFor::Hour1),
        }],
        parallel_tools: Some(false),
        reasoning: Some(ReasoningWish::Tokens(2000)),
        end_user: Some("u".into()),
        ..ModelRequest::default()
    };
    let sent = MessagesRequest::new("claude-sonnet-4-5", &request, 4096).unwrap();
    assert_eq!(read(&serde_json::to_value(sent).unwrap()).unwrap(), request);
}
