//! JSON as steps carry it: canonical, because a replay is recognised by the hash of its inputs.

use greenroom_kernel::{ErrorCode, Failure, HISTORY_BYTES, LARGE_PAYLOAD_LIMIT, PAYLOAD_LIMIT};
use greenroom_wire::MAX_MESSAGE_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;

// The largest payloads fit a message, with room for a frame's other fields: what an agent reports, and a turn's input
// with the message before it.
const _: () = assert!(PAYLOAD_LIMIT + 64 * 1024 <= MAX_MESSAGE_BYTES);
const _: () = assert!(2 * LARGE_PAYLOAD_LIMIT + HISTORY_BYTES + 64 * 1024 <= MAX_MESSAGE_BYTES);

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

/// Refuses what is too large to be journaled, before the supervisor does: the agent goes on with what the journal
/// says.
pub(crate) fn fits(text: &str, what: &str) -> Result<(), Failure> {
    if text.len() <= PAYLOAD_LIMIT {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::LimitExceeded,
        format!(
            "{what} has {} bytes; at most {PAYLOAD_LIMIT} can be kept",
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
    fn what_is_too_large_to_be_kept_is_refused_by_name() {
        // The quotes count.
        assert!(canonical(&"x".repeat(PAYLOAD_LIMIT - 2), "the result").is_ok());
        let error = canonical(&"x".repeat(PAYLOAD_LIMIT - 1), "the result").unwrap_err();
        assert_eq!(error.code, ErrorCode::LimitExceeded);
        assert!(error.message.starts_with("the result has "), "{error}");
    }
}
