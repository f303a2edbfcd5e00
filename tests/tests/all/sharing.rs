//! The real binary before an upstream that counts what it is asked: calls that race, join and go together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{Options, Server};

/// How often each provider was asked for an answer, and the tokens of all vectors.
#[derive(Default)]
struct Asked {
    answers: BTreeMap<String, u32>,
    tokens: u64,
}

type Shared = Arc<Mutex<Asked>>;

async fn answer(State(asked): State<Shared>, Path(provider): Path<String>) -> Json<Value> {
    *asked.lock().answers.entry(provider.clone()).or_default() += 1;
    let wait = match provider.as_str() {
        "slow" => Duration::from_secs(30),
        _ => Duration::from_secs(1),
    };
    tokio::time::sleep(wait).await;
    Json(json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": provider}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }))
}

async fn vectors(State(asked): State<Shared>, Json(request): Json<Value>) -> Json<Value> {
    let inputs = match &request["input"] {
        Value::Array(inputs) => inputs.clone(),
        one => vec![one.clone()],
    };
    // As many as don't part evenly.
    let tokens = 7 * inputs.len() as u64 + 1;
    asked.lock().tokens += tokens;
    let vector = |(index, input): (usize, &Value)| {
        let length = input.as_str().unwrap().len();
        json!({"object": "embedding", "index": index, "embedding": [length as f64]})
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(vector).collect();
    Json(json!({
        "object": "list", "data": data, "model": "e",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

async fn upstream() -> (String, Shared) {
    let asked = Shared::default();
    let models = || async { Json(json!({"object": "list", "data": [{"id": "m", "object": "model"}]})) };
    let router = Router::new()
        .route("/{provider}/models", get(models))
        .route("/{provider}/chat/completions", post(answer))
        .route("/{provider}/embeddings", post(vectors))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn calls_race_join_and_go_together_where_their_route_says_so() {
    let (url, asked) = upstream().await;
    let config = format!(
        r#"
[providers.quick]
base_url = "{url}/quick"
models = ["m", "e"]
[providers.slow]
base_url = "{url}/slow"
models = ["m"]
[models.routes.joined]
targets = ["quick/m"]
join = true
[models.routes.raced]
targets = ["slow/m", "quick/m"]
hedge = {{ after = 50 }}
[models.routes.vectors]
targets = ["quick/e"]
batch = {{}}
"#
    );
    let server = Server::start(Options {
        config: Some(config),
        ..Options::default()
    })
    .await;
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .build()
        .unwrap();
    let ask = async |path: &str, body: Value| {
        let answer = http.post(format!("{}/v1/{path}", server.http)).json(&body);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let tries = answer.headers()["x-greenroom-tries"].to_str().unwrap().to_owned();
        (answer.json::<Value>().await.unwrap(), tries)
    };
    let says = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Hello."}]});

    // The second comes while the first waits for a second.
    let chat = "chat/completions";
    let all = join_all((0..5).map(|_| ask(chat, says("joined")))).await;
    assert!(all.iter().all(|(answer, _)| *answer == all[0].0));
    assert_eq!(asked.lock().answers["quick"], 1);

    let (answer, tries) = ask(chat, says("raced")).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "quick");
    assert_eq!(tries, "2");
    assert_eq!(asked.lock().answers["slow"], 1);

    let texts = ["a", "bb", "ccc", "dddd", "eeeee", "a longer one than those"];
    let vectors = texts.map(|text| ask("embeddings", json!({"model": "vectors", "input": text})));
    let mut told = 0;
    for ((answer, _), text) in join_all(vectors).await.into_iter().zip(texts) {
        assert_eq!(answer["data"][0]["embedding"], json!([text.len() as f64]));
        told += answer["usage"]["prompt_tokens"].as_u64().unwrap();
    }
    assert_eq!(told, asked.lock().tokens, "to the token");
    server.assert_calm();
}
