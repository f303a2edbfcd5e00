//! Texts into vectors.

use greenroom_kernel::{EmbeddingInput, EmbeddingRequest, Embeddings, FaultClass};
use greenroom_provider_http::testkit::{Fake, answer};
use serde_json::json;

use super::*;

const JSON: &str = "content-type: application/json\r\n";
const COUNTED: &str = "content-type: application/json\r\nx-amzn-bedrock-input-token-count: 7\r\n";

async fn embedded(
    fake: &Fake,
    model: &str,
    texts: usize,
    dimensions: Option<u32>,
) -> Result<Embeddings, ProviderFault> {
    let inputs = (0..texts).map(|n| EmbeddingInput::Text(format!("text {n}")));
    let request = EmbeddingRequest {
        inputs: inputs.collect(),
        dimensions,
        ..EmbeddingRequest::default()
    };
    at(fake).embed(model, &request, &CallContext::default()).await
}

#[tokio::test]
async fn titan_takes_a_text_a_call_four_at_once() {
    let one = |n: f32| {
        answer(
            200,
            JSON,
            &json!({"embedding": [n, 0.5], "inputTextTokenCount": 3}).to_string(),
        )
    };
    let fake = Fake::start((0..6).map(|_| one(1.0)).collect()).await;
    let found = embedded(&fake, "amazon.titan-embed-text-v2:0", 6, Some(256))
        .await
        .unwrap();
    assert_eq!(found.vectors, vec![vec![1.0, 0.5]; 6]);
    assert_eq!(found.usage.unwrap().input_tokens, 18);
    let seen = fake.seen();
    let mut texts: Vec<_> = seen
        .iter()
        .map(|seen| seen.body["inputText"].as_str().unwrap())
        .collect();
    texts.sort_unstable();
    assert_eq!(
        texts,
        ["text 0", "text 1", "text 2", "text 3", "text 4", "text 5"]
    );
    assert!(seen.iter().all(|seen| seen.body["dimensions"] == 256));
    assert!(
        seen[0]
            .head
            .contains("/model/amazon.titan-embed-text-v2%3A0/invoke ")
    );
    let connections: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
}

#[tokio::test]
async fn cohere_takes_many_at_once_and_counts_in_a_header() {
    let vectors = |n: usize| json!({"embeddings": {"float": vec![[0.5, 1.0]; n]}}).to_string();
    let fake = Fake::start(vec![
        answer(200, COUNTED, &vectors(96)),
        answer(200, COUNTED, &vectors(4)),
    ])
    .await;
    let found = embedded(&fake, "cohere.embed-v4:0", 100, Some(2)).await.unwrap();
    assert_eq!(
        (found.vectors.len(), found.usage.unwrap().input_tokens),
        (100, 14)
    );
    let body = &fake.seen()[1].body;
    assert_eq!(
        *body,
        json!({
            "texts": ["text 96", "text 97", "text 98", "text 99"], "input_type": "search_document",
            "embedding_types": ["float"], "output_dimension": 2,
        })
    );
}

#[tokio::test]
async fn too_few_vectors_and_refusals_are_faults() {
    let fake = Fake::start(vec![answer(200, JSON, r#"{"embeddings":[[1.0]]}"#)]).await;
    let fault = embedded(&fake, "cohere.embed-english-v3", 2, None)
        .await
        .unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);

    let throttled = format!("{JSON}x-amzn-errortype: ThrottlingException\r\n");
    let fake = Fake::start(vec![answer(429, &throttled, "{}")]).await;
    let fault = embedded(&fake, "amazon.titan-embed-text-v2:0", 1, None)
        .await
        .unwrap_err();
    assert_eq!(fault.class, FaultClass::Throttled);

    let fake = Fake::start(Vec::new()).await;
    let fault = embedded(&fake, "amazon.nova-lite-v1:0", 1, None)
        .await
        .unwrap_err();
    assert_eq!(fault.class, FaultClass::BadRequest);
}
