//! Where a response's stream stands: its items until now, and which of them is open.

use greenroom_kernel::Shown;
use greenroom_provider_http::Notes;
use serde_json::{Map, Value, json};

use crate::responses::event::is_call;

/// Reads the notes of a stream. Only a message of one part, or none, can be open where somebody goes on.
pub(super) fn read(notes: &Notes) -> Option<Shown> {
    let mut standing = Standing::default();
    for (number, (data, text)) in notes.told()?.into_iter().enumerate() {
        let event: Value = serde_json::from_slice(data).ok()?;
        if number == 0 {
            standing.first = event["sequence_number"].as_u64().unwrap_or(0);
        }
        standing.take(event)?;
        standing.said(&text)?;
    }
    // A thought that is on its way can't be ended by others.
    if standing.open.as_ref().is_some_and(Value::is_null) {
        return None;
    }
    Some(Shown {
        text: notes.text()?,
        thoughts: notes.thoughts(),
        place: json!({
            "response": standing.response,
            "sequence": standing.first + notes.events(),
            "done": standing.done,
            "open": standing.open,
        }),
    })
}

#[derive(Default)]
struct Standing {
    first: u64,
    response: Map<String, Value>,
    done: Vec<Value>,
    /// The id and the text of the message that is on its way; null for another item.
    open: Option<Value>,
}

impl Standing {
    fn take(&mut self, mut event: Value) -> Option<()> {
        match event["type"].as_str().unwrap_or_default() {
            "response.created" => {
                let response = event["response"].as_object_mut()?;
                let known = ["id", "created_at", "model"];
                self.response = known
                    .iter()
                    .filter_map(|name| response.remove_entry(*name))
                    .collect();
            }
            "response.output_item.added" => {
                let item = event["item"].take();
                if self.open.is_some() || is_call(item["type"].as_str()?) {
                    return None;
                }
                self.open = Some(match item["type"].as_str()? {
                    "message" => json!({"id": item["id"], "text": "", "begun": false}),
                    _ => Value::Null,
                });
            }
            "response.content_part.added" => {
                let open = self.open.as_mut().filter(|open| open.is_object())?;
                if open["begun"] == true || event["part"]["type"] != "output_text" {
                    return None;
                }
                open["begun"] = true.into();
            }
            "response.output_item.done" => {
                self.open = None;
                self.done.push(event["item"].take());
            }
            _ => {}
        }
        Some(())
    }

    fn said(&mut self, text: &str) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let open = self.open.as_mut().filter(|open| open["begun"] == true)?;
        let said = open["text"].as_str().unwrap_or_default();
        open["text"] = format!("{said}{text}").into();
        Some(())
    }
}
