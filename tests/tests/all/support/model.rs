//! A model server outside the process: streams an answer and counts who asked for what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Ledger;

/// What a scripted model does with a request.
pub(crate) enum Said {
    /// Answers with a text.
    Text(String),
    /// Refuses it with a status and an error's code.
    Refused(u16, &'static str),
}

type Script = Box<dyn Fn(&Value) -> Said + Send + Sync>;

/// An OpenAI-compatible server whose answer is made of the last message, or by a script of the request's body.
#[derive(Clone)]
pub(crate) struct FakeModel {
    pub(crate) url: String,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ledger: Ledger,
    headers: Mutex<Vec<BTreeMap<String, String>>>,
    word_delay: Mutex<Duration>,
    script: Option<Script>,
}

impl FakeModel {
    pub(crate) async fn start() -> Self {
        Self::start_with(Ledger::default()).await
    }

    /// One that writes into a ledger shared with others.
    pub(crate) async fn start_with(ledger: Ledger) -> Self {
        Self::serve(Shared {
            ledger,
            ..Shared::default()
        })
        .await
    }

    /// One that answers by a script.
    pub(crate) async fn scripted(script: impl Fn(&Value) -> Said + Send + Sync + 'static) -> Self {
        Self::serve(Shared {
            script: Some(Box::new(script)),
            ..Shared::default()
        })
        .await
    }

    async fn serve(shared: Shared) -> Self {
        let state = Arc::new(shared);
        let router = Router::new()
            .route(
                "/v1/models",
                get(|| async {
                    Json(json!({ "object": "list", "data": [{ "id": "fake", "object": "model" }] }))
                }),
            )
            .route("/v1/chat/completions", post(complete))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    /// How long it takes between words.
    pub(crate) fn slow(&self, delay: Duration) {
        *self.state.word_delay.lock() = delay;
    }

    /// How often each prompt was asked for.
    pub(crate) fn asked(&self) -> BTreeMap<String, u32> {
        self.state.ledger.counts("model")
    }

    /// The headers of every call.
    pub(crate) fn headers(&self) -> Vec<BTreeMap<String, String>> {
        self.state.headers.lock().clone()
    }

    /// What it answers to a prompt.
    pub(crate) fn answer(prompt: &str) -> String {
        format!("You said: {prompt} — that is all, Ω 🎭.")
    }
}

async fn complete(
    State(state): State<Arc<Shared>>,
    headers: axum::http::HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let prompt = body["messages"]
        .as_array()
        .and_then(|all| all.last())
        .and_then(|last| last["content"].as_str());
    let prompt = prompt.unwrap_or_default().to_owned();
    state.ledger.add("model", &prompt);
    let seen = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    state.headers.lock().push(seen.collect());
    let delay = *state.word_delay.lock();
    let text = match state.script.as_ref().map(|script| script(&body)) {
        None => FakeModel::answer(&prompt),
        Some(Said::Text(text)) => text,
        Some(Said::Refused(status, code)) => {
            let error =
                json!({ "error": { "message": code, "code": code, "type": "invalid_request_error" } });
            return Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(Body::from(error.to_string()))
                .unwrap();
        }
    };
    let mut chunks: Vec<String> = text
        .split_inclusive(' ')
        .map(|word| chunk(json!({ "content": word }), None))
        .collect();
    chunks.insert(0, chunk(json!({ "role": "assistant" }), None));
    chunks.push(chunk(json!({}), Some("stop")));
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17 });
    chunks.push(json!({ "id": "x", "object": "chat.completion.chunk", "model": "fake", "choices": [], "usage": usage }).to_string());
    chunks.push("[DONE]".to_owned());
    let stream = futures::stream::iter(chunks).then(move |data| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok::<_, std::io::Error>(Bytes::from(format!("data: {data}\n\n")))
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(stream))
        .unwrap()
}

fn chunk(delta: Value, finish: Option<&str>) -> String {
    json!({ "id": "x", "object": "chat.completion.chunk", "model": "fake",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
    .to_string()
}
