//! Every reason to close a socket, by its code.

use std::sync::Arc;
use std::time::Duration;

use futures::SinkExt;
use greenroom_gateway::GatewayConfig;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::client::{SOON, start, start_with};
use crate::websocket::{PROTOCOL, connect, dial, open};

#[tokio::test]
async fn without_an_init_in_time_the_socket_is_closed_4408() {
    let gateway = start_with(GatewayConfig {
        init_timeout: Duration::from_millis(50),
        ..GatewayConfig::default()
    })
    .await;
    assert_eq!(dial(gateway.address).await.closed().await, 4408);
    let mut initialised = connect(gateway.address).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    initialised.say(json!({ "type": "ping" })).await;
    assert_eq!(initialised.hear().await["type"], "pong");
}

#[tokio::test]
async fn subscribing_before_the_init_is_closed_4401() {
    let gateway = start().await;
    let mut socket = dial(gateway.address).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn a_second_init_is_closed_4429() {
    let gateway = start().await;
    let mut socket = connect(gateway.address).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, 4429);
}

#[tokio::test]
async fn a_duplicate_id_is_closed_4409() {
    let gateway = start().await;
    gateway
        .data(r#"mutation { createSession(id: "s") { id } }"#, json!({}))
        .await;
    let mut socket = connect(gateway.address).await;
    for _ in 0..2 {
        socket
            .subscribe(
                "same",
                "subscription { onChat(sessionId: \"s\") { cursor } }",
                json!({}),
            )
            .await;
    }
    assert_eq!(socket.closed().await, 4409);
}

#[tokio::test]
async fn too_many_operations_are_closed_4429() {
    let gateway = start_with(GatewayConfig {
        max_operations: 2,
        ..GatewayConfig::default()
    })
    .await;
    gateway
        .data(r#"mutation { createSession(id: "s") { id } }"#, json!({}))
        .await;
    let mut socket = connect(gateway.address).await;
    for id in ["1", "2", "3"] {
        socket
            .subscribe(
                id,
                "subscription { onChat(sessionId: \"s\") { cursor } }",
                json!({}),
            )
            .await;
    }
    assert_eq!(socket.closed().await, 4429);
}

#[tokio::test]
async fn messages_that_are_not_of_the_protocol_are_closed_4400() {
    let gateway = start().await;
    for text in [
        "nonsense",
        "1",
        "{}",
        r#"{"type":"nope"}"#,
        r#"{"type":"subscribe","payload":{"query":"{__typename}"}}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{__typename}"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{__typename}","variables":[]}}"#,
        r#"{"type":"subscribe","id":1,"payload":{"query":"{__typename}"}}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"ping","payload":1}"#,
    ] {
        let mut socket = connect(gateway.address).await;
        socket.0.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.closed().await, 4400, "{text}");
    }
    let mut socket = connect(gateway.address).await;
    socket
        .0
        .send(Message::Binary(Bytes::from_static(b"{}")))
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 4400);
    let mut socket = dial(gateway.address).await;
    socket
        .0
        .send(Message::text(r#"{"type":"connection_init","payload":3}"#))
        .await
        .unwrap();
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_closed_1009() {
    let gateway = start_with(GatewayConfig {
        max_message_bytes: 1_000,
        ..GatewayConfig::default()
    })
    .await;
    let mut socket = connect(gateway.address).await;
    socket
        .say(json!({ "type": "ping", "payload": { "x": "x".repeat(2_000) } }))
        .await;
    assert_eq!(socket.closed().await, 1009);
}

#[tokio::test]
async fn a_client_of_another_protocol_is_closed_4406() {
    let gateway = start().await;
    let mut socket = open(gateway.address, &[]).await.unwrap();
    assert_eq!(socket.closed().await, 4406);
}

#[tokio::test]
async fn a_foreign_page_can_not_open_a_socket() {
    let gateway = start().await;
    for header in [("origin", "http://evil.example"), ("host", "evil.example")] {
        match open(gateway.address, &[PROTOCOL, header]).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("not refused: {}", other.is_ok()),
        }
    }
    open(gateway.address, &[PROTOCOL, ("origin", "http://localhost:3000")])
        .await
        .unwrap();
}

#[tokio::test]
async fn invalid_utf_8_is_closed_4400() {
    let gateway = start().await;
    let mut raw = TcpStream::connect(gateway.address).await.unwrap();
    let upgrade = "GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    raw.write_all(upgrade.as_bytes()).await.unwrap();
    // A masked text frame of two bytes that are no UTF-8.
    raw.write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe])
        .await
        .unwrap();
    let mut heard = Vec::new();
    let close = [0x88];
    while !heard
        .windows(4)
        .any(|window| window[0] == close[0] && window[2..4] == 4400_u16.to_be_bytes())
    {
        let mut buffer = [0; 1024];
        let n = tokio::time::timeout(SOON, raw.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            n > 0,
            "closed without 4400: {:?}",
            String::from_utf8_lossy(&heard)
        );
        heard.extend_from_slice(&buffer[..n]);
    }
}

