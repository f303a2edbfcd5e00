//! What comes back: chunks of a completion, lists of models, errors. Read leniently, since many servers speak
//! this wire with an accent.

use greenroom_kernel::{FinishReason, ModelInfo, Usage};
use serde::Deserialize;
use serde_json::Value;

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
    #[serde(default)]
    pub(crate) delta: Option<Delta>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta {
    #[serde(default)]
    pub(crate) content: Option<String>,
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<ToolCallDelta>>,
    /// A refusal is what the model says instead of content.
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    /// DeepSeek, vLLM, llama.cpp.
    #[serde(default)]
    reasoning_content: Option<Value>,
    /// OpenRouter, Ollama.
    #[serde(default)]
    reasoning: Option<Value>,
}

impl Delta {
    /// Whether the model thinks aloud in it, which is not shown.
    pub(crate) fn reasons(&self) -> bool {
        let said = |field: &Option<Value>| field.as_ref().is_some_and(|v| !v.is_null() && v != "");
        said(&self.reasoning_content) || said(&self.reasoning)
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

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    /// The wire counts cached tokens among the prompt's and reasoning among the completion's: taken apart here.
    fn from(wire: WireUsage) -> Self {
        let cached = wire
            .prompt_tokens_details
            .and_then(|d| d.cached_tokens)
            .unwrap_or(0)
            .min(wire.prompt_tokens);
        let reasoning = wire
            .completion_tokens_details
            .and_then(|d| d.reasoning_tokens)
            .unwrap_or(0)
            .min(wire.completion_tokens);
        Usage {
            input_tokens: wire.prompt_tokens - cached,
            cached_input_tokens: cached,
            output_tokens: wire.completion_tokens - reasoning,
            reasoning_tokens: reasoning,
            ..Usage::default()
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

#[derive(Debug, Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Debug, Deserialize)]
struct ListedModel {
    id: String,
    /// vLLM.
    #[serde(default)]
    max_model_len: Option<u32>,
    /// Groq and others.
    #[serde(default)]
    context_window: Option<u32>,
    /// OpenRouter.
    #[serde(default)]
    context_length: Option<u32>,
    /// llama.cpp.
    #[serde(default)]
    meta: Option<ListedMeta>,
}

#[derive(Debug, Deserialize)]
struct ListedMeta {
    #[serde(default)]
    n_ctx: Option<u32>,
    #[serde(default)]
    n_ctx_train: Option<u32>,
}

/// Reads a server's list of models, in the server's order.
pub(crate) fn model_list(body: &[u8]) -> Result<Vec<ModelInfo>, serde_json::Error> {
    let list: ModelList = serde_json::from_slice(body)?;
    Ok(list
        .data
        .into_iter()
        .map(|m| {
            let window = m.max_model_len.or(m.context_window).or(m.context_length);
            let window = window.or(m.meta.and_then(|meta| meta.n_ctx.or(meta.n_ctx_train)));
            ModelInfo::named(m.id).with_window(window)
        })
        .collect())
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
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 20}}"#,
        );
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (40, 60));
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (30, 20));
        assert_eq!(usage.total_tokens(), 150);
        assert!(!usage.estimated);
    }

    #[test]
    fn usage_that_contradicts_itself_never_underflows() {
        let usage = usage(
            r#"{"prompt_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": null}}"#,
        );
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (0, 5));
        assert_eq!(usage.total_tokens(), 5);
    }

    #[test]
    fn model_lists_tell_the_context_window_in_every_servers_way() {
        let models = model_list(
            br#"{"object": "list", "data": [{"id": "a", "max_model_len": 1}, {"id": "b", "context_window": 2},
                {"id": "c", "context_length": 3}, {"id": "d", "meta": {"n_ctx_train": 4}},
                {"id": "e", "owned_by": "x"}]}"#,
        )
        .unwrap();
        let got: Vec<_> = models
            .iter()
            .map(|m| (m.name.as_str(), m.can.context_window))
            .collect();
        assert_eq!(
            got,
            [
                ("a", Some(1)),
                ("b", Some(2)),
                ("c", Some(3)),
                ("d", Some(4)),
                ("e", None)
            ]
        );
    }
}
