//! What the caller wants to know, and of whom.

use greenroom_agent_sdk::{AgentError, Task};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{NAME, Researcher};

/// The most agents that one question goes to.
pub const MOST_AGENTS: usize = 16;

/// The most parts that a question may have.
pub const MOST_PARTS: usize = 16;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(alias = "content")]
    question: String,
    agents: Option<Vec<String>>,
    max_parts: Option<usize>,
}

/// A question, who may be asked, and into how many parts it may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) question: String,
    pub(crate) agents: Vec<String>,
    pub(crate) max_parts: usize,
}

/// JSON Schema of what [`Wish::of`] reads.
pub(crate) fn input_schema() -> Value {
    let question = json!({ "type": "string", "minLength": 1, "description": "The question" });
    json!({
        "anyOf": [
            question,
            {
                "type": "object",
                "properties": {
                    "question": question,
                    "content": { "type": "string", "minLength": 1, "description": "The question, as a chat calls it" },
                    "agents": {
                        "type": "array",
                        "items": { "type": "string" },
                        "minItems": 1,
                        "maxItems": MOST_AGENTS,
                        "description": "Who may be asked",
                    },
                    "maxParts": { "type": "integer", "minimum": 1, "maximum": MOST_PARTS },
                },
                "oneOf": [{ "required": ["question"] }, { "required": ["content"] }],
                "additionalProperties": false,
            },
        ],
    })
}

impl Wish {
    /// A task's input: a JSON string, or an object with a `question` or a `content`.
    pub(crate) fn of(task: &Task, usual: &Researcher) -> Result<Self, AgentError> {
        Self::read(task.input()?, usual)
    }

    fn read(input: Value, usual: &Researcher) -> Result<Self, AgentError> {
        let input = match input {
            text @ Value::String(_) => json!({ "question": text }),
            input @ Value::Object(_) => input,
            _ => {
                return Err(bad(
                    "pass the question as a JSON string, or an object with a string `question`",
                ));
            }
        };
        let written: Written = serde_json::from_value(input).map_err(|error| bad(&error.to_string()))?;
        if written.question.trim().is_empty() {
            return Err(bad("`question` holds no text"));
        }
        let max_parts = written.max_parts.unwrap_or(usual.max_parts);
        if !(1..=MOST_PARTS).contains(&max_parts) {
            return Err(bad(&format!("`maxParts` must lie between 1 and {MOST_PARTS}")));
        }
        let mut agents: Vec<String> = Vec::new();
        for name in written.agents.unwrap_or_else(|| usual.agents.clone()) {
            if !agents.contains(&name) {
                agents.push(name);
            }
        }
        if !(1..=MOST_AGENTS).contains(&agents.len()) {
            return Err(bad(&format!("`agents` must name 1 to {MOST_AGENTS} agents")));
        }
        if agents.iter().any(|name| name == NAME) {
            return Err(bad(
                "`agents` names the researcher itself, who would ask itself for ever",
            ));
        }
        if let Some(name) = agents.iter().find(|name| !is_name(name)) {
            let shown = &name[..name.floor_char_boundary(80)];
            return Err(bad(&format!(
                "`agents`: {shown:?} is no agent's name, which matches [A-Za-z0-9_-]{{1,64}}"
            )));
        }
        Ok(Self {
            question: written.question,
            agents,
            max_parts,
        })
    }
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn bad(why: &str) -> AgentError {
    AgentError::bad_input(format!("the researcher's input is wrong: {why}"))
}

#[cfg(test)]
mod tests {
    use greenroom_agent_sdk::ErrorCode;

    use super::*;

    fn read(input: Value) -> Result<Wish, AgentError> {
        Wish::read(input, &Researcher::default())
    }

    #[test]
    fn a_question_alone_goes_to_the_usual_agents_and_the_caller_may_name_others() {
        let usual = read(json!("why?")).unwrap();
        assert_eq!(
            (usual.agents.as_slice(), usual.max_parts),
            (["assistant".into(), "summarizer".into()].as_slice(), 4)
        );
        assert_eq!(read(json!({ "content": "why?" })).unwrap(), usual);
        let named = read(json!({ "question": "why?", "agents": ["a", "b", "a"], "maxParts": 2 })).unwrap();
        assert_eq!(
            (named.agents.as_slice(), named.max_parts),
            (["a".into(), "b".into()].as_slice(), 2)
        );
    }

    #[test]
    fn wrong_input_is_told_by_name() {
        for (input, named) in [
            (json!(null), "question"),
            (json!({ "question": " " }), "no text"),
            (json!({ "agents": ["a"] }), "question"),
            (json!({ "question": "q", "maxParts": 0 }), "maxParts"),
            (json!({ "question": "q", "max_parts": 1 }), "max_parts"),
            (json!({ "question": "q", "agents": [] }), "agents"),
            (json!({ "question": "q", "agents": ["a b"] }), "a b"),
            (json!({ "question": "q", "agents": ["researcher"] }), "itself"),
            (json!({ "question": "q", "content": "q" }), "question"),
        ] {
            let error = read(input).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadUserInput);
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
