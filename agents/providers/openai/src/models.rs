//! What a server lists as served.

use greenroom_kernel::ModelInfo;
use serde::Deserialize;

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
    /// vLLM and llama.cpp name themselves.
    #[serde(default)]
    owned_by: Option<String>,
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
            let mut model = ModelInfo::named(m.id).with_window(window);
            if matches!(m.owned_by.as_deref(), Some("vllm" | "llamacpp")) {
                model.can.prefill = Some(true);
            }
            model
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_go_on_from_an_assistant_s_message_name_themselves() {
        let list = br#"{"data": [{"id": "a", "owned_by": "vllm"}, {"id": "b", "owned_by": "llamacpp"},
            {"id": "c", "owned_by": "openai"}, {"id": "d", "owned_by": null}]}"#;
        let models = model_list(list).unwrap();
        let told: Vec<_> = models.iter().map(|model| model.can.prefill).collect();
        assert_eq!(told, [Some(true), Some(true), None, None]);
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
