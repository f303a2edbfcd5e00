//! Where a message's stream stands: how many blocks have begun, and which of them is open.

use greenroom_kernel::Shown;
use greenroom_provider_http::Notes;
use serde_json::{Value, json};

/// Reads the notes of a stream.
pub(super) fn read(notes: &Notes) -> Option<Shown> {
    let (mut blocks, mut open, mut said) = (0, Value::Null, String::new());
    for (data, text) in notes.told()? {
        let event: Value = serde_json::from_slice(data).ok()?;
        match event["type"].as_str().unwrap_or_default() {
            "content_block_start" => {
                blocks = event["index"].as_u64()? + 1;
                open = event["content_block"]["type"].clone();
                // Some servers begin a text with its first words.
                said.push_str(event["content_block"]["text"].as_str().unwrap_or_default());
            }
            "content_block_stop" => open = Value::Null,
            _ => {}
        }
        said.push_str(&text);
    }
    // A thought is signed at its end: one that broke off can't be closed.
    if !open.is_null() && open != "text" {
        return None;
    }
    Some(Shown {
        text: said,
        thoughts: notes.thoughts(),
        place: json!({"blocks": blocks, "open": open}),
    })
}
