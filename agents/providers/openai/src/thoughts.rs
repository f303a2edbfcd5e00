//! Which thoughts of a model go back to it, and under which name.
//!
//! This wire has no contract for them. Servers that show them call them `reasoning_content` or `reasoning`; some want
//! them back under the same name, OpenAI and others know neither. So each thought is sealed with the provider that
//! wrote it and its name for it, and goes back to nobody else.

use greenroom_kernel::{Reasoning, Seal};
use serde_json::{Value, json};

/// Not `openai`: that is how the Responses wire seals its own.
const FAMILY: &str = "openai_chat";

/// What a server calls thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// DeepSeek, vLLM, llama.cpp.
    ReasoningContent,
    /// OpenRouter, Ollama, Groq.
    Reasoning,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

/// A thought that `provider` wrote.
pub(crate) fn sealed(text: String, field: Field, provider: &str) -> Reasoning {
    let value = json!({"provider": provider, "field": field.name()});
    let family = FAMILY.to_owned();
    Reasoning {
        text,
        seal: Some(Seal { family, value }),
    }
}

/// Under which name a thought goes back to `provider`, if it does.
pub(crate) fn field_of(thought: &Reasoning, provider: &str) -> Option<Field> {
    let seal = thought.seal.as_ref().filter(|seal| seal.family == FAMILY)?;
    let is = |name: &str, text: &str| seal.value.get(name).and_then(Value::as_str) == Some(text);
    if !is("provider", provider) {
        return None;
    }
    [Field::ReasoningContent, Field::Reasoning]
        .into_iter()
        .find(|field| is("field", field.name()))
}
