mod edges;
mod reading;
mod refusing;
mod resumed;
mod round;
mod writing;

use std::time::Duration;

use greenroom_kernel::{ModelRequest, Unreadable, Wish};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect as _};
use serde_json::{Value, json};

use super::MessagesDialect;

fn read(body: &Value) -> Result<ModelRequest, Unreadable> {
    match MessagesDialect.read(body.to_string().as_bytes())? {
        Wish::Answer(request) => Ok(request.as_ref().clone()),
        Wish::Embeddings(_) => unreachable!("this family has none"),
    }
}

/// A good request with more fields.
fn request(more: Value) -> Value {
    let mut request = json!({
        "model": "claude-opus-5-5", "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello, Claude"}],
    });
    if let (Value::Object(request), Value::Object(more)) = (&mut request, more) {
        request.extend(more);
    }
    request
}

fn writer(more: Value) -> Box<dyn AnswerWriter> {
    let head = AnswerHead {
        id: "abc".into(),
        model: "route".into(),
        created: Duration::from_secs(1),
    };
    MessagesDialect.writer(request(more).to_string().as_bytes(), head)
}
