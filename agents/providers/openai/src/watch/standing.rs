//! Where a chat's stream stands: what all of its chunks say of it, and the first is enough to know.

use greenroom_kernel::Shown;
use greenroom_provider_http::Notes;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What all chunks of an answer have in common.
const COMMON: [&str; 4] = ["id", "created", "model", "system_fingerprint"];

#[derive(Deserialize)]
struct Chunk(Map<String, Value>);

/// Reads the notes of a stream.
pub(super) fn read(notes: &Notes) -> Option<Shown> {
    let told = notes.told()?;
    let (first, _) = told.first()?;
    let Chunk(mut first) = serde_json::from_slice(first).ok()?;
    let common = COMMON.iter().filter_map(|name| first.remove_entry(*name));
    Some(Shown {
        place: Value::Object(common.collect()),
        text: notes.text()?,
        thoughts: notes.thoughts(),
    })
}
