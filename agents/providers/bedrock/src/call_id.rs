//! A call's id in what the service takes: 1 to 64 letters, digits, `_` and `-`. Other wires have more, and a
//! conversation may have been begun on one.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html>

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher as _};

/// Most letters of an id.
const AT_MOST: usize = 64;

/// Letters of a hash and of what stands before it.
const HASH: usize = 17;

/// The same for a call and its result. Of one that is too long the end gives way to a hash of all of it.
pub(crate) fn call_id(id: &str) -> Cow<'_, str> {
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=AT_MOST).contains(&id.len()) && id.chars().all(taken) {
        return Cow::Borrowed(id);
    }
    if id.is_empty() {
        return Cow::Borrowed("_");
    }
    let mut said: String = id.chars().map(|c| if taken(c) { c } else { '_' }).collect();
    if said.len() > AT_MOST {
        let mut hasher = DefaultHasher::new();
        hasher.write(id.as_bytes());
        said.truncate(AT_MOST - HASH);
        said.push_str(&format!("_{:016x}", hasher.finish()));
    }
    Cow::Owned(said)
}
