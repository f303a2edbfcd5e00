//! What comes back: chunks of a completion, whole completions, figures, errors. Read leniently, since many servers speak
//! this wire with an accent.

use greenroom_kernel::{FinishReason, Reach, Reported, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::thoughts::Field;

#[derive(Debug, Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    pub(crate) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) index: u32,
    /// What a chunk adds.
    #[serde(default)]
    pub(crate) delta: Option<Delta>,
    /// All of an answer that is not streamed, in the same fields.
    #[serde(default)]
    pub(crate) message: Option<Delta>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta {
    /// Text by the contract; Mistral's thinking models send parts.
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<ToolCallDelta>>,
    /// A refusal is what the model says instead of content.
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<Value>,
    #[serde(default)]
    reasoning: Option<Value>,
    /// What tool calls were before they were several. Only a caller who asked for one gets it.
    #[serde(default)]
    pub(crate) function_call: Option<FunctionDelta>,
    #[serde(default)]
    pub(crate) audio: Option<IgnoredAny>,
}

/// What the model thinks aloud.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Thought {
    /// Empty where its form is not known.
    pub(crate) text: String,
    /// What the server calls it, where it is called anything.
    pub(crate) field: Option<Field>,
}

impl Delta {
    /// Whether the model refuses.
    pub(crate) fn refuses(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty())
    }

    /// Takes out the text that the caller is to see.
    pub(crate) fn take_said(&mut self) -> String {
        let content = match self.content.take() {
            Some(Value::String(text)) => text,
            Some(Value::Array(parts)) => {
                let texts = parts
                    .iter()
                    .filter_map(|part| part.get("text")?.as_str())
                    .collect();
                self.content = Some(Value::Array(parts));
                texts
            }
            _ => String::new(),
        };
        match self.refusal.take() {
            Some(refusal) if content.is_empty() => refusal,
            Some(refusal) => content + &refusal,
            None => content,
        }
    }

    /// Takes out what the model thinks aloud, if it does. Servers that say it twice say the same.
    pub(crate) fn take_thought(&mut self) -> Option<Thought> {
        let named = [
            (self.reasoning_content.take(), Field::ReasoningContent),
            (self.reasoning.take(), Field::Reasoning),
        ];
        let named = named.into_iter().find_map(|(said, field)| match said {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => (!text.is_empty()).then_some(Thought {
                text,
                field: Some(field),
            }),
            Some(_) => Some(Thought::default()),
        });
        named.or_else(|| {
            let parts = self.content.as_ref()?.as_array()?;
            let thoughts = parts.iter().filter_map(|part| part.get("thinking")?.as_array());
            let texts = thoughts.flatten().filter_map(|part| part.get("text")?.as_str());
            let text: String = texts.collect();
            (!text.is_empty()).then_some(Thought { text, field: None })
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ToolCallDelta {
    #[serde(default)]
    pub(crate) index: Option<u32>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionDelta {
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Text by the contract; some servers send the object itself.
    #[serde(default)]
    pub(crate) arguments: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

/// A figure of tokens. No answer has more than the bound: figures of many answers can be added up whatever a server says.
pub(crate) fn bounded(tokens: Option<u64>) -> u64 {
    tokens.unwrap_or(0).min(u64::from(u32::MAX))
}

impl From<WireUsage> for Usage {
    /// The wire counts what was read from a cache and written to one among the prompt's tokens, and reasoning among the
    /// completion's: taken apart here.
    fn from(wire: WireUsage) -> Self {
        let prompt = bounded(wire.prompt_tokens);
        let completion = bounded(wire.completion_tokens);
        let cached = wire
            .prompt_tokens_details
            .and_then(|d| d.cached_tokens)
            .unwrap_or(0)
            .min(prompt);
        let written = wire
            .prompt_tokens_details
            .and_then(|d| d.cache_write_tokens)
            .unwrap_or(0)
            .min(prompt - cached);
        let reasoning = wire
            .completion_tokens_details
            .and_then(|d| d.reasoning_tokens)
            .unwrap_or(0)
            .min(completion);
        Usage {
            input_tokens: prompt - cached - written,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: completion - reasoning,
            reasoning_tokens: reasoning,
            ..Usage::default()
        }
    }
}

impl WireUsage {
    /// What it tells of an answer that runs, or has `ended`.
    pub(crate) fn reported(self, ended: bool) -> Reported {
        Reported {
            usage: self.into(),
            output: match self.completion_tokens {
                None => Reach::Begun,
                Some(_) if ended => Reach::Whole,
                Some(_) => Reach::Until { ahead: 0 },
            },
        }
    }
}

/// Reads a finish reason; those nobody specified mean that the model stopped.
pub(crate) fn finish_reason(text: &str) -> FinishReason {
    match text {
        "length" | "max_tokens" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        serde_json::from_str::<WireUsage>(json).unwrap().into()
    }

    #[test]
    fn usage_classes_are_disjoint_and_sum_to_what_the_provider_counted() {
        let usage = usage(
            r#"{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 20}}"#,
        );
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (10, 60));
        assert_eq!(usage.cache_write_tokens, 30);
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (30, 20));
        assert_eq!(usage.total_tokens(), 150);
        assert!(!usage.estimated);
    }

    #[test]
    fn usage_that_contradicts_itself_never_underflows() {
        let usage = usage(
            r#"{"prompt_tokens": 5, "completion_tokens": null, "prompt_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": null}}"#,
        );
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (0, 5));
        assert_eq!(usage.total_tokens(), 5);
    }

    #[test]
    fn figures_beyond_all_measure_are_bounded_so_that_they_can_be_added_up() {
        let usage = usage(
            r#"{"prompt_tokens": 18446744073709551615, "completion_tokens": 18446744073709551615,
                "prompt_tokens_details": {"cached_tokens": 18446744073709551615}}"#,
        );
        assert_eq!(usage.total_tokens(), 2 * u64::from(u32::MAX));
        assert_eq!(
            (usage.input_tokens, usage.cached_input_tokens),
            (0, u64::from(u32::MAX))
        );
    }
}
