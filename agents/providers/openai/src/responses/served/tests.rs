mod reading;
mod refusing;
mod resumed;
mod round_trip;
mod writing;

use std::time::Duration;

use greenroom_kernel::{
    CallEvent, FinishReason, ModelAnswer, ModelRequest, Reasoning, Seal, ToolCall, Unreadable, Usage, Wish,
};
use greenroom_provider_http::{AnswerHead, Dialect as _};
use serde_json::{Value, json};

use super::ResponsesDialect;

fn read(body: &Value) -> Result<ModelRequest, Unreadable> {
    match ResponsesDialect.read(body.to_string().as_bytes())? {
        Wish::Answer(request) => Ok(ModelRequest::clone(&request)),
        Wish::Embeddings(_) => panic!("an answer was asked for"),
    }
}

fn head() -> AnswerHead {
    AnswerHead {
        id: "01abc".to_owned(),
        model: "my-route".to_owned(),
        created: Duration::from_secs(1_700_000_000),
    }
}

fn call(id: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: "add".to_owned(),
        arguments: "{\"a\":1}".to_owned(),
    }
}

fn sealed(text: &str) -> Reasoning {
    Reasoning {
        text: text.to_owned(),
        seal: Some(Seal {
            family: "anthropic".to_owned(),
            value: json!({"type": "thinking", "thinking": text, "signature": "sig"}),
        }),
    }
}

/// An answer with everything in it.
fn answer() -> ModelAnswer {
    ModelAnswer {
        content: "Hi there".to_owned(),
        reasoning: vec![sealed("hm")],
        tool_calls: vec![call("c1"), call("c2")],
        finish: FinishReason::ToolCalls,
        usage: Usage {
            input_tokens: 5,
            cached_input_tokens: 4,
            cache_write_tokens: 1,
            output_tokens: 7,
            reasoning_tokens: 3,
            ..Usage::default()
        },
        provider: "p".to_owned(),
        model: "m".to_owned(),
    }
}

fn text(more: &str) -> CallEvent {
    CallEvent::Text(more.to_owned())
}

/// What a call tells that ends with `answer`.
fn told(answer: &ModelAnswer) -> Vec<CallEvent> {
    let thinking = answer
        .reasoning
        .iter()
        .filter(|thought| !thought.text.is_empty())
        .map(|thought| CallEvent::Thinking(thought.text.clone()));
    let (first, second) = answer.content.split_at(answer.content.len() / 2);
    thinking
        .chain([text(first), text(second)])
        .chain(answer.tool_calls.iter().cloned().map(CallEvent::ToolCall))
        .chain([CallEvent::End(Box::new(answer.clone()))])
        .collect()
}

/// The events of a stream, as `(event, data)`.
fn events(stream: &[u8]) -> Vec<(String, Value)> {
    let stream = std::str::from_utf8(stream).unwrap();
    let blocks = stream.strip_suffix("\n\n").expect("whole events").split("\n\n");
    blocks
        .map(|block| {
            let (event, data) = block.split_once('\n').unwrap();
            (
                event.strip_prefix("event: ").unwrap().to_owned(),
                serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
            )
        })
        .collect()
}

/// A stream to a caller who sent `body`.
fn stream(body: &Value, told: &[CallEvent]) -> Vec<(String, Value)> {
    let mut writer = ResponsesDialect.writer(body.to_string().as_bytes(), head());
    let mut out = Vec::new();
    writer.begin(&mut out);
    for event in told {
        writer.event(event, &mut out);
    }
    events(&out)
}

/// A whole body to a caller who sent `body`.
fn whole(body: &Value, answer: &ModelAnswer) -> Value {
    let written = ResponsesDialect
        .writer(body.to_string().as_bytes(), head())
        .whole(answer);
    serde_json::from_slice(&written).unwrap()
}
