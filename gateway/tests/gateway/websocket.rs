//! `graphql-transport-ws`: what clients rely on.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use greenroom_gateway::GatewayConfig;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{SOON, start, start_with};

/// A client's socket.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Opens a socket with these headers.
pub(crate) async fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(Socket(connect_async(request).await?.0))
}

pub(crate) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

/// Opens a socket that speaks our protocol.
pub(crate) async fn dial(address: SocketAddr) -> Socket {
    open(address, &[PROTOCOL]).await.unwrap()
}

/// Opens a socket and initialises it.
pub(crate) async fn connect(address: SocketAddr) -> Socket {
    let mut socket = dial(address).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    socket
}

impl Socket {
    pub(crate) async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The next message that isn't a ping.
    async fn next(&mut self) -> Message {
        loop {
            match tokio::time::timeout(SOON, self.0.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
            {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The code the socket is closed with, whatever comes before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.map_or(1005, |frame| CloseCode::into(frame.code));
            }
        }
    }
}

#[tokio::test]
async fn queries_and_mutations_are_answered_once_and_completed() {
    let gateway = start().await;
    let mut socket = connect(gateway.address).await;
    let query = "query($n: String!) { getAgentStatus(name: $n) { name } }";
    socket.subscribe("q", query, json!({ "n": "echo" })).await;
    let next =
        json!({ "type": "next", "id": "q", "payload": { "data": { "getAgentStatus": { "name": "echo" } } } });
    assert_eq!(socket.hear().await, next);
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "q" }));
    socket
        .subscribe("q", "mutation { createSession(id: \"ws\") { id } }", json!({}))
        .await;
    assert_eq!(
        socket.hear().await["payload"]["data"]["createSession"]["id"],
        "ws"
    );
    assert_eq!(socket.hear().await["type"], "complete");
    socket
        .subscribe("n", "{ getSession(id: \"down\") { id } }", json!({}))
        .await;
    let next = socket.hear().await;
    assert_eq!(
        (&next["type"], &next["payload"]["data"]["getSession"]),
        (&json!("next"), &json!(null))
    );
    assert_eq!(next["payload"]["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(socket.hear().await["type"], "complete");
}

#[tokio::test]
async fn what_can_not_be_executed_is_an_error_and_the_socket_goes_on() {
    let gateway = start().await;
    let mut socket = connect(gateway.address).await;
    for (query, code) in [
        ("{", "BAD_USER_INPUT"),
        ("{ nope }", "BAD_USER_INPUT"),
        (
            "subscription { onChat(sessionId: \"XX\") { cursor } }",
            "NOT_FOUND",
        ),
        (
            "subscription { onTask(taskId: \"not a task\") { cursor } }",
            "NOT_FOUND",
        ),
        (
            "subscription { onMessage(sessionId: \"a b\") { id } }",
            "NOT_FOUND",
        ),
        (
            "subscription { onAgentStatus(name: \"nope\") { name } }",
            "NOT_FOUND",
        ),
    ] {
        socket.subscribe("e", query, json!({})).await;
        let error = socket.hear().await;
        assert_eq!(
            (&error["type"], &error["id"]),
            (&json!("error"), &json!("e")),
            "{error}"
        );
        assert_eq!(error["payload"][0]["extensions"]["code"], code);
        assert!(!error.to_string().contains("XX"));
    }
    socket
        .say(json!({ "type": "ping", "payload": { "at": 1 } }))
        .await;
    assert_eq!(socket.hear().await["type"], "pong");
    socket.say(json!({ "type": "pong" })).await;
    socket.say(json!({ "type": "complete", "id": "never-was" })).await;
    socket.subscribe("e", "{ __typename }", json!({})).await;
    assert_eq!(socket.hear().await["payload"]["data"]["__typename"], "Query");
}

#[tokio::test]
async fn completing_an_operation_ends_its_stream_and_frees_its_id() {
    let gateway = start().await;
    gateway
        .data(r#"mutation { createSession(id: "s") { id } }"#, json!({}))
        .await;
    let mut socket = connect(gateway.address).await;
    let mut dropped = gateway.fake.dropped_streams.subscribe();
    for n in 1..=2 {
        socket
            .subscribe(
                "same",
                "subscription { onChat(sessionId: \"s\") { cursor } }",
                json!({}),
            )
            .await;
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.hear().await["type"], "pong");
        socket.say(json!({ "type": "complete", "id": "same" })).await;
        tokio::time::timeout(SOON, dropped.wait_for(|count| *count == n))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_mutation_outlives_its_socket() {
    let gateway = start_with(GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    })
    .await;
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe(
            "m",
            r#"mutation { sendChat(input: { content: "x", agent: "slow" }) { cursor } }"#,
            json!({}),
        )
        .await;
    while gateway.fake.accepted.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(socket);
    gateway.hung_up().await;
    gateway.fake.release.add_permits(1);
    let mut finished = gateway.fake.finished.subscribe();
    tokio::time::timeout(SOON, finished.wait_for(|n| *n == 1))
        .await
        .unwrap()
        .unwrap();
}
