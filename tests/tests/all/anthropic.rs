//! The real binary with nothing but an Anthropic key in its environment.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::support::{Client, Options, Server};

const KEY: &str = "sk-ant-for-a-test";

/// Answers with what it was asked, in the wire's events, to whoever has the key.
async fn messages(headers: HeaderMap, Json(asked): Json<Value>) -> axum::response::Response {
    let known = |name: &str, value: &str| headers.get(name).is_some_and(|v| v == value);
    if !known("x-api-key", KEY) || !known("anthropic-version", "2023-06-01") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let last = asked["messages"].as_array().unwrap().last().unwrap();
    let text = format!("you said {}", last["content"][0]["text"].as_str().unwrap());
    let events = [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 1000, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 100}}),
        json!({"type": "message_stop"}),
    ];
    let stream: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    ([(header::CONTENT_TYPE, "text/event-stream")], stream).into_response()
}

async fn models() -> Json<Value> {
    Json(json!({"data": [{"type": "model", "id": "claude-haiku-4-5", "max_input_tokens": 200_000}]}))
}

#[tokio::test]
async fn an_anthropic_key_is_taken_said_and_answers_a_chat() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/models", get(models));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let server = Server::start(Options {
        env: vec![
            ("ANTHROPIC_API_KEY".to_owned(), KEY.to_owned()),
            ("ANTHROPIC_BASE_URL".to_owned(), url),
        ],
        ..Options::default()
    })
    .await;
    let answer = Client::new(&server.http)
        .send_chat(json!({ "content": "hello" }))
        .await
        .data();
    let answer = &answer["sendChat"];
    assert_eq!(answer["task"]["status"], "COMPLETED", "{answer}");
    assert_eq!(answer["response"]["content"], "you said hello");
    let log = server.log();
    assert!(
        log.contains("anthropic: ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL are set"),
        "{log}"
    );
    assert!(!log.contains(KEY), "{log}");
    server.assert_calm();
}
