//! A model server outside the process: streams an answer, or asks for a tool, and counts who asked for what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// An OpenAI-compatible server whose answer is made of the last message, or by a script of the request's body. Told
/// `use TOOL ARGUMENTS` by somebody who has tools, it asks for that one.
#[derive(Clone)]
pub(crate) struct FakeModel {
    pub(crate) url: String,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ledger: Ledger,
    headers: Mutex<Vec<BTreeMap<String, String>>>,
    conversations: Mutex<BTreeMap<String, Vec<Value>>>,
    word_delay: Mutex<Duration>,
    broken: AtomicBool,
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
            .layer(axum::extract::DefaultBodyLimit::disable())
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

    /// From now on it answers nothing but 500.
    pub(crate) fn fail(&self) {
        self.state.broken.store(true, Ordering::Relaxed);
    }

    /// How often each prompt was asked for.
    pub(crate) fn asked(&self) -> BTreeMap<String, u32> {
        self.state.ledger.counts("model")
    }

    /// The headers of every call.
    pub(crate) fn headers(&self) -> Vec<BTreeMap<String, String>> {
        self.state.headers.lock().clone()
    }

    /// The messages that ended in a prompt, when that was asked last.
    pub(crate) fn conversation(&self, prompt: &str) -> Vec<Value> {
        self.state
            .conversations
            .lock()
            .get(prompt)
            .cloned()
            .unwrap_or_default()
    }

    /// What it answers to a prompt.
    pub(crate) fn answer(prompt: &str) -> String {
        format!("You said: {prompt} — that is all, Ω 🎭.")
    }

    /// Whether a text may be its answer to some prompt, or a piece of it.
    pub(crate) fn may_have_said(text: &str) -> bool {
        let answer = Self::answer("\0");
        let (before, behind) = answer.split_once('\0').unwrap_or_default();
        text.contains(behind) || before.starts_with(text)
    }
}

async fn complete(
    State(state): State<Arc<Shared>>,
    headers: axum::http::HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let last = messages.last().cloned().unwrap_or_default();
    let prompt = last["content"].as_str().unwrap_or_default().to_owned();
    state.ledger.add("model", &prompt);
    state.conversations.lock().insert(prompt.clone(), messages);
    let seen = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    state.headers.lock().push(seen.collect());
    if state.broken.load(Ordering::Relaxed) {
        let message = json!({ "error": { "message": "the model is on fire" } }).to_string();
        return Response::builder().status(500).body(Body::from(message)).unwrap();
    }
    let delay = *state.word_delay.lock();
    let wanted = prompt
        .strip_prefix("use ")
        .filter(|_| last["role"] == "user" && body["tools"].is_array());
    let (mut chunks, finish) = match wanted.and_then(|wanted| wanted.split_once(' ')) {
        Some((name, arguments)) => {
            let function = json!({ "name": name, "arguments": arguments });
            let call = json!({ "index": 0, "id": "call-1", "type": "function", "function": function });
            (vec![chunk(json!({ "tool_calls": [call] }), None)], "tool_calls")
        }
        None => match state.script.as_ref().map(|script| script(&body)) {
            None => (words(&FakeModel::answer(&prompt)), "stop"),
            Some(Said::Text(text)) => (words(&text), "stop"),
            Some(Said::Refused(status, code)) => return refused(status, code),
        },
    };
    chunks.insert(0, chunk(json!({ "role": "assistant" }), None));
    chunks.push(chunk(json!({}), Some(finish)));
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

fn words(text: &str) -> Vec<String> {
    let words = text.split_inclusive(' ');
    words
        .map(|word| chunk(json!({ "content": word }), None))
        .collect()
}

fn chunk(delta: Value, finish: Option<&str>) -> String {
    json!({ "id": "x", "object": "chat.completion.chunk", "model": "fake",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
    .to_string()
}

fn refused(status: u16, code: &str) -> Response {
    let error = json!({ "error": { "message": code, "code": code, "type": "invalid_request_error" } });
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(error.to_string()))
        .unwrap()
}
