//! Events over WebSocket and server-sent events, and where they resume.

use axum::body::Body;
use greenroom_kernel::{ChatEventBody, TaskId};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::client::{Running, dev, session_id, start};
use crate::fake_rows as rows;
use crate::websocket::{Socket, connect};

const EVENT: &str =
    "cursor sessionId kind taskId attempt offset delta message { role content } task { id status }
    step { seq prompt } error { code } at";

async fn chat(gateway: &Running, session: &str) -> Value {
    let query = format!(
        r#"mutation {{ sendChat(input: {{ sessionId: "{session}", content: "hi" }}) {{ cursor task {{ id cursor }} }} }}"#
    );
    gateway.data(&query, json!({})).await["sendChat"].clone()
}

async fn create(gateway: &Running, session: &str) {
    gateway
        .data(
            &format!(r#"mutation {{ createSession(id: "{session}") {{ id }} }}"#),
            json!({}),
        )
        .await;
}

async fn event(socket: &mut Socket) -> Value {
    let next = socket.hear().await;
    assert_eq!(next["type"], "next", "{next}");
    let data = next["payload"]["data"]
        .as_object()
        .unwrap_or_else(|| panic!("{next}"));
    data.values().next().unwrap().clone()
}

#[tokio::test]
async fn a_chat_is_told_from_its_cursor_in_order_and_resumes_anywhere() {
    let gateway = start().await;
    create(&gateway, "s").await;
    let sent = chat(&gateway, "s").await;
    let mut socket = connect(gateway.address).await;
    let query = format!("subscription($a: String) {{ onChat(sessionId: \"s\", after: $a) {{ {EVENT} }} }}");
    socket
        .subscribe("1", &query, json!({ "a": sent["cursor"] }))
        .await;
    let mut events = Vec::new();
    for _ in 0..6 {
        events.push(event(&mut socket).await);
    }
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["MESSAGE", "DELTA", "DELTA", "STEP", "MESSAGE", "COMPLETED"]
    );
    assert_eq!(
        events[2],
        json!({ "cursor": events[2]["cursor"], "sessionId": "s", "kind": "DELTA", "taskId": "s.0", "attempt": 1,
            "offset": 6, "delta": "hi", "message": null, "task": null, "step": null, "error": null,
            "at": "2026-11-21T23:59:59.123Z" })
    );
    assert_eq!(events[0]["message"], json!({ "role": "USER", "content": "hi" }));
    assert_eq!(
        events[3]["step"],
        json!({ "seq": 0, "prompt": { "question": "really?" } })
    );
    assert_eq!(events[5]["task"], json!({ "id": "s.0", "status": "COMPLETED" }));
    for (index, seen) in events.iter().enumerate().take(5) {
        let mut again = connect(gateway.address).await;
        again.subscribe("1", &query, json!({ "a": seen["cursor"] })).await;
        assert_eq!(event(&mut again).await, events[index + 1]);
    }
    let mut from_start = connect(gateway.address).await;
    from_start.subscribe("1", &query, json!({ "a": "0" })).await;
    assert_eq!(event(&mut from_start).await, events[0]);
    for bad in ["x", "", "1-2-3", "0-0-9-0"] {
        socket.subscribe("bad", &query, json!({ "a": bad })).await;
        let error = socket.hear().await;
        assert_eq!(
            error["payload"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{error}"
        );
    }
    // Live from here on.
    chat(&gateway, "s").await;
    assert_eq!(event(&mut socket).await["taskId"], "s.1");
}

#[tokio::test]
async fn the_cursor_of_a_session_or_task_misses_nothing_that_follows() {
    let gateway = start().await;
    create(&gateway, "s").await;
    let sent = chat(&gateway, "s").await;
    let data = gateway
        .data(
            "{ getSession(id: \"s\") { cursor } getTask(id: \"s.0\") { cursor } }",
            json!({}),
        )
        .await;
    assert_eq!(data["getTask"]["cursor"], sent["task"]["cursor"]);
    let mut socket = connect(gateway.address).await;
    let query = format!("subscription($a: String) {{ onChat(sessionId: \"s\", after: $a) {{ {EVENT} }} }}");
    let task = TaskId {
        journal: session_id("s"),
        ordinal: 0,
    };
    gateway.fake.push(
        &dev(),
        &session_id("s"),
        ChatEventBody::Attempt {
            task: task.clone(),
            attempt: 2,
        },
    );
    socket
        .subscribe("1", &query, json!({ "a": data["getSession"]["cursor"] }))
        .await;
    let attempt = event(&mut socket).await;
    assert_eq!(
        (&attempt["kind"], &attempt["attempt"]),
        (&json!("ATTEMPT"), &json!(2))
    );
    let mut row = rows::task(
        task,
        &dev().subject,
        &greenroom_kernel::AgentName::parse("a").unwrap(),
        "1",
        greenroom_kernel::Position::default(),
    );
    row.status = greenroom_kernel::TaskStatus::Waiting;
    gateway.fake.push(
        &dev(),
        &session_id("s"),
        ChatEventBody::Waiting {
            task: row.clone(),
            step: rows::step(4),
        },
    );
    let waiting = event(&mut socket).await;
    assert_eq!(
        (
            &waiting["kind"],
            &waiting["step"]["seq"],
            &waiting["task"]["status"]
        ),
        (&json!("WAITING"), &json!(4), &json!("WAITING"))
    );
    row.status = greenroom_kernel::TaskStatus::Failed;
    row.error = Some(greenroom_kernel::Failure::internal("x"));
    gateway
        .fake
        .push(&dev(), &session_id("s"), ChatEventBody::Ended(row.clone()));
    let failed = event(&mut socket).await;
    assert_eq!(
        (&failed["kind"], &failed["error"]["code"]),
        (&json!("FAILED"), &json!("INTERNAL"))
    );
    row.status = greenroom_kernel::TaskStatus::Cancelled;
    gateway
        .fake
        .push(&dev(), &session_id("s"), ChatEventBody::Ended(row));
    assert_eq!(event(&mut socket).await["kind"], "CANCELLED");
}

#[tokio::test]
async fn messages_tasks_agents_and_the_tree_are_watched() {
    let gateway = start().await;
    create(&gateway, "s").await;
    chat(&gateway, "s").await;
    chat(&gateway, "s").await;
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe(
            "m",
            "subscription { onMessage(sessionId: \"s\", after: \"0\") { content } }",
            json!({}),
        )
        .await;
    for content in ["hi", "echo: hi", "hi", "echo: hi"] {
        assert_eq!(event(&mut socket).await, json!({ "content": content }));
    }
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe(
            "t",
            "subscription { onTask(taskId: \"s.1\", after: \"0\") { taskId kind } }",
            json!({}),
        )
        .await;
    for kind in ["MESSAGE", "DELTA", "DELTA", "STEP", "MESSAGE", "COMPLETED"] {
        assert_eq!(event(&mut socket).await, json!({ "taskId": "s.1", "kind": kind }));
    }
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe("a", "subscription { onAgentStatus { name health } }", json!({}))
        .await;
    for _ in 0..2 {
        assert_eq!(
            event(&mut socket).await,
            json!({ "name": "echo", "health": "DEGRADED" })
        );
    }
    assert_eq!(socket.hear().await["type"], "complete");
    socket
        .subscribe(
            "s",
            "subscription { onSupervision { path kind what cause at } }",
            json!({}),
        )
        .await;
    let first = event(&mut socket).await;
    assert_eq!(
        (&first["path"], &first["what"]),
        (&json!("node/agents/0"), &json!("RESTARTED"))
    );
}

#[tokio::test]
async fn a_subscription_that_breaks_ends_with_an_error() {
    let gateway = start().await;
    create(&gateway, "breaks").await;
    chat(&gateway, "breaks").await;
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe(
            "1",
            "subscription { onChat(sessionId: \"breaks\", after: \"0\") { kind } }",
            json!({}),
        )
        .await;
    assert_eq!(event(&mut socket).await["kind"], "MESSAGE");
    let error = socket.hear().await;
    assert_eq!(error["type"], "error");
    assert_eq!(error["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await["type"], "pong");
}

/// Reads an event stream until it ends or has this many events.
async fn sse(gateway: &Running, query: &str, count: usize) -> Vec<(String, Value)> {
    let mut request = Request::post(gateway.url("/graphql"))
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap();
    request
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    request
        .headers_mut()
        .insert("accept", "text/event-stream".parse().unwrap());
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    loop {
        let events = text
            .split_terminator("\n\n")
            .filter(|block| block.contains("event:"));
        let events: Vec<_> = events
            .map(|block| {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or("")
                        .trim()
                        .to_owned()
                };
                (
                    field("event:"),
                    serde_json::from_str(&field("data:")).unwrap_or(Value::Null),
                )
            })
            .collect();
        if text.ends_with("\n\n") && events.len() >= count {
            return events;
        }
        let Some(frame) = tokio::time::timeout(crate::client::SOON, body.frame())
            .await
            .unwrap()
        else {
            return events;
        };
        text += std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn an_event_stream_carries_subscriptions_queries_and_mutations() {
    let gateway = start().await;
    create(&gateway, "s").await;
    chat(&gateway, "s").await;
    let events = sse(
        &gateway,
        "subscription { onChat(sessionId: \"s\", after: \"0\") { kind } }",
        6,
    )
    .await;
    assert!(events.iter().all(|(event, _)| event == "next"));
    assert_eq!(events[5].1["data"]["onChat"]["kind"], "COMPLETED");
    let events = sse(&gateway, "subscription { onAgentStatus { name } }", 3).await;
    assert_eq!(events[2].0, "complete");
    let events = sse(&gateway, "mutation { createSession(id: \"x\") { id } }", 2).await;
    assert_eq!(events[0].1["data"]["createSession"]["id"], "x");
    assert_eq!(events[1].0, "complete");
    let events = sse(
        &gateway,
        "subscription { onChat(sessionId: \"nope\") { kind } }",
        2,
    )
    .await;
    assert_eq!(events[0].1["errors"][0]["extensions"]["code"], "NOT_FOUND");
    assert_eq!(events[1].0, "complete");
    for query in [
        "{",
        "{ nope }",
        "subscription { onChat(sessionId: 1.5) { nope } }",
    ] {
        let body = json!({ "query": query }).to_string();
        let refused = gateway.post_raw(body, &[("accept", "text/event-stream")]).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (400, "BAD_USER_INPUT")
        );
    }
}

#[tokio::test]
async fn an_event_stream_whose_reader_left_is_ended_and_one_at_shutdown_too() {
    let gateway = start().await;
    create(&gateway, "s").await;
    chat(&gateway, "s").await;
    let mut dropped = gateway.fake.dropped_streams.subscribe();
    let query = "subscription { onChat(sessionId: \"s\", after: \"0\") { kind } }";
    sse(&gateway, query, 1).await;
    tokio::time::timeout(crate::client::SOON, dropped.wait_for(|n| *n == 1))
        .await
        .unwrap()
        .unwrap();
    let reading = sse(&gateway, query, usize::MAX);
    let shutdown = gateway.shutdown.clone();
    let (events, ()) = tokio::join!(reading, async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        shutdown.cancel();
    });
    assert!(events.len() <= 6);
    tokio::time::timeout(crate::client::SOON, dropped.wait_for(|n| *n == 2))
        .await
        .unwrap()
        .unwrap();
}
