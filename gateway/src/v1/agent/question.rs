//! What an agent is asked: the last words of a conversation, and those before them.

use greenroom_kernel::{HistoryMessage, ModelMessage, ModelRequest, ModelRole, Role, Unreadable};
use serde_json::json;

/// A conversation, as an agent without a session is asked it.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    /// What the user says now.
    pub(super) content: String,
    /// What was said before.
    earlier: Vec<HistoryMessage>,
}

impl Question {
    /// Reads a request; what no agent can do is refused, and how to sample is left to the agent.
    pub(super) fn of(request: &ModelRequest) -> Result<Self, Unreadable> {
        let has_calls = |message: &ModelMessage| !message.tool_calls.is_empty();
        if !request.tools.is_empty() || request.messages.iter().any(has_calls) {
            return Err(Unreadable::at(
                "tools",
                "an agent has tools of its own: leave them out",
            ));
        }
        if !request.output.is_text() {
            let why = "an agent answers in a form of its own: leave the wish for another out";
            return Err(Unreadable::new(why));
        }
        if request.messages.iter().any(|message| message.content.has_image()) {
            return Err(Unreadable::new("an agent reads texts alone: leave images out"));
        }
        let (last, earlier) = match request.messages.split_last() {
            Some((last, earlier)) if last.role == ModelRole::User => (last, earlier),
            _ => {
                let why = "the last message must be the user's: it is what the agent is asked";
                return Err(Unreadable::new(why));
            }
        };
        let said = |message: &ModelMessage| {
            let role = match message.role {
                ModelRole::System => Role::System,
                ModelRole::User => Role::User,
                ModelRole::Assistant => Role::Assistant,
                ModelRole::Tool => return None,
            };
            let content = message.content.text().into_owned();
            (!content.is_empty()).then_some(HistoryMessage { role, content })
        };
        Ok(Self {
            content: last.content.text().into_owned(),
            earlier: earlier.iter().filter_map(said).collect(),
        })
    }

    /// A task's input: `{"content"}`, with `"messages"` where something was said before.
    pub(super) fn into_input(self) -> String {
        match self.earlier.is_empty() {
            true => json!({ "content": self.content }).to_string(),
            false => json!({ "content": self.content, "messages": self.earlier }).to_string(),
        }
    }
}
