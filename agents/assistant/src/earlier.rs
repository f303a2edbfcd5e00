//! What was said before: in the session, or as the caller tells it who keeps the conversation.

use std::borrow::Cow;

use greenroom_agent_sdk::{AgentError, HistoryMessage, Role, Task};
use serde_json::Value;

/// The instructions, and the conversation behind them.
#[derive(Debug, PartialEq)]
pub(crate) struct Earlier<'a> {
    pub(crate) system: Cow<'a, str>,
    pub(crate) history: Cow<'a, [HistoryMessage]>,
}

impl<'a> Earlier<'a> {
    /// The session's history, then the input's `messages`.
    pub(crate) fn of(
        task: &Task,
        system: &'a str,
        history: &'a [HistoryMessage],
    ) -> Result<Self, AgentError> {
        Self::read(task.input()?, system, history)
    }

    fn read(input: Value, system: &'a str, history: &'a [HistoryMessage]) -> Result<Self, AgentError> {
        let told = match input {
            Value::Object(mut members) => members.remove("messages"),
            _ => None,
        };
        let Some(told) = told else {
            return Ok(Self {
                system: Cow::Borrowed(system),
                history: Cow::Borrowed(history),
            });
        };
        let mut told = serde_json::from_value::<Vec<HistoryMessage>>(told).map_err(|error| {
            let expected = r#"[{"role": "USER", "content": "..."}]"#;
            AgentError::bad_input(format!(
                "the input's messages must be a list such as {expected}: {error}"
            ))
        })?;
        let is_instruction = |message: &HistoryMessage| message.role == Role::System;
        let rest = told.iter().position(|message| !is_instruction(message));
        let rest = told.split_off(rest.unwrap_or(told.len()));
        let own = (!system.is_empty()).then(|| system.to_owned());
        let system: Vec<_> = own
            .into_iter()
            .chain(told.into_iter().map(|said| said.content))
            .collect();
        Ok(Self {
            system: Cow::Owned(system.join("\n\n")),
            history: Cow::Owned([history, &rest].concat()),
        })
    }
}
