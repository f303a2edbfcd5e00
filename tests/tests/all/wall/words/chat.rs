//! OpenAI Chat Completions.

use serde_json::{Value, json};

use super::{Answer, Event, Kind, TOOL, Trouble};

pub(super) fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn chunk(delta: &Value, finish: Option<&str>) -> Vec<u8> {
    data(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
    }))
}

fn finish(answer: &Answer) -> &'static str {
    match (answer.is_filtered, answer.is_call) {
        (true, _) => "content_filter",
        (_, true) => "tool_calls",
        _ => "stop",
    }
}

fn usage(answer: &Answer) -> Value {
    let (input, output) = (answer.figures.input, answer.figures.output);
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

pub(super) fn events(answer: &Answer, figures: bool) -> Vec<Event> {
    let mut out = vec![Event::new(
        Kind::Begin,
        chunk(&json!({"role": "assistant", "content": ""}), None),
    )];
    for (at, piece) in answer.pieces.iter().enumerate() {
        let delta = if answer.is_call {
            let function = match at {
                0 => json!({"name": TOOL, "arguments": piece}),
                _ => json!({"arguments": piece}),
            };
            let call = match at {
                0 => json!({"index": 0, "id": "call_1", "type": "function", "function": function}),
                _ => json!({"index": 0, "function": function}),
            };
            json!({"tool_calls": [call]})
        } else {
            json!({"content": piece})
        };
        out.push(Event::new(Kind::Said, chunk(&delta, None)));
    }
    out.push(Event::new(Kind::End, chunk(&json!({}), Some(finish(answer)))));
    if figures {
        let last = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
            "choices": [], "usage": usage(answer),
        });
        out.push(Event::new(Kind::End, data(&last)));
    }
    out.push(Event::new(Kind::Done, "data: [DONE]\n\n"));
    out
}

pub(super) fn whole(answer: &Answer) -> Value {
    let message = if answer.is_call {
        let call = json!({"id": "call_1", "type": "function",
                          "function": {"name": TOOL, "arguments": answer.said()}});
        json!({"role": "assistant", "content": null, "tool_calls": [call]})
    } else {
        json!({"role": "assistant", "content": answer.said(), "refusal": null})
    };
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(answer)}],
        "usage": usage(answer),
    })
}

pub(super) fn error(trouble: Trouble) -> Value {
    let (kind, code, message) = match trouble {
        Trouble::Throttled => (
            "rate_limit_error",
            Some("rate_limit_exceeded"),
            "Rate limit reached",
        ),
        Trouble::Broken => ("server_error", None, "The server had an error"),
        Trouble::Unavailable => ("server_error", None, "The engine is currently overloaded"),
        Trouble::TooLong => (
            "invalid_request_error",
            Some("context_length_exceeded"),
            "This model's maximum context length is 8192 tokens",
        ),
        Trouble::Filtered => (
            "invalid_request_error",
            Some("content_filter"),
            "The response was filtered",
        ),
        Trouble::BadRequest => (
            "invalid_request_error",
            None,
            "The last message must be the user's",
        ),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}
