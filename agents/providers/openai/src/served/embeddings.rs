//! Embeddings as callers speak them to us.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use greenroom_kernel::{
    CallEvent, EmbeddingInput, EmbeddingRequest, Embeddings, ModelAnswer, Unreadable, WireFamily, Wish,
};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError, ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{error_body, error_bytes};
use super::fields::Fields;
use crate::vector::base64_of;

/// OpenAI Embeddings, for targets of other families. Every field has its word; unknown ones are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmbeddingsDialect;

impl Dialect for EmbeddingsDialect {
    fn family(&self) -> WireFamily {
        WireFamily::OpenAiEmbeddings
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            Unreadable::new(format!("the body must be a JSON object of this API: {error}"))
        })?;
        let request = Fields::of_request(&value)?;
        // Read by whoever writes the answer; a wrong one is told here.
        if !matches!(request.text("encoding_format")?, None | Some("float" | "base64")) {
            return Err(request.wrong("encoding_format", "it must be `float` or `base64`"));
        }
        Ok(Wish::Embeddings(Arc::new(EmbeddingRequest {
            model: request.text("model")?.map(str::to_owned),
            inputs: inputs(&request)?,
            dimensions: request.count("dimensions")?,
            end_user: request.text("user")?.map(str::to_owned),
        })))
    }

    fn writer(&self, _: &[u8], _: AnswerHead) -> Box<dyn AnswerWriter> {
        Box::new(NoAnswer)
    }

    fn embeddings(&self, body: &[u8], head: &AnswerHead, vectors: &Embeddings) -> Vec<u8> {
        let asked = serde_json::from_slice::<Asked>(body).ok();
        let base64 = asked.and_then(|asked| asked.encoding_format).as_deref() == Some("base64");
        let data: Vec<Value> = vectors
            .vectors
            .iter()
            .enumerate()
            .map(|(index, vector)| {
                let embedding = if base64 {
                    base64_of(vector).into()
                } else {
                    json!(vector)
                };
                json!({"object": "embedding", "index": index, "embedding": embedding})
            })
            .collect();
        let tokens = vectors.usage.map_or(0, |usage| usage.total_tokens());
        let body = json!({
            "object": "list",
            "data": data,
            "model": head.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        });
        body.to_string().into_bytes()
    }

    fn error(&self, error: &EdgeError) -> Vec<u8> {
        error_bytes(error)
    }

    /// A text to be turned into a vector has no conversation: nothing is put before it.
    fn inject(&self, _: &mut Map<String, Value>, _: &str) {}
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    encoding_format: Option<String>,
}

/// A text, tokens, or a list of either.
fn inputs(request: &Fields<'_>) -> Result<Vec<EmbeddingInput>, Unreadable> {
    let wrong = |at: String| {
        let message = "it must be a text, a list of tokens, or a list of either, and nothing of it empty";
        Unreadable::at(at, message)
    };
    let at = request.at("input");
    let given = request.get("input").ok_or_else(|| wrong(at.clone()))?;
    match given {
        Value::Array(items) if !items.iter().all(Value::is_number) => {
            let inputs = items.iter().enumerate();
            let inputs =
                inputs.map(|(number, item)| input(item).ok_or_else(|| wrong(format!("{at}[{number}]"))));
            inputs.collect()
        }
        one => Ok(vec![input(one).ok_or_else(|| wrong(at))?]),
    }
}

fn input(value: &Value) -> Option<EmbeddingInput> {
    match value {
        Value::String(text) if !text.is_empty() => Some(EmbeddingInput::Text(text.clone())),
        Value::Array(tokens) if !tokens.is_empty() => {
            let token = |value: &Value| value.as_u64().and_then(|token| u32::try_from(token).ok());
            let tokens = tokens.iter().map(token).collect::<Option<_>>()?;
            Some(EmbeddingInput::Tokens(tokens))
        }
        _ => None,
    }
}

/// Nothing but vectors answers a request for vectors.
struct NoAnswer;

impl AnswerWriter for NoAnswer {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn event(&mut self, _: &CallEvent, _: &mut Vec<u8>) {}

    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("data: {}\n\n", error_body(error)).as_bytes());
    }

    fn whole(&mut self, _: &ModelAnswer) -> Vec<u8> {
        error_bytes(&EdgeError::new(
            ErrorKind::Internal,
            "vectors were asked for, and text came",
        ))
    }
}
