//! The Embeddings wire, as it is asked and as it answers.

#[cfg(test)]
mod tests;

use greenroom_kernel::{EmbeddingInput, EmbeddingRequest, Embeddings, ProviderFault};
use greenroom_provider_http::Faults;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::response::WireUsage;
use crate::vector::Vector;

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error("embeddings of texts and of tokens can't be asked for in one request: make two")]
    Mixed,
}

#[derive(Debug, Serialize)]
pub(crate) struct EmbedRequest<'a> {
    model: &'a str,
    input: &'a [EmbeddingInput],
    /// Every server knows it; the shorter base64 is OpenAI's own.
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

impl<'a> EmbedRequest<'a> {
    pub(crate) fn new(model: &'a str, request: &'a EmbeddingRequest) -> Result<Self, Unsayable> {
        let is_text = |input: &EmbeddingInput| matches!(input, EmbeddingInput::Text(_));
        let texts = request.inputs.iter().filter(|input| is_text(input)).count();
        if texts != 0 && texts != request.inputs.len() {
            return Err(Unsayable::Mixed);
        }
        Ok(Self {
            model,
            input: &request.inputs,
            encoding_format: "float",
            dimensions: request.dimensions,
            user: request.end_user.as_deref(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Vec<Embedded>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Embedded {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

/// Reads the vectors of so many inputs, in the order of the inputs.
pub(crate) fn read(
    body: &[u8],
    inputs: usize,
    model: &str,
    faults: &Faults,
) -> Result<Embeddings, ProviderFault> {
    let answer: Answer = serde_json::from_slice(body).map_err(|e| faults.malformed(&e))?;
    if let Some(error) = answer.error.filter(|error| !error.is_null()) {
        return Err(faults.error_object(&error, model));
    }
    let mut vectors = vec![Vec::new(); inputs];
    let data = answer.data.unwrap_or_default();
    let count = data.len();
    for (place, embedded) in data.into_iter().enumerate() {
        if let Some(slot) = vectors.get_mut(embedded.index.unwrap_or(place)) {
            *slot = embedded.embedding.0;
        }
    }
    if count != inputs || vectors.iter().any(Vec::is_empty) {
        return Err(faults.malformed(&format_args!("{count} embeddings for {inputs} inputs")));
    }
    Ok(Embeddings {
        vectors,
        usage: answer.usage.map(Into::into),
    })
}
