//! The real binary with nothing but AWS credentials and a region in its environment.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::support::{Client, Options, Server};

const KEY: &str = "AKIDFORATESTOFBEDROCK";
const SECRET: &str = "secret-for-a-test-of-bedrock";

fn frame(kind: &str, payload: &Value) -> Vec<u8> {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(payload.to_string().into_bytes())
        .add_header(Header::new(":message-type", text("event")))
        .add_header(Header::new(":event-type", text(kind)))
        .add_header(Header::new(":content-type", text("application/json")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// Answers with what it was asked, in the service's events, to whoever signed with the key.
async fn converse(
    Path(model): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> axum::response::Response {
    let signed = headers
        .get(header::AUTHORIZATION)
        .and_then(|signed| signed.to_str().ok())
        .unwrap_or_default();
    if !signed.contains(&format!("Credential={KEY}/")) || !signed.contains("/eu-west-1/bedrock/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let last = asked["messages"].as_array().unwrap().last().unwrap();
    let text = format!(
        "{model}: you said {}",
        last["content"][0]["text"].as_str().unwrap()
    );
    let frames = [
        frame("messageStart", &json!({"role": "assistant"})),
        frame(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"text": text}}),
        ),
        frame("contentBlockStop", &json!({"contentBlockIndex": 0})),
        frame("messageStop", &json!({"stopReason": "end_turn"})),
        frame(
            "metadata",
            &json!({"usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
                    "metrics": {"latencyMs": 1}}),
        ),
    ];
    let kind = [(header::CONTENT_TYPE, "application/vnd.amazon.eventstream")];
    (kind, frames.concat()).into_response()
}

#[tokio::test]
async fn aws_credentials_with_a_region_are_taken_said_and_answer_a_chat() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/model/{model}/converse-stream", post(converse));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let environment = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url),
    ];
    let server = Server::start(Options {
        env: environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    })
    .await;
    let answer = Client::new(&server.http)
        .send_chat(json!({ "content": "hello" }))
        .await
        .data();
    let answer = &answer["sendChat"];
    assert_eq!(answer["task"]["status"], "COMPLETED", "{answer}");
    assert_eq!(
        answer["response"]["content"],
        "eu.amazon.nova-2-lite-v1:0: you said hello"
    );
    let log = server.log();
    assert!(
        log.contains("bedrock (eu.amazon.nova-2-lite-v1:0): AWS_ACCESS_KEY_ID and AWS_REGION are set"),
        "{log}"
    );
    assert!(!log.contains(SECRET), "{log}");
    server.assert_calm();
}
