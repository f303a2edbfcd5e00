//! JSON as steps carry it: canonical, because a replay is recognised by the hash of its inputs.

use greenroom_kernel::{ErrorCode, Failure};
use greenroom_wire::MAX_MESSAGE_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Leaves room for a frame's other fields.
const MAX_TEXT_BYTES: usize = MAX_MESSAGE_BYTES - 64 * 1024;

/// JSON text with every object's members sorted, so that a hash map's order changes nothing.
pub(crate) fn canonical(value: &impl Serialize, what: &str) -> Result<String, Failure> {
    let unfit = |error| {
        Failure::new(
            ErrorCode::AgentFailed,
            format!("{what} can't be written as JSON: {error}"),
        )
    };
    let mut value = serde_json::to_value(value).map_err(unfit)?;
    value.sort_all_objects();
    let text = value.to_string();
    fits(&text, what)?;
    Ok(text)
}

pub(crate) fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(
            ErrorCode::AgentFailed,
            format!("{what} does not have the expected shape: {error}"),
        )
    })
}

/// Refuses what is too large for one message, before the stream breaks over it.
pub(crate) fn fits(text: &str, what: &str) -> Result<(), Failure> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::LimitExceeded,
        format!(
            "{what} has {} bytes; at most {MAX_TEXT_BYTES} fit a message",
            text.len()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn members_are_sorted_at_every_depth() {
        let inner: HashMap<_, _> = ('a'..='z').map(|key| (key, 0)).collect();
        let sorted: String = ('a'..='z').map(|key| format!("\"{key}\":0,")).collect();
        let outer = HashMap::from([("x", vec![inner])]);
        let expected = format!("{{\"x\":[{{{}}}]}}", sorted.trim_end_matches(','));
        assert_eq!(canonical(&outer, "it").unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_a_message_is_refused_by_name() {
        let error = canonical(&"x".repeat(MAX_TEXT_BYTES), "the result").unwrap_err();
        assert_eq!(error.code, ErrorCode::LimitExceeded);
        assert!(error.message.starts_with("the result has "), "{error}");
    }
}
