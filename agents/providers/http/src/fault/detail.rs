//! What a provider says of its error, bounded and without secrets.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::key::ApiKey;

/// Most characters kept of what a provider says.
const SAID_AT_MOST: usize = 300;

/// Longest code that is kept, in bytes.
const CODE_AT_MOST: usize = 100;

/// What an error says of itself.
#[derive(Debug, Default)]
pub struct Detail {
    /// For people, shortened.
    pub message: String,
    /// `code` and `type`, in lower case.
    pub words: Vec<String>,
    /// A `code` that is an HTTP status.
    pub status: Option<u16>,
    /// `code` or else `type`, as it was written.
    pub code: Option<String>,
}

impl Detail {
    /// Of an answer's body: an error object, an object that is one, or any text.
    pub(super) fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => match value.get("error") {
                Some(error) if !error.is_null() => Self::of_error(error),
                _ => Self::of_error(&value),
            },
            Err(_) => Self {
                message: short(&String::from_utf8_lossy(body)),
                ..Self::default()
            },
        }
    }

    pub(super) fn of_error(error: &Value) -> Self {
        let Value::Object(fields) = error else {
            return Self {
                message: short(error.as_str().unwrap_or_default()),
                ..Self::default()
            };
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let message = text("message").or_else(|| text("detail")).unwrap_or_default();
        let status = fields.get("code").and_then(|code| match code {
            Value::Number(n) => n.as_u64().and_then(|n| u16::try_from(n).ok()),
            Value::String(s) => s.parse().ok(),
            _ => None,
        });
        Self {
            message: short(message),
            words: [text("code"), text("type")]
                .into_iter()
                .flatten()
                .map(str::to_lowercase)
                .collect(),
            status: status.filter(|s| (100..600).contains(s)),
            code: [text("code"), text("type")]
                .into_iter()
                .flatten()
                .find(|code| is_code(code))
                .map(str::to_owned),
        }
    }
}

/// Whether it is a word for programs, not a number or a sentence.
fn is_code(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.len() <= CODE_AT_MOST
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(word)
}

pub(super) fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(SAID_AT_MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes keys out of texts: the provider's own ones, and whatever looks like one of OpenAI's or Anthropic's (which errors may echo).
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    keys: Arc<[ApiKey]>,
}

impl Redactor {
    pub(super) fn new(keys: impl IntoIterator<Item = ApiKey>) -> Self {
        let keys = keys.into_iter().filter(|key| !key.expose().is_empty());
        Self { keys: keys.collect() }
    }

    pub(super) fn redact(&self, text: &str) -> String {
        let without = |text: Cow<'_, str>, key: &ApiKey| text.replace(key.expose(), "…").into();
        let text: Cow<'_, str> = self.keys.iter().fold(text.into(), without);
        let mut clean = String::with_capacity(text.len());
        let mut rest = text.as_ref();
        while let Some(at) = rest.find("sk-") {
            let in_a_word = rest[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            let (before, key) = rest.split_at(at);
            clean.push_str(before);
            let end = key
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')))
                .unwrap_or(key.len());
            clean.push_str(if in_a_word { &key[..end] } else { "…" });
            rest = &key[end..];
        }
        clean.push_str(rest);
        clean
    }
}
