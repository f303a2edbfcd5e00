//! A conversation in the wire's form: instructions apart, then turns of the user and the assistant by turns.

use std::borrow::Cow;

use greenroom_kernel::{ModelMessage, ModelRole, ToolCall};
use serde::Serialize;
use serde_json::{Value, json};

use crate::request::Unsayable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[derive(Debug, Serialize)]
pub(crate) struct Turn<'a> {
    role: Role,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: Cow<'a, str>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Value,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: Cow<'a, str>,
    },
}

/// A conversation's instructions, wherever they stand in it, and its turns. The wire refuses texts without a letter:
/// they are left out.
pub(crate) fn turns(messages: &[ModelMessage]) -> Result<(Option<String>, Vec<Turn<'_>>), Unsayable> {
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in messages {
        let said = message.content.text();
        let text = (!said.trim().is_empty()).then(|| said.clone());
        match message.role {
            ModelRole::System => system.extend(text),
            ModelRole::User => {
                if let Some(text) = text {
                    content(&mut turns, Role::User).push(Block::Text { text });
                }
            }
            ModelRole::Assistant => {
                let blocks = text.map(|text| Block::Text { text });
                let mut blocks = blocks
                    .into_iter()
                    .chain(message.tool_calls.iter().map(tool_use))
                    .peekable();
                if blocks.peek().is_some() {
                    content(&mut turns, Role::Assistant).extend(blocks);
                }
            }
            ModelRole::Tool => {
                let result = Block::ToolResult {
                    tool_use_id: message
                        .tool_call_id
                        .as_deref()
                        .ok_or(Unsayable::ResultOfNothing)?,
                    content: said,
                };
                let blocks = content(&mut turns, Role::User);
                // All results of a turn come before what the user says in it.
                let is_result = |block: &Block<'_>| matches!(block, Block::ToolResult { .. });
                let at = blocks.iter().take_while(|block| is_result(block)).count();
                blocks.insert(at, result);
            }
        }
    }
    Ok(((!system.is_empty()).then(|| system.join("\n\n")), turns))
}

/// The content of the turn that is `role`'s, a new one if the other's was last.
fn content<'t, 'a>(turns: &'t mut Vec<Turn<'a>>, role: Role) -> &'t mut Vec<Block<'a>> {
    if turns.last().is_none_or(|turn| turn.role != role) {
        turns.push(Turn {
            role,
            content: Vec::new(),
        });
    }
    let last = turns.len() - 1;
    &mut turns[last].content
}

/// The wire takes an object only. A model that once wrote something else must not end the conversation: its text is
/// handed back inside one.
fn tool_use(call: &ToolCall) -> Block<'_> {
    let arguments = match call.arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    let input = serde_json::from_str::<Value>(arguments)
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"unreadable": call.arguments}));
    Block::ToolUse {
        id: &call.id,
        name: &call.name,
        input,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(messages: &[ModelMessage]) -> (Option<String>, Value) {
        let (system, turns) = turns(messages).unwrap();
        (system, serde_json::to_value(turns).unwrap())
    }

    fn text(role: ModelRole, text: &str) -> ModelMessage {
        ModelMessage::text(role, text)
    }

    fn result(id: &str, content: &str) -> ModelMessage {
        ModelMessage {
            tool_call_id: Some(id.into()),
            ..text(ModelRole::Tool, content)
        }
    }

    fn calls(content: &str, calls: &[(&str, &str)]) -> ModelMessage {
        let call = |(id, arguments): &(&str, &str)| ToolCall {
            id: (*id).into(),
            name: "add".into(),
            arguments: (*arguments).into(),
        };
        ModelMessage {
            tool_calls: calls.iter().map(call).collect(),
            ..text(ModelRole::Assistant, content)
        }
    }

    #[test]
    fn instructions_stand_apart_and_the_turns_alternate() {
        let (system, turns) = said(&[
            text(ModelRole::System, "be brief"),
            text(ModelRole::User, "hi"),
            text(ModelRole::User, "there"),
            text(ModelRole::Assistant, "yes?"),
            text(ModelRole::System, "be kind"),
            text(ModelRole::Assistant, " \n"),
            text(ModelRole::User, ""),
            text(ModelRole::User, "nothing"),
        ]);
        assert_eq!(system.as_deref(), Some("be brief\n\nbe kind"));
        assert_eq!(
            turns,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "yes?"}]},
                {"role": "user", "content": [{"type": "text", "text": "nothing"}]},
            ])
        );
        assert_eq!(said(&[text(ModelRole::User, "hi")]).0, None);
    }

    #[test]
    fn parallel_results_are_one_turn_and_come_before_what_the_user_says() {
        let (_, turns) = said(&[
            calls("adding", &[("c1", r#"{"a":1}"#), ("c2", "")]),
            result("c1", "2"),
            text(ModelRole::User, "hurry"),
            result("c2", ""),
        ]);
        assert_eq!(
            turns,
            json!([
                {"role": "assistant", "content": [
                    {"type": "text", "text": "adding"},
                    {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
                    {"type": "tool_use", "id": "c2", "name": "add", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
                    {"type": "tool_result", "tool_use_id": "c2"},
                    {"type": "text", "text": "hurry"},
                ]},
            ])
        );
    }

    #[test]
    fn arguments_that_are_no_object_are_handed_back_inside_one() {
        for garbled in ["{\"a\":", "[1]", "7"] {
            let (_, turns) = said(&[calls("", &[("c1", garbled)])]);
            assert_eq!(turns[0]["content"][0]["input"], json!({"unreadable": garbled}));
        }
    }

    #[test]
    fn a_result_that_answers_no_call_is_refused() {
        assert_eq!(
            turns(&[text(ModelRole::Tool, "2")]).unwrap_err(),
            Unsayable::ResultOfNothing
        );
    }
}
