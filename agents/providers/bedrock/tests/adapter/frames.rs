//! Event streams, made by hand.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use greenroom_provider_http::testkit::Step;
use serde_json::{Value, json};

/// The head of an event stream.
pub(crate) fn head() -> Step {
    Step::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

/// The end of a body.
pub(crate) fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

fn frame(kind: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    let header =
        |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let message = Message::new(payload.to_vec())
        .add_header(header(":message-type", kind))
        .add_header(match kind {
            "exception" => header(":exception-type", name),
            _ => header(":event-type", name),
        })
        .add_header(header(":content-type", "application/json"));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// One event.
pub(crate) fn event(name: &str, payload: &Value) -> Vec<u8> {
    frame("event", name, payload.to_string().as_bytes())
}

/// One event that is no JSON.
pub(crate) fn garbled(name: &str) -> Vec<u8> {
    frame("event", name, b"{no json")
}

/// One exception.
pub(crate) fn exception(name: &str, message: &str) -> Vec<u8> {
    frame(
        "exception",
        name,
        json!({ "message": message }).to_string().as_bytes(),
    )
}

/// Bytes as one HTTP chunk.
pub(crate) fn chunk(bytes: &[u8]) -> Step {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    Step::Send(chunk)
}

pub(crate) fn start() -> Vec<u8> {
    event("messageStart", &json!({"role": "assistant"}))
}

pub(crate) fn text(index: u32, text: &str) -> Vec<u8> {
    delta(index, &json!({ "text": text }))
}

pub(crate) fn delta(index: u32, delta: &Value) -> Vec<u8> {
    event(
        "contentBlockDelta",
        &json!({"contentBlockIndex": index, "delta": delta}),
    )
}

pub(crate) fn call(index: u32, id: &str, name: &str) -> Vec<u8> {
    let start = json!({"toolUse": {"toolUseId": id, "name": name}});
    event(
        "contentBlockStart",
        &json!({"contentBlockIndex": index, "start": start}),
    )
}

pub(crate) fn block_stop(index: u32) -> Vec<u8> {
    event("contentBlockStop", &json!({"contentBlockIndex": index}))
}

pub(crate) fn stop(why: &str) -> Vec<u8> {
    event("messageStop", &json!({"stopReason": why}))
}

pub(crate) fn figures() -> Vec<u8> {
    event(
        "metadata",
        &json!({
            "usage": {"inputTokens": 25, "outputTokens": 15, "totalTokens": 47,
                      "cacheReadInputTokens": 4, "cacheWriteInputTokens": 3},
            "metrics": {"latencyMs": 10},
        }),
    )
}

/// A whole answer that says so.
pub(crate) fn saying(said: &str) -> Vec<Step> {
    let frames = [start(), text(0, said), block_stop(0), stop("end_turn"), figures()];
    vec![head(), chunk(&frames.concat()), end()]
}
