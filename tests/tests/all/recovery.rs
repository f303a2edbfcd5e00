//! The real binary before servers that break off in the middle of an answer: what clients of each wire are told.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::support::{Options, Server};

const BEGUN: &str = "The quick brown";
const WHOLE: &str = "The quick brown fox";

fn sse(events: &[Value]) -> String {
    let event = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    events.iter().map(event).collect()
}

fn answer(events: String) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response()
}

/// What an answer goes on from, if its request ends with that.
fn begun(asked: &Value) -> Option<String> {
    let last = asked["messages"].as_array()?.last()?;
    let text = last["content"].as_str().or(last["content"][0]["text"].as_str())?;
    (last["role"] == "assistant").then(|| text.to_owned())
}

async fn chat(Json(asked): Json<Value>) -> Response {
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 7, "model": "up",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let begins = chunk(json!({"role": "assistant", "content": ""}), None);
    match begun(&asked) {
        Some(text) => {
            assert_eq!(
                (text.as_str(), &asked["continue_final_message"]),
                (BEGUN, &json!(true))
            );
            let rest = [
                begins,
                chunk(json!({"content": " fox"}), None),
                chunk(json!({}), Some("stop")),
            ];
            answer(format!("{}data: [DONE]\n\n", sse(&rest)))
        }
        None => answer(sse(&[begins, chunk(json!({"content": BEGUN}), None)])),
    }
}

async fn messages(Json(asked): Json<Value>) -> Response {
    let start = json!({"type": "message_start", "message": {"id": "msg_up", "type": "message", "role": "assistant",
        "model": "up", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}});
    let block =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    match begun(&asked) {
        Some(text) => {
            assert_eq!(text, BEGUN);
            let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}});
            let rest = [
                start,
                block,
                delta(" fox"),
                json!({"type": "content_block_stop", "index": 0}),
                end,
                json!({"type": "message_stop"}),
            ];
            answer(sse(&rest))
        }
        None => answer(sse(&[start, block, delta(BEGUN)])),
    }
}

async fn responses() -> Response {
    let response = json!({"id": "resp_up", "object": "response", "created_at": 7, "status": "in_progress", "model": "up",
        "output": []});
    let item = json!({"id": "msg_up", "type": "message", "status": "in_progress", "role": "assistant", "content": []});
    let events = [
        json!({"type": "response.created", "sequence_number": 0, "response": response}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item}),
        json!({"type": "response.content_part.added", "sequence_number": 2, "item_id": "msg_up", "output_index": 0,
            "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
        json!({"type": "response.output_text.delta", "sequence_number": 3, "item_id": "msg_up", "output_index": 0,
            "content_index": 0, "delta": BEGUN}),
    ];
    answer(sse(&events))
}

async fn list(id: &'static str) -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": id, "type": "model", "owned_by": "vllm"}]}))
}

async fn started() -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/a/v1/chat/completions", post(chat))
        .route("/a/v1/models", get(|| list("m")))
        .route("/b/v1/messages", post(messages))
        .route("/b/v1/models", get(|| list("claude-haiku-4-5")))
        .route("/c/v1/responses", post(responses))
        .route("/c/v1/models", get(|| list("m")));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = format!(
        r#"
[providers.chat]
base_url = "{url}/a/v1"
[providers.messages]
kind = "anthropic"
base_url = "{url}/b"
[providers.responses]
base_url = "{url}/c/v1"
api = "responses"
[models.routes]
chat = ["chat/m"]
messages = ["messages/claude-haiku-4-5"]
responses = ["responses/m", "chat/m"]
[models.routes.error]
recover = ["error"]
targets = ["chat/m"]
[models.routes.held]
recover = ["hold"]
targets = ["responses/m", "messages/claude-haiku-4-5", "chat/m"]
"#
    );
    Server::start(Options {
        config: Some(config),
        ..Options::default()
    })
    .await
}

/// The data of a stream's events.
async fn stream_of(server: &Server, path: &str, body: Value) -> Vec<String> {
    let client = reqwest::Client::new();
    let answer = client
        .post(format!("{}{path}", server.http))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let text = answer.text().await.unwrap();
    let data = |line: &str| line.strip_prefix("data: ").map(str::to_owned);
    text.lines().filter_map(data).collect()
}

fn parsed(events: &[String]) -> Vec<Value> {
    events
        .iter()
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect()
}

fn texts(events: &[Value], pointer: &str) -> String {
    events
        .iter()
        .filter_map(|event| event.pointer(pointer)?.as_str())
        .collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["type"] == kind).count()
}

fn chat_request(model: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn an_answer_that_breaks_in_the_middle_comes_whole_on_every_wire() {
    let server = started().await;

    let events = stream_of(&server, "/v1/chat/completions", chat_request("chat")).await;
    assert_eq!(
        events.iter().filter(|event| *event == "[DONE]").count(),
        1,
        "{events:?}"
    );
    let chunks = parsed(&events);
    assert_eq!(texts(&chunks, "/choices/0/delta/content"), WHOLE);
    assert_eq!(texts(&chunks, "/choices/0/delta/role"), "assistant");
    assert_eq!(texts(&chunks, "/choices/0/finish_reason"), "stop");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == "chatcmpl-up" && chunk["created"] == 7)
    );

    let request = json!({"model": "messages", "stream": true, "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}]});
    let events = parsed(&stream_of(&server, "/v1/messages", request).await);
    assert_eq!(texts(&events, "/delta/text"), WHOLE);
    for kind in [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ] {
        assert_eq!(count(&events, kind), 1, "{kind}: {events:?}");
    }

    let request = json!({"model": "responses", "stream": true, "input": "hi"});
    let events = parsed(&stream_of(&server, "/v1/responses", request).await);
    assert_eq!(texts(&events, "/delta"), WHOLE);
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).map(Some).collect::<Vec<_>>());
    assert_eq!(count(&events, "response.created"), 1);
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        (&last["id"], &last["status"]),
        (&json!("resp_up"), &json!("completed"))
    );
    assert_eq!(last["output"][0]["content"][0]["text"], WHOLE);
    assert_eq!(last["output"][0]["id"], "msg_up");
    server.assert_calm();
}

#[tokio::test]
async fn what_is_not_gone_on_with_ends_in_an_error_and_what_is_held_starts_over_unseen() {
    let server = started().await;
    let events = stream_of(&server, "/v1/chat/completions", chat_request("error")).await;
    let chunks = parsed(&events);
    assert_eq!(texts(&chunks, "/choices/0/delta/content"), BEGUN);
    assert_eq!(texts(&chunks, "/choices/0/finish_reason"), "");
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(error["type"], "server_error", "{events:?}");
    assert!(
        error["message"].as_str().unwrap().contains("nobody could go on"),
        "{error}"
    );
    assert!(!events.iter().any(|event| event == "[DONE]"));

    // All of its targets break: nothing was shown, so the status can say so.
    let client = reqwest::Client::new();
    let url = format!("{}/v1/chat/completions", server.http);
    let answer = client.post(url).json(&chat_request("held")).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    server.assert_calm();
}
