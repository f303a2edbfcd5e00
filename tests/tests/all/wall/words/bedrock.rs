//! Amazon Bedrock's Converse, in its own frames.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

use super::{Answer, Event, Kind, TOOL, Trouble};

fn frame(headers: &[(&'static str, &str)], payload: &Value) -> Vec<u8> {
    let mut message = Message::new(payload.to_string().into_bytes());
    for (name, value) in headers {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(kind: Kind, name: &str, payload: &Value) -> Event {
    let headers = [
        (":message-type", "event"),
        (":event-type", name),
        (":content-type", "application/json"),
    ];
    Event::new(kind, frame(&headers, payload))
}

fn stop(answer: &Answer) -> &'static str {
    match (answer.is_filtered, answer.is_call) {
        (true, _) => "content_filtered",
        (_, true) => "tool_use",
        _ => "end_turn",
    }
}

fn usage(answer: &Answer) -> Value {
    let (input, output) = (answer.figures.input, answer.figures.output);
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output})
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut out = vec![event(Kind::Begin, "messageStart", &json!({"role": "assistant"}))];
    if answer.is_call {
        let start = json!({"toolUse": {"toolUseId": "tooluse_1", "name": TOOL}});
        let start = json!({"contentBlockIndex": 0, "start": start});
        out.push(event(Kind::Said, "contentBlockStart", &start));
    }
    for piece in &answer.pieces {
        let delta = if answer.is_call {
            json!({"toolUse": {"input": piece}})
        } else {
            json!({"text": piece})
        };
        let delta = json!({"contentBlockIndex": 0, "delta": delta});
        out.push(event(Kind::Said, "contentBlockDelta", &delta));
    }
    let closed = json!({"contentBlockIndex": 0});
    out.push(event(Kind::Close, "contentBlockStop", &closed));
    out.push(event(
        Kind::End,
        "messageStop",
        &json!({"stopReason": stop(answer)}),
    ));
    let last = json!({"usage": usage(answer), "metrics": {"latencyMs": 1}});
    out.push(event(Kind::Done, "metadata", &last));
    out
}

pub(super) fn whole(answer: &Answer) -> Value {
    let content = if answer.is_call {
        let input: Value = serde_json::from_str(&answer.said()).unwrap();
        json!([{"toolUse": {"toolUseId": "tooluse_1", "name": TOOL, "input": input}}])
    } else {
        json!([{"text": answer.said()}])
    };
    json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop(answer),
           "usage": usage(answer), "metrics": {"latencyMs": 1}})
}

pub(super) fn error(trouble: Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::Throttled => ("ThrottlingException", "Too many requests"),
        Trouble::Broken => ("InternalServerException", "The system encountered an error"),
        Trouble::Unavailable => ("ServiceUnavailableException", "Bedrock is unable to process it"),
        Trouble::TooLong => ("ValidationException", "Input is too long for requested model."),
        Trouble::Filtered => (
            "ValidationException",
            "Output blocked by content filtering policy",
        ),
        Trouble::BadRequest => (
            "ValidationException",
            "This model does not support assistant message prefill.",
        ),
    }
}

/// In a stream the first letter of an exception's name is small.
pub(super) fn exception(trouble: Trouble) -> Vec<u8> {
    let (name, message) = error(trouble);
    let name = name[..1].to_lowercase() + &name[1..];
    let headers = [
        (":message-type", "exception"),
        (":exception-type", name.as_str()),
        (":content-type", "application/json"),
    ];
    frame(&headers, &json!({ "message": message }))
}

/// A frame whose checksum is wrong.
pub(super) fn garbled() -> Vec<u8> {
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": "x"}});
    let mut bytes = event(Kind::Said, "contentBlockDelta", &delta).bytes;
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes
}
