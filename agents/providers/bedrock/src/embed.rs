//! Texts into vectors. Converse knows none, so each maker's model is spoken to in its own words.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use futures::{StreamExt, TryStreamExt};
use greenroom_kernel::{EmbeddingInput, EmbeddingRequest, Embeddings, ProviderFault, Usage};
use serde::{Deserialize, Serialize};

use crate::fault::Faults;

/// Calls at once for one request, of models that take a text a call.
const AT_ONCE: usize = 4;

/// Texts of one call that Cohere takes.
const TEXTS_AT_MOST: usize = 96;

/// How a model takes texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One at a time; `sized`: vectors of several lengths.
    Titan { sized: bool },
    /// Many at once.
    Cohere { sized: bool },
}

/// What can't be asked of a model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "{0} is no embedding model that is known here: ask for amazon.titan-embed-text-v2:0, cohere.embed-v4:0, cohere.embed-multilingual-v3 or cohere.embed-english-v3"
    )]
    Model(String),
    #[error("an embedding needs one text at least")]
    Nothing,
    #[error("this provider embeds texts, not tokens: send input {0} as text")]
    Tokens(usize),
    #[error("input {0} is empty: send texts with a letter at least")]
    Empty(usize),
    #[error("this model's vectors have one length: leave dimensions out")]
    Sized,
}

/// How `model` takes texts.
pub(crate) fn kind(model: &str) -> Result<Kind, Unsayable> {
    let is = |name: &str| model.contains(name);
    match () {
        () if is("titan-embed-text-v2") => Ok(Kind::Titan { sized: true }),
        () if is("titan-embed-text") || is("titan-embed-g1-text") => Ok(Kind::Titan { sized: false }),
        () if is("cohere.embed-v4") => Ok(Kind::Cohere { sized: true }),
        () if is("cohere.embed-") => Ok(Kind::Cohere { sized: false }),
        () => Err(Unsayable::Model(model.chars().take(100).collect())),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanRequest<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanAnswer {
    embedding: Vec<f32>,
    #[serde(default)]
    input_text_token_count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct CohereRequest<'a> {
    texts: &'a [&'a str],
    input_type: &'static str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct CohereAnswer {
    embeddings: CohereVectors,
}

/// By type where types were asked for, save that older servers pass that over.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CohereVectors {
    Typed { float: Vec<Vec<f32>> },
    Plain(Vec<Vec<f32>>),
}

/// Embeds with one model.
pub(crate) struct Embedder<'a> {
    pub(crate) client: &'a Client,
    pub(crate) model: &'a str,
    pub(crate) faults: &'a Faults,
}

impl Embedder<'_> {
    pub(crate) async fn embed(
        &self,
        kind: Kind,
        request: &EmbeddingRequest,
    ) -> Result<Embeddings, ProviderFault> {
        let texts = texts(kind, request).map_err(|e| self.faults.unsayable(&e))?;
        let dimensions = request.dimensions;
        let (vectors, tokens) = match kind {
            Kind::Titan { .. } => self.titan(&texts, dimensions).await?,
            Kind::Cohere { .. } => self.cohere(&texts, dimensions).await?,
        };
        if vectors.len() != texts.len() || vectors.iter().any(Vec::is_empty) {
            let why = format!("{} vectors for {} texts", vectors.len(), texts.len());
            return Err(self.faults.malformed(&why));
        }
        let usage = tokens.map(|tokens| Usage {
            input_tokens: tokens,
            ..Usage::default()
        });
        Ok(Embeddings { vectors, usage })
    }

    async fn titan(
        &self,
        texts: &[&str],
        dimensions: Option<u32>,
    ) -> Result<(Vec<Vec<f32>>, Option<u64>), ProviderFault> {
        let calls: Vec<_> = texts
            .iter()
            .map(|text| self.titan_one(text, dimensions))
            .collect();
        let answers: Vec<(Vec<f32>, Option<u64>)> = futures::stream::iter(calls)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let tokens = answers.iter().map(|(_, tokens)| *tokens).sum();
        Ok((answers.into_iter().map(|(vector, _)| vector).collect(), tokens))
    }

    async fn titan_one(
        &self,
        text: &str,
        dimensions: Option<u32>,
    ) -> Result<(Vec<f32>, Option<u64>), ProviderFault> {
        let body = TitanRequest {
            input_text: text,
            dimensions,
        };
        let (answer, counted) = self.invoke::<TitanAnswer>(&body).await?;
        Ok((answer.embedding, answer.input_text_token_count.or(counted)))
    }

    async fn cohere(
        &self,
        texts: &[&str],
        dimensions: Option<u32>,
    ) -> Result<(Vec<Vec<f32>>, Option<u64>), ProviderFault> {
        let (mut vectors, mut tokens) = (Vec::with_capacity(texts.len()), Some(0));
        for texts in texts.chunks(TEXTS_AT_MOST) {
            let body = CohereRequest {
                texts,
                input_type: "search_document",
                embedding_types: ["float"],
                output_dimension: dimensions,
            };
            let (answer, counted) = self.invoke::<CohereAnswer>(&body).await?;
            vectors.extend(match answer.embeddings {
                CohereVectors::Typed { float } | CohereVectors::Plain(float) => float,
            });
            tokens = tokens.zip(counted).map(|(before, now)| before + now);
        }
        Ok((vectors, tokens))
    }

    /// One call: its answer, and the tokens that the service counted.
    async fn invoke<A: for<'d> Deserialize<'d>>(
        &self,
        body: &impl Serialize,
    ) -> Result<(A, Option<u64>), ProviderFault> {
        let body = serde_json::to_vec(body).map_err(|e| self.faults.unsayable(&e))?;
        let counted = Counted::default();
        let answer = self
            .client
            .invoke_model()
            .model_id(self.model)
            .content_type("application/json")
            .accept("application/json")
            .body(Blob::new(body))
            .customize()
            .interceptor(counted.clone())
            .send()
            .await
            .map_err(|e| self.faults.call(&e, self.model))?;
        let answer = serde_json::from_slice(answer.body.as_ref()).map_err(|e| self.faults.malformed(&e))?;
        Ok((answer, counted.tokens()))
    }
}

/// The texts of a request, checked.
fn texts(kind: Kind, request: &EmbeddingRequest) -> Result<Vec<&str>, Unsayable> {
    let (Kind::Titan { sized } | Kind::Cohere { sized }) = kind;
    if request.dimensions.is_some() && !sized {
        return Err(Unsayable::Sized);
    }
    if request.inputs.is_empty() {
        return Err(Unsayable::Nothing);
    }
    let texts = request
        .inputs
        .iter()
        .enumerate()
        .map(|(index, input)| match input {
            EmbeddingInput::Text(text) if text.trim().is_empty() => Err(Unsayable::Empty(index)),
            EmbeddingInput::Text(text) => Ok(text.as_str()),
            EmbeddingInput::Tokens(_) => Err(Unsayable::Tokens(index)),
        });
    texts.collect()
}

/// Reads from an answer's headers what no body says.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn tokens(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|tokens| *tokens > 0)
    }
}

impl Intercept for Counted {
    fn name(&self) -> &'static str {
        "CountedTokens"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let counted = context
            .response()
            .headers()
            .get("x-amzn-bedrock-input-token-count");
        if let Some(tokens) = counted.and_then(|count| count.parse().ok()) {
            self.0.store(tokens, Ordering::Relaxed);
        }
        Ok(())
    }
}
