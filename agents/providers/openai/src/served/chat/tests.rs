mod mistakes;
mod reading;
mod resumed;
mod round_trip;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{ModelRequest, Unreadable, Wish};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect as _};
use serde_json::Value;

use super::ChatDialect;

fn read(body: &Value) -> Result<Arc<ModelRequest>, Unreadable> {
    match ChatDialect.read(body.to_string().as_bytes())? {
        Wish::Answer(request) => Ok(request),
        Wish::Embeddings(_) => panic!("an answer was asked for"),
    }
}

fn writer(body: &Value) -> Box<dyn AnswerWriter> {
    let head = AnswerHead {
        id: "7".into(),
        model: "gpt \"x\"}".into(),
        created: Duration::from_millis(1_748_488_520_700),
    };
    ChatDialect.writer(body.to_string().as_bytes(), head)
}

/// The data of each event.
fn events(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    let events = text.split_terminator("\n\n");
    events
        .map(|event| event.strip_prefix("data: ").unwrap().to_owned())
        .collect()
}
