//! What must be known of an answer that comes whole: how it ended and what it used. What was said passes unread.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::response::WireUsage;

#[derive(Deserialize)]
pub(super) struct Whole<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    tool_calls: Option<Vec<IgnoredAny>>,
}

impl Choice<'_> {
    /// Why it ended, where it says.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.map(|reason| reason.get().trim_matches('"'))
    }

    pub(super) fn has_calls(&self) -> bool {
        let calls = self
            .message
            .as_ref()
            .and_then(|message| message.tool_calls.as_ref());
        calls.is_some_and(|calls| !calls.is_empty())
    }
}
