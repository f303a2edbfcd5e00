//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Answer, Event, Kind, TOOL, Trouble};

pub(super) fn named(name: &str, value: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {value}\n\n").into_bytes()
}

fn event(kind: Kind, value: &Value) -> Event {
    Event::new(kind, named(value["type"].as_str().unwrap(), value))
}

fn stop(answer: &Answer) -> &'static str {
    match (answer.is_filtered, answer.is_call) {
        (true, _) => "refusal",
        (_, true) => "tool_use",
        _ => "end_turn",
    }
}

fn message(answer: &Answer, content: &Value, stop: Option<&str>, output: u64) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": answer.figures.input, "output_tokens": output,
                  "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
    })
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let begin = json!({"type": "message_start", "message": message(answer, &json!([]), None, 1)});
    let block = if answer.is_call {
        json!({"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": {}})
    } else {
        json!({"type": "text", "text": ""})
    };
    // The name of a tool that is called is said with its block already.
    let opens = if answer.is_call { Kind::Said } else { Kind::Begin };
    let block = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let mut out = vec![
        event(Kind::Begin, &begin),
        event(Kind::Begin, &json!({"type": "ping"})),
        event(opens, &block),
    ];
    for piece in &answer.pieces {
        let delta = if answer.is_call {
            json!({"type": "input_json_delta", "partial_json": piece})
        } else {
            json!({"type": "text_delta", "text": piece})
        };
        let delta = json!({"type": "content_block_delta", "index": 0, "delta": delta});
        out.push(event(Kind::Said, &delta));
    }
    out.push(event(
        Kind::Close,
        &json!({"type": "content_block_stop", "index": 0}),
    ));
    let end = json!({
        "type": "message_delta", "delta": {"stop_reason": stop(answer), "stop_sequence": null},
        "usage": {"output_tokens": answer.figures.output},
    });
    out.push(event(Kind::End, &end));
    out.push(event(Kind::Done, &json!({"type": "message_stop"})));
    out
}

pub(super) fn whole(answer: &Answer) -> Value {
    let content = if answer.is_call {
        let input: Value = serde_json::from_str(&answer.said()).unwrap();
        json!([{"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": input}])
    } else {
        json!([{"type": "text", "text": answer.said()}])
    };
    message(answer, &content, Some(stop(answer)), answer.figures.output)
}

pub(super) fn error(trouble: Trouble) -> Value {
    let (kind, text) = match trouble {
        Trouble::Throttled => (
            "rate_limit_error",
            "Number of requests has exceeded your rate limit",
        ),
        Trouble::Broken => ("api_error", "Internal server error"),
        Trouble::Unavailable => ("overloaded_error", "Overloaded"),
        Trouble::TooLong => (
            "invalid_request_error",
            "prompt is too long: 250000 tokens > 200000 maximum",
        ),
        Trouble::Filtered => (
            "invalid_request_error",
            "Output blocked by content filtering policy",
        ),
        Trouble::BadRequest => (
            "invalid_request_error",
            "This model does not support assistant message prefill",
        ),
    };
    json!({"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"})
}
