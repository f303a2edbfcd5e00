//! A conversation through the real binary: asked by GraphQL, answered by a model, read as it happens.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;

use crate::support::{Client, FakeModel, Options, Server};

async fn server() -> (Server, FakeModel, Client) {
    let model = FakeModel::start().await;
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    (server, model, client)
}

#[tokio::test]
async fn a_chat_is_answered_by_the_model_and_kept_in_order() {
    let (server, _, client) = server().await;
    let first = client.send_chat(json!({ "content": "hello" })).await.data();
    let first = &first["sendChat"];
    assert_eq!(first["response"]["content"], FakeModel::answer("hello"));
    assert_eq!(first["task"]["status"], "COMPLETED");
    assert_eq!(first["message"]["content"], "hello");
    let session = first["session"]["id"].as_str().unwrap();
    let second = client
        .send_chat(json!({ "sessionId": session, "content": "again" }))
        .await
        .data();
    assert_eq!(
        second["sendChat"]["response"]["content"],
        FakeModel::answer("again")
    );
    let said: Vec<_> = client
        .messages(session)
        .await
        .iter()
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        said,
        [
            "hello",
            &FakeModel::answer("hello"),
            "again",
            &FakeModel::answer("again")
        ]
    );
    server.assert_calm();
}

#[tokio::test]
async fn the_same_key_finds_the_same_turn_and_other_input_is_a_conflict() {
    let (_server, model, client) = server().await;
    let once = client
        .send_chat(json!({ "content": "one", "idempotencyKey": "k1" }))
        .await
        .data();
    let again = client
        .send_chat(json!({ "content": "one", "idempotencyKey": "k1" }))
        .await
        .data();
    assert_eq!(once["sendChat"]["task"]["id"], again["sendChat"]["task"]["id"]);
    assert_eq!(model.asked()["one"], 1);
    let other = client
        .send_chat(json!({ "content": "two", "idempotencyKey": "k1" }))
        .await;
    assert_eq!(other.code(), "CONFLICT");
}

#[tokio::test]
async fn a_subscriber_sees_the_answer_grow_and_it_equals_the_message() {
    let (_server, model, client) = server().await;
    model.slow(Duration::from_millis(15));
    let made = client
        .call(
            "mutation { createSession(title: \"t\") { id cursor } }",
            json!({}),
        )
        .await
        .data();
    let session = made["createSession"]["id"].as_str().unwrap();
    let cursor = made["createSession"]["cursor"].as_str().unwrap();
    let mut events = client.on_chat(session, Some(cursor)).await.unwrap();
    client
        .send_chat(json!({ "sessionId": session, "content": "grow", "wait": "ACCEPTED" }))
        .await
        .data();
    let (mut text, mut deltas) = (Vec::<u16>::new(), 0);
    let mut kinds = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(20), events.next()).await {
        let kind = event["kind"].as_str().unwrap().to_owned();
        if kind == "DELTA" {
            text.truncate(usize::try_from(event["offset"].as_u64().unwrap()).unwrap());
            text.extend(event["delta"].as_str().unwrap().encode_utf16());
            deltas += 1;
        }
        if kind == "MESSAGE" && event["message"]["role"] == "ASSISTANT" {
            assert_eq!(
                String::from_utf16(&text).unwrap(),
                event["message"]["content"].as_str().unwrap()
            );
        }
        let last = kind == "COMPLETED";
        kinds.push(kind);
        if last {
            break;
        }
    }
    assert_eq!(String::from_utf16(&text).unwrap(), FakeModel::answer("grow"));
    assert!(deltas > 3, "the answer came in {deltas} pieces: {kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "MESSAGE").count(), 2);
}

#[tokio::test]
async fn without_any_model_the_server_serves_and_a_chat_fails_naming_the_remedy() {
    let server = Server::start(Options::default()).await;
    let client = Client::new(&server.http);
    let answer = client.send_chat(json!({ "content": "hello" })).await.data();
    let task = &answer["sendChat"]["task"];
    assert_eq!(task["status"], "FAILED", "{task}");
    assert_eq!(task["error"]["code"], "UNAVAILABLE", "{task}");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("GREENROOM_MODEL_PATH") || message.contains("OPENAI_API_KEY"),
        "{message}"
    );
    server.assert_calm();
}

#[tokio::test]
async fn a_session_outlives_a_clean_stop() {
    let (mut server, _, client) = server().await;
    let first = client.send_chat(json!({ "content": "remember me" })).await.data();
    let session = first["sendChat"]["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.terminate().await, Some(0));
    server.launch(&[]).await;
    let client = client.at(&server.http);
    assert_eq!(client.messages(&session).await.len(), 2);
    let next = client
        .send_chat(json!({ "sessionId": session, "content": "still there?" }))
        .await
        .data();
    assert_eq!(next["sendChat"]["task"]["status"], "COMPLETED");
    assert_eq!(client.messages(&session).await.len(), 4);
}

#[tokio::test]
async fn a_second_process_on_the_same_store_is_refused_and_told_why() {
    let (server, _, _) = server().await;
    let output = server
        .command()
        .args(["dev", "--listen", "127.0.0.1:0", "--store"])
        .arg(server.store())
        .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__AGENT__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(said.contains("in use"), "{said}");
}
