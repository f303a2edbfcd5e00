//! How a target is asked to go on with an answer. Pure.

use greenroom_kernel::{Content, ModelMessage, ModelRequest, ModelRole, Part, ReasoningWish};
use serde_json::Value;

use crate::estimate;

/// Most bytes of an answer's end that a request in words repeats.
const END_AT_MOST: usize = 120;

/// How a broken answer is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// From the beginning: nothing of the answer itself was shown.
    Again,
    /// From the text itself.
    Prefill,
    /// From the beginning, and joined where it has repeated what was shown.
    Splice,
    /// As words ask for.
    Prompt,
}

impl Manner {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Prefill => "prefill",
            Self::Splice => "splice",
            Self::Prompt => "prompt",
        }
    }
}

/// The request with what was shown as the beginning of its answer.
pub(super) fn prefilled(request: &ModelRequest, shown: &str) -> ModelRequest {
    let mut request = rest_of(request, shown);
    request.continues = true;
    match request.messages.last_mut() {
        // The caller began the answer itself.
        Some(last) if last.role == ModelRole::Assistant && last.tool_calls.is_empty() => {
            match &mut last.content {
                Content::Text(text) => text.push_str(shown),
                Content::Parts(parts) => parts.push(Part::text(shown)),
            }
        }
        _ => request
            .messages
            .push(ModelMessage::text(ModelRole::Assistant, shown)),
    }
    request
}

/// The request with what was shown, and words that ask for the rest of it.
pub(super) fn prompted(request: &ModelRequest, shown: &str) -> ModelRequest {
    let mut request = rest_of(request, shown);
    let mut from = shown.len().saturating_sub(END_AT_MOST);
    while !shown.is_char_boundary(from) {
        from += 1;
    }
    let end = Value::from(&shown[from..]);
    let words = format!(
        "Your answer above broke off in the middle. Go on with it exactly where it stops, with the very next character: \
         repeat nothing of it, correct nothing in it, and say nothing about the break. These are its last characters, as a \
         JSON string: {end}"
    );
    request
        .messages
        .push(ModelMessage::text(ModelRole::Assistant, shown));
    request.messages.push(ModelMessage::text(ModelRole::User, words));
    request
}

/// What is left of a request's bounds. Thoughts belong before an answer, and it has begun.
fn rest_of(request: &ModelRequest, shown: &str) -> ModelRequest {
    let used = u32::try_from(estimate::of_bytes(shown.len())).unwrap_or(u32::MAX);
    ModelRequest {
        max_tokens: request.max_tokens.map(|bound| bound.saturating_sub(used).max(1)),
        reasoning: request.reasoning.map(|_| ReasoningWish::Off),
        ..request.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(last: ModelMessage) -> ModelRequest {
        ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "hi"), last],
            max_tokens: Some(10),
            reasoning: Some(ReasoningWish::Tokens(9)),
            ..ModelRequest::default()
        }
    }

    #[test]
    fn what_was_shown_is_the_beginning_of_the_answer_and_counts_against_its_bounds() {
        let asked = prefilled(&request(ModelMessage::text(ModelRole::User, "go")), "one two ");
        assert_eq!(asked.messages.len(), 3);
        assert_eq!(
            asked.messages[2],
            ModelMessage::text(ModelRole::Assistant, "one two ")
        );
        assert_eq!(
            (asked.max_tokens, asked.reasoning),
            (Some(8), Some(ReasoningWish::Off))
        );
        let long = "x".repeat(100);
        let asked = prefilled(&request(ModelMessage::text(ModelRole::User, "go")), &long);
        assert_eq!(asked.max_tokens, Some(1));
    }

    #[test]
    fn an_answer_that_its_caller_began_is_gone_on_with_in_the_same_message() {
        let asked = prefilled(&request(ModelMessage::text(ModelRole::Assistant, "{")), "1");
        assert_eq!(asked.messages.len(), 2);
        assert_eq!(asked.messages[1].content.text(), "{1");
    }

    #[test]
    fn words_that_ask_for_the_rest_give_the_end_as_data() {
        let shown = format!("{}said \"no\"", "\u{e9}".repeat(200));
        let asked = prompted(&request(ModelMessage::text(ModelRole::User, "go")), &shown);
        let [.., answer, words] = asked.messages.as_slice() else {
            panic!("too few");
        };
        assert_eq!((answer.role, words.role), (ModelRole::Assistant, ModelRole::User));
        let words = words.content.text();
        assert!(words.ends_with(r#"said \"no\"""#) && words.len() < 600, "{words}");
    }
}
