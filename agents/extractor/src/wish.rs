//! What the caller wants extracted, and in which form.

use greenroom_agent_sdk::{AgentError, Task};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most repairs that a caller may ask for.
const MOST_REPAIRS: u32 = 10;

/// A text, the form of the document, and how hard to try.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) content: String,
    pub(crate) schema: Value,
    #[serde(default)]
    pub(crate) instructions: Option<String>,
    #[serde(default = "usual_repairs")]
    pub(crate) max_repairs: u32,
}

const fn usual_repairs() -> u32 {
    2
}

/// JSON Schema of what [`Wish::of`] reads. A chat's message is all in `content`, so nothing else is required here.
pub(crate) fn input_schema() -> Value {
    json!({
        "type": ["object", "string"],
        "description": "In a chat: this whole object, as the message's text",
        "properties": {
            "content": { "type": "string", "minLength": 1, "description": "The text" },
            "schema": {
                "type": "object",
                "description": "JSON Schema of the document, without references elsewhere; required",
            },
            "instructions": { "type": "string", "description": "What to mind" },
            "maxRepairs": { "type": "integer", "minimum": 0, "maximum": MOST_REPAIRS, "default": usual_repairs() },
        },
        "required": ["content"],
        "additionalProperties": false,
    })
}

impl Wish {
    /// A task's input: an object. In a chat, where a message is all there is, that object as the message's text.
    pub(crate) fn of(task: &Task) -> Result<Self, AgentError> {
        Self::read(task.input()?)
    }

    fn read(input: Value) -> Result<Self, AgentError> {
        let message = match &input {
            Value::String(text) => Some(text),
            Value::Object(members) if !members.contains_key("schema") => match members.get("content") {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        let inside = message.map(|text| serde_json::from_str::<Value>(text));
        let input = match inside {
            None => input,
            Some(Ok(inside @ Value::Object(_))) => inside,
            Some(_) => {
                return Err(bad(
                    "`schema` is missing: pass {\"content\": \"the text\", \"schema\": {…}}; in a chat, as the message",
                ));
            }
        };
        if !input.is_object() {
            return Err(bad("pass an object with `content` and `schema`"));
        }
        let wish: Self = serde_json::from_value(input).map_err(|error| bad(&error.to_string()))?;
        if wish.content.trim().is_empty() {
            return Err(bad("`content` holds no text"));
        }
        if wish.max_repairs > MOST_REPAIRS {
            return Err(bad(&format!("`maxRepairs` may be {MOST_REPAIRS} at most")));
        }
        Ok(wish)
    }
}

pub(crate) fn bad(why: &str) -> AgentError {
    AgentError::bad_input(format!("the extractor's input is wrong: {why}"))
}

#[cfg(test)]
mod tests {
    use greenroom_agent_sdk::ErrorCode;

    use super::*;

    #[test]
    fn an_object_is_read_and_in_a_chat_the_one_its_message_holds() {
        let wanted = json!({ "content": "t", "schema": { "type": "object" } });
        let wish = Wish::read(wanted.clone()).unwrap();
        assert_eq!((wish.content.as_str(), wish.max_repairs), ("t", 2));
        let chat = Wish::read(json!({ "content": wanted.to_string() })).unwrap();
        assert_eq!(chat, wish);
    }

    #[test]
    fn wrong_input_is_told_by_name() {
        for (input, named) in [
            (json!([]), "`content` and `schema`"),
            (json!("just text"), "`schema` is missing"),
            (json!({ "content": "just text" }), "`schema` is missing"),
            (json!({ "schema": {} }), "content"),
            (json!({ "content": " ", "schema": {} }), "no text"),
            (
                json!({ "content": "t", "schema": {}, "max_repairs": 1 }),
                "max_repairs",
            ),
            (
                json!({ "content": "t", "schema": {}, "maxRepairs": 11 }),
                "maxRepairs",
            ),
        ] {
            let error = Wish::read(input).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadUserInput);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
