//! What a server lists of its models.
//!
//! <https://platform.claude.com/docs/en/api/models/list>

use greenroom_kernel::{Capabilities, ModelInfo};
use greenroom_provider_claude::Takes;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Debug, Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    max_input_tokens: Option<u32>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    capabilities: Option<Listed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    image_input: Option<Supported>,
    structured_outputs: Option<Supported>,
    thinking: Option<Supported>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Supported {
    supported: Option<bool>,
}

/// Reads a server's list of models, in the server's order: the newest first.
pub(crate) fn model_list(body: &[u8]) -> Result<Vec<ModelInfo>, serde_json::Error> {
    let list: ModelList = serde_json::from_slice(body)?;
    Ok(list.data.into_iter().map(info).collect())
}

fn info(model: ListedModel) -> ModelInfo {
    let can = model.capabilities.unwrap_or_default();
    let says = |supported: Option<Supported>| supported.and_then(|s| s.supported);
    ModelInfo {
        can: Capabilities {
            context_window: model.max_input_tokens,
            // 0 stands for a figure that the server doesn't have.
            max_output: model.max_tokens.filter(|tokens| *tokens > 0),
            vision: says(can.image_input),
            json_schema: says(can.structured_outputs),
            reasoning: says(can.thinking),
            ..of_name(&model.id)
        },
        name: model.id,
    }
}

/// What a model's name alone tells.
pub(crate) fn of_name(model: &str) -> Capabilities {
    Capabilities {
        prefill: Takes::of(model).map(|takes| takes.prefill),
        ..Capabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_what_each_model_can_and_what_it_leaves_out_is_not_known() {
        let list = br#"{"data": [
            {"type": "model", "id": "claude-opus-5-5", "max_input_tokens": 1000000, "max_tokens": 128000,
             "capabilities": {"image_input": {"supported": true}, "structured_outputs": {"supported": true},
              "thinking": {"supported": true, "types": {"enabled": {"supported": false}}}, "batch": {"supported": true}}},
            {"id": "old", "max_tokens": 0, "capabilities": null}
        ], "has_more": false}"#;
        let models = model_list(list).unwrap();
        let expected = Capabilities {
            context_window: Some(1_000_000),
            max_output: Some(128_000),
            vision: Some(true),
            json_schema: Some(true),
            reasoning: Some(true),
            prefill: Some(false),
            ..Capabilities::default()
        };
        assert_eq!(models[0].can, expected);
        assert_eq!(models[1], ModelInfo::named("old"));
        assert!(model_list(b"{}").is_err());
    }
}
