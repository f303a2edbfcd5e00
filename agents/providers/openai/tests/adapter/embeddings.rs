//! Embeddings, asked for and read.

use greenroom_kernel::{EmbeddingInput, EmbeddingRequest};

use super::*;

fn embedding() -> EmbeddingRequest {
    EmbeddingRequest {
        inputs: vec![EmbeddingInput::Text("a".into()), EmbeddingInput::Text("b".into())],
        ..EmbeddingRequest::default()
    }
}

#[tokio::test]
async fn embeddings_are_asked_for_and_read() {
    let body =
        r#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}],"usage":{"prompt_tokens":2}}"#;
    let fake = Fake::start(vec![
        answer(200, "", body),
        answer(429, "retry-after: 7\r\n", "{}"),
    ])
    .await;
    let backend = backend_at(fake.base_url());
    let got = backend.embed("m", &embedding(), &context()).await.unwrap();
    assert_eq!(got.vectors, [[1.0], [2.0]]);
    assert_eq!(got.usage.unwrap().input_tokens, 2);
    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), Some("Bearer sk-test-secret"));
    assert_eq!(
        seen.body,
        serde_json::json!({"model": "m", "input": ["a", "b"], "encoding_format": "float"})
    );
    let fault = backend.embed("m", &embedding(), &context()).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.retry_after),
        (FaultClass::Throttled, Some(Duration::from_secs(7)))
    );
}

#[tokio::test]
async fn a_cancelled_embedding_ends_as_cancelled_and_closes_the_upstream_call() {
    let mut fake = Fake::start(vec![vec![Step::AwaitClose]]).await;
    let backend = backend_at(fake.base_url());
    let (request, waiting) = (embedding(), context());
    let cancel = async {
        fake.asked().await;
        waiting.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(backend.embed("m", &request, &waiting), cancel);
    assert_eq!(outcome.unwrap_err().class, FaultClass::Cancelled);
    fake.closed_within_a_second().await;
}
