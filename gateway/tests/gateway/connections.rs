//! Connections: slow, half-open, many, of either version, and their end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use greenroom_gateway::GatewayConfig;
use http::{Request, Version};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Running, SOON, start, start_with};

/// Sends these bytes and reads until the connection is closed.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

fn quick() -> GatewayConfig {
    GatewayConfig {
        header_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    }
}

#[tokio::test]
async fn a_half_open_connection_is_closed_after_the_time_for_headers() {
    let gateway = start_with(quick()).await;
    let began = Instant::now();
    for sent in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nhost: local",
    ] {
        let heard = raw(gateway.address, sent).await;
        assert!(heard.is_empty() || !heard.contains(" 200 "), "{heard}");
    }
    assert!(began.elapsed() < SOON);
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_body_that_never_comes_is_a_timeout_with_a_code() {
    let gateway = start_with(quick()).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"qu";
    let heard = raw(gateway.address, head.as_bytes()).await;
    assert!(
        heard.starts_with("HTTP/1.1 408 ") && heard.contains("DEADLINE_EXCEEDED"),
        "{heard}"
    );
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn an_upload_that_asks_first_is_refused_before_it_is_sent() {
    let gateway = start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 10485760\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = [0; 12];
    tokio::time::timeout(SOON, stream.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"HTTP/1.1 413");
}

#[tokio::test]
async fn nonsense_and_headers_without_end_are_answered_by_closing() {
    let gateway = start().await;
    for sent in [
        b"\xff\xfe\x00nonsense\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        [
            b"GET /graphql HTTP/1.1\r\nhost: localhost\r\n".to_vec(),
            b"x: y\r\n".repeat(200),
            b"\r\n".to_vec(),
        ]
        .concat(),
        [b"GET /".to_vec(), vec![b'a'; 200_000]].concat(),
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        // The gateway may hang up before it was told everything.
        let _ = stream.write_all(&sent).await;
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut heard))
            .await
            .unwrap();
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4"), "{heard}");
    }
    let no_host = raw(gateway.address, b"GET /graphql HTTP/1.0\r\n\r\n").await;
    assert!(no_host.starts_with("HTTP/1.0 403"), "{no_host}");
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let gateway = start_with(GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    })
    .await;
    let first = crate::websocket::connect(gateway.address).await;
    let heard = raw(gateway.address, b"").await;
    assert!(
        heard.starts_with("HTTP/1.1 503 ") && heard.contains("retry-after: 1"),
        "{heard}"
    );
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(crate::client::code(&body), "RESOURCE_EXHAUSTED");
    drop(first);
    gateway.hung_up().await;
}

#[tokio::test]
async fn http_2_is_served_on_the_same_port() {
    let gateway = start().await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = Request::post(gateway.url("/graphql"))
        .version(Version::HTTP_2)
        .header("content-type", "application/json")
        .body(Body::from(json!({ "query": "{ __typename }" }).to_string()))
        .unwrap();
    let response = tokio::time::timeout(SOON, client.request(request))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, r#"{"data":{"__typename":"Query"}}"#);
}

#[tokio::test]
async fn at_shutdown_open_requests_end_and_new_ones_are_not_taken() {
    let gateway = start().await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "slow" }) { task { status } } }"#;
    let waiting = gateway.post(query, json!({}));
    let shut_down = async {
        while gateway.fake.accepted.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        gateway.shutdown.cancel();
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.fake.release.add_permits(1);
    };
    let (reply, ()) = tokio::join!(waiting, shut_down);
    assert_eq!(reply.json()["data"]["sendChat"]["task"]["status"], "COMPLETED");
    tokio::time::timeout(SOON, gateway.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutting_down_is_bounded_while_the_mutation_runs_on() {
    let gateway = start_with(GatewayConfig {
        shutdown_timeout: Duration::from_millis(100),
        ..GatewayConfig::default()
    })
    .await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "slow" }) { cursor } }"#;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(Running::raw_post(query).as_bytes())
        .await
        .unwrap();
    while gateway.fake.accepted.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    gateway.shutdown.cancel();
    tokio::time::timeout(SOON, gateway.served).await.unwrap().unwrap();
    gateway.fake.release.add_permits(1);
    gateway.tasks.close();
    tokio::time::timeout(SOON, gateway.tasks.wait()).await.unwrap();
    assert_eq!(*gateway.fake.finished.borrow(), 1);
}
