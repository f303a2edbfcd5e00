//! The wire's blocks, as they are sent.

use std::borrow::Cow;

use greenroom_kernel::{CacheFor, ImageSource};
use serde::Serialize;
use serde_json::Value;

/// Everything up to its block may be kept in the prompt cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
pub(crate) struct Mark {
    /// Five minutes go without saying: servers that know no other time refuse the word.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl Mark {
    pub(crate) fn of(cache: Option<CacheFor>) -> Option<Self> {
        cache.map(|time| Self {
            ttl: match time {
                CacheFor::Minutes5 => None,
                CacheFor::Hour1 => Some("1h"),
            },
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

impl<'a> From<&'a ImageSource> for Source<'a> {
    fn from(source: &'a ImageSource) -> Self {
        match source {
            ImageSource::Base64 { media_type, data } => Self::Base64 { media_type, data },
            ImageSource::Url { url } => Self::Url { url },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Value,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Inside::is_empty")]
        content: Inside<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark>,
    },
}

/// What is in a tool's result, or in the instructions: text alone where that says all.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Inside<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
}

impl Inside<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Blocks(blocks) => blocks.is_empty(),
        }
    }
}

/// A call's id in letters that the wire takes: other wires have more, and a conversation may have been begun on one.
pub(crate) fn call_id(id: &str) -> Cow<'_, str> {
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !id.is_empty() && id.chars().all(taken) {
        return Cow::Borrowed(id);
    }
    let id = if id.is_empty() { "_" } else { id };
    Cow::Owned(id.chars().map(|c| if taken(c) { c } else { '_' }).collect())
}
