//! What of a conversation a model is sent.

use greenroom_agent_sdk::{HistoryMessage, ModelMessage, ModelRole, Role};

/// What a model is sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) messages: Vec<ModelMessage>,
    /// How many of them are history.
    pub(crate) history: usize,
    /// How many tokens they are, approximately.
    pub(crate) tokens: usize,
}

/// The system prompt, as much of the newest history as fits `budget` tokens, and what the caller says now. The
/// first and the last are there whatever the budget is. History never begins with an answer whose question was left
/// out.
pub(crate) fn conversation(
    system: &str,
    history: &[HistoryMessage],
    text: &str,
    budget: usize,
) -> Conversation {
    let mut tokens = tokens_of(text) + if system.is_empty() { 0 } else { tokens_of(system) };
    let mut newest = Vec::new();
    for message in history.iter().rev() {
        let Some(role) = shown_as(message.role) else {
            continue;
        };
        let cost = tokens_of(&message.content);
        if tokens + cost > budget {
            break;
        }
        tokens += cost;
        newest.push(ModelMessage::text(role, message.content.clone()));
    }
    while newest
        .last()
        .is_some_and(|oldest| oldest.role == ModelRole::Assistant)
    {
        tokens -= newest
            .pop()
            .map_or(0, |left_out| tokens_of(&left_out.content.text()));
    }
    let history = newest.len();
    let mut messages = Vec::with_capacity(history + 2);
    if !system.is_empty() {
        messages.push(ModelMessage::text(ModelRole::System, system));
    }
    messages.extend(newest.into_iter().rev());
    messages.push(ModelMessage::text(ModelRole::User, text));
    Conversation {
        messages,
        history,
        tokens,
    }
}

/// A tool's message means nothing without the call it answers.
const fn shown_as(role: Role) -> Option<ModelRole> {
    match role {
        Role::User => Some(ModelRole::User),
        Role::Assistant => Some(ModelRole::Assistant),
        Role::System => Some(ModelRole::System),
        Role::Tool => None,
    }
}

/// A guess on the high side: a token is three bytes or more in most languages and tokenizers, and each message
/// costs a few for its frame.
const fn tokens_of(text: &str) -> usize {
    text.len().div_ceil(3) + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: Role, content: &str) -> HistoryMessage {
        HistoryMessage {
            role,
            content: content.into(),
        }
    }

    fn contents(conversation: &Conversation) -> Vec<String> {
        conversation
            .messages
            .iter()
            .map(|message| message.content.text().into_owned())
            .collect()
    }

    #[test]
    fn a_short_conversation_is_sent_whole_and_in_order() {
        let history = [
            said(Role::User, "a"),
            said(Role::Tool, "t"),
            said(Role::Assistant, "b"),
        ];
        let whole = conversation("s", &history, "c", 1_000);
        assert_eq!(contents(&whole), ["s", "a", "b", "c"]);
        assert_eq!((whole.history, whole.tokens), (2, 20));
        assert_eq!(contents(&conversation("", &history, "c", 1_000)), ["a", "b", "c"]);
    }

    #[test]
    fn the_oldest_is_left_out_first_and_no_answer_stands_without_its_question() {
        let history = [
            said(Role::User, "q1"),
            said(Role::Assistant, "a1"),
            said(Role::User, "q2"),
            said(Role::Assistant, "a2"),
        ];
        // Each message is 5 tokens: the caller's and four more.
        assert_eq!(
            contents(&conversation("", &history, "q3", 25)),
            ["q1", "a1", "q2", "a2", "q3"]
        );
        let trimmed = conversation("", &history, "q3", 24);
        assert_eq!(contents(&trimmed), ["q2", "a2", "q3"]);
        assert_eq!((trimmed.history, trimmed.tokens), (2, 15));
        assert_eq!(contents(&conversation("", &history, "q3", 14)), ["q3"]);
    }

    #[test]
    fn what_the_caller_says_is_sent_whatever_the_budget() {
        let sent = conversation("system", &[said(Role::User, "old")], "now", 0);
        assert_eq!(contents(&sent), ["system", "now"]);
        assert_eq!(sent.history, 0);
    }
}
