//! What never leaves the process in a line or a span: secrets always, what people and models wrote unless asked.
//!
//! The rule is for authors: don't put such a thing into a field. This is the net below them. It goes by a field's
//! name, and inside any text by the shapes that credentials have.

use std::borrow::Cow;

use opentelemetry::{KeyValue, Value};

const MASK: &str = "[redacted]";
const SECRET_NAMES: [&str; 10] = [
    "authorization",
    "api_key",
    "api-key",
    "apikey",
    "cookie",
    "password",
    "secret",
    "signature",
    "token",
    "credential",
];
const CONTENT_NAMES: [&str; 14] = [
    "content",
    "prompt",
    "completion",
    "delta",
    "text",
    "input",
    "output",
    "body",
    "arguments",
    "result",
    "query",
    "variables",
    "messages",
    "instructions",
];
const SECRET_STARTS: [&str; 6] = ["sk-", "gr_", "AKIA", "ASIA", "eyJ", "xoxb-"];
/// Shorter words with such a start are words, not keys.
const SECRET_LENGTH: usize = 16;

/// A text with everything that looks like a credential masked, as log lines have it.
pub fn without_secrets(text: &str) -> String {
    Redaction::clean(text).into_owned()
}

/// Removes secrets, and content unless it was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redaction {
    pub(crate) content: bool,
}

impl Redaction {
    /// Whether a field of this name is hidden whole. The last part of a dotted name counts.
    pub(crate) fn hides(self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        let is = |word: &str| {
            last.eq_ignore_ascii_case(word)
                || last.len() > word.len()
                    && last.is_char_boundary(last.len() - word.len())
                    && last[last.len() - word.len()..].eq_ignore_ascii_case(word)
                    && matches!(last.as_bytes()[last.len() - word.len() - 1], b'_' | b'-')
        };
        SECRET_NAMES.into_iter().any(is)
            || !self.content
                && CONTENT_NAMES
                    .into_iter()
                    .any(|word| last.eq_ignore_ascii_case(word))
    }

    /// `text` with everything that looks like a credential masked.
    pub(crate) fn clean(text: &str) -> Cow<'_, str> {
        let suspicious =
            SECRET_STARTS.into_iter().any(|start| text.contains(start)) || text.contains("earer ");
        if !suspicious {
            return Cow::Borrowed(text);
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut after_bearer = false;
        for piece in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-_.+/=~".contains(c))) {
            let word =
                piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || "-_.+/=~".contains(c)));
            let secret = !word.is_empty()
                && (after_bearer
                    || word.len() >= SECRET_LENGTH && SECRET_STARTS.into_iter().any(|s| find_start(word, s)));
            if secret {
                cleaned.push_str(MASK);
                cleaned.push_str(&piece[word.len()..]);
            } else {
                cleaned.push_str(piece);
            }
            after_bearer = word.eq_ignore_ascii_case("bearer");
        }
        Cow::Owned(cleaned)
    }

    /// The value to show for a field: masked whole, cleaned, or as it is.
    pub(crate) fn field<'a>(self, name: &str, text: &'a str) -> Cow<'a, str> {
        if self.hides(name) {
            Cow::Borrowed(MASK)
        } else {
            Self::clean(text)
        }
    }

    /// The same for a span's attributes.
    pub(crate) fn attributes(self, attributes: &mut [KeyValue]) {
        for attribute in attributes {
            if self.hides(attribute.key.as_str()) {
                attribute.value = Value::from(MASK);
            } else if let Value::String(text) = &attribute.value
                && let Cow::Owned(cleaned) = Self::clean(text.as_str())
            {
                attribute.value = Value::from(cleaned);
            }
        }
    }
}

/// Whether `word` holds `start` at its beginning or after a `=` or `/` (`key=sk-…`).
fn find_start(word: &str, start: &str) -> bool {
    word.starts_with(start)
        || word
            .match_indices(start)
            .any(|(at, _)| matches!(word.as_bytes()[at - 1], b'=' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Redaction = Redaction { content: false };

    #[test]
    fn secrets_are_hidden_by_name_even_when_content_is_asked_for() {
        for name in [
            "authorization",
            "http.request.header.Authorization",
            "api_key",
            "refresh_token",
            "http.request.header.x-api-key",
            "set-cookie",
        ] {
            assert!(Redaction { content: true }.hides(name), "{name}");
        }
        for name in ["input_tokens", "tokenizer", "keys", "secretary"] {
            assert!(!CLOSED.hides(name), "{name}");
        }
    }

    #[test]
    fn content_is_hidden_unless_asked_for() {
        assert_eq!(CLOSED.field("content", "hello"), MASK);
        assert_eq!(Redaction { content: true }.field("content", "hello"), "hello");
    }

    #[test]
    fn credentials_inside_text_are_masked_and_the_rest_is_kept() {
        let key = "sk-abcdefghijklmnop1234";
        assert_eq!(
            Redaction::clean(&format!("call with {key}, failed")),
            "call with [redacted], failed"
        );
        assert_eq!(
            Redaction::clean("Authorization: Bearer abc.def"),
            "Authorization: Bearer [redacted]"
        );
        assert_eq!(
            Redaction::clean(&format!("url=http://h/?key={key}")),
            "url=http://h/?[redacted]"
        );
        assert_eq!(
            Redaction::clean("a task-based sk-y high 🎭 gr_een"),
            "a task-based sk-y high 🎭 gr_een"
        );
    }

    #[test]
    fn span_attributes_are_cleaned_like_fields() {
        let mut attributes = vec![
            KeyValue::new("prompt", "tell me"),
            KeyValue::new("url", "x?key=gr_0123456789abcdef"),
            KeyValue::new("count", 3),
        ];
        CLOSED.attributes(&mut attributes);
        assert_eq!(attributes[0].value.as_str(), MASK);
        assert!(
            !attributes[1].value.as_str().contains("gr_"),
            "{:?}",
            attributes[1]
        );
        assert_eq!(attributes[2].value, Value::from(3));
    }
}