#[tokio::test]
async fn a_refused_caller_is_closed_4403() {
    let gateway = crate::client::start_refusing().await;
    let mut socket = dial(gateway.address).await;
    socket
        .say(json!({ "type": "connection_init", "payload": { "Authorization": "nobody" } }))
        .await;
    assert_eq!(socket.closed().await, 4403);
    let mut socket = dial(gateway.address).await;
    socket
        .say(json!({ "type": "connection_init", "payload": { "headers": { "authorization": "somebody" } } }))
        .await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    let reply = gateway.post("{ __typename }", json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (401, "UNAUTHENTICATED")
    );
}

#[tokio::test]
async fn at_shutdown_sockets_are_closed_1001() {
    let gateway = start().await;
    let mut socket = connect(gateway.address).await;
    gateway.shutdown.cancel();
    assert_eq!(socket.closed().await, 1001);
    drop(socket);
    tokio::time::timeout(SOON, gateway.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reader_that_stalls_is_closed_and_costs_no_memory() {
    let config = GatewayConfig {
        send_timeout: Duration::from_millis(300),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    gateway
        .data(r#"mutation { createSession(id: "endless") { id } }"#, json!({}))
        .await;
    gateway
        .data(
            r#"mutation { sendChat(input: { sessionId: "endless", content: "x" }) { cursor } }"#,
            json!({}),
        )
        .await;
    let mut socket = connect(gateway.address).await;
    let mut dropped = gateway.fake.dropped_streams.subscribe();
    let subscription = "subscription { onChat(sessionId: \"endless\") { cursor message { content } } }";
    socket.subscribe("1", subscription, json!({})).await;
    // Buffers of some megabytes are filled first, which takes a busy machine its time.
    tokio::time::timeout(SOON * 6, dropped.wait_for(|n| *n == 1))
        .await
        .unwrap()
        .unwrap();
    let pulled = gateway.fake.pulled.load(std::sync::atomic::Ordering::Relaxed);
    assert!(pulled > 0 && pulled < 1_000_000, "{pulled}");
    let _alive = Arc::new(socket);
}

#[tokio::test]
async fn a_socket_that_is_silent_is_closed() {
    let config = GatewayConfig {
        keep_alive: Duration::from_millis(50),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    gateway
        .data(r#"mutation { createSession(id: "s") { id } }"#, json!({}))
        .await;
    let mut socket = connect(gateway.address).await;
    socket
        .subscribe(
            "1",
            "subscription { onChat(sessionId: \"s\") { cursor } }",
            json!({}),
        )
        .await;
    let mut dropped = gateway.fake.dropped_streams.subscribe();
    // Nobody polls the client's socket: no pong is ever sent.
    tokio::time::timeout(SOON, dropped.wait_for(|n| *n == 1))
        .await
        .unwrap()
        .unwrap();
}
