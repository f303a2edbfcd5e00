//! Spans on their way to a collector.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tracing::info_span;

use super::{Output, PARENT, TRACE, json};
use crate::install::build;
use crate::{OtlpConfig, OtlpProtocol, continue_from};
use opentelemetry::global;
use opentelemetry_sdk::propagation::TraceContextPropagator;

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers one HTTP request with 200 and returns it.
async fn one_request(listener: TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        request.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse().ok())
            .unwrap();
        let body = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        if request.len() >= body + length {
            break;
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    request
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn shutdown_sends_buffered_spans_to_the_collector_without_secrets_or_content() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = json();
    config.service_name = "greenroom-under-test".to_owned();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    config.trace.otlp = Some(OtlpConfig::new(endpoint, OtlpProtocol::HttpProtobuf));
    let (dispatch, guard) = build(&config, Box::new(Output::default())).unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        info_span!(
            "model_call",
            task = "t-9",
            prompt = "my diary",
            api_key = "hunter2"
        )
        .in_scope(|| ());
    });
    let (request, ()) = tokio::time::timeout(PATIENCE, async {
        tokio::join!(one_request(listener), guard.shutdown(PATIENCE))
    })
    .await
    .unwrap();
    assert!(
        request.starts_with(b"POST /v1/traces "),
        "{}",
        String::from_utf8_lossy(&request)
    );
    for present in [
        "model_call",
        "t-9",
        "greenroom-under-test",
        "application/x-protobuf",
    ] {
        assert!(holds(&request, present), "{present}");
    }
    for absent in ["my diary", "hunter2"] {
        assert!(!holds(&request, absent), "{absent}");
    }
}

#[tokio::test]
async fn the_grpc_transport_reaches_its_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = json();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    config.trace.otlp = Some(OtlpConfig::new(endpoint, OtlpProtocol::Grpc));
    let (dispatch, guard) = build(&config, Box::new(Output::default())).unwrap();
    tracing::dispatcher::with_default(&dispatch, || info_span!("sent").in_scope(|| ()));
    let preface = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        preface
    };
    let both = async { tokio::join!(preface, guard.shutdown(Duration::from_secs(1))) };
    let (preface, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[tokio::test]
async fn shutdown_is_bounded_when_the_collector_never_answers() {
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::Grpc] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = json();
        config.trace.otlp = Some(OtlpConfig::new(
            format!("http://{}", listener.local_addr().unwrap()),
            protocol,
        ));
        let (dispatch, guard) = build(&config, Box::new(Output::default())).unwrap();
        tracing::dispatcher::with_default(&dispatch, || info_span!("lost").in_scope(|| ()));
        let begun = std::time::Instant::now();
        guard.shutdown(Duration::from_millis(300)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{protocol:?}: {:?}",
            begun.elapsed()
        );
    }
}

/// Starts the OTLP receiver that `cargo xtask test` installs, and waits until it listens.
async fn oteltap() -> (tokio::process::Child, String) {
    let parts = std::env::var("GREENROOM_TEST_PARTS").expect("run by `cargo xtask test`");
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = tokio::process::Command::new(format!("{parts}/python/bin/oteltap"))
        .args(["--port", &port.to_string()])
        .env("PYTHONUNBUFFERED", "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listening = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .expect("oteltap listens");
    (child, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
#[ignore = "needs oteltap: run by `cargo xtask test`"]
async fn a_receiver_nobody_here_wrote_reads_one_unbroken_trace() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let (mut receiver, endpoint) = oteltap().await;
    let mut config = json();
    config.trace.otlp = Some(OtlpConfig::new(endpoint, OtlpProtocol::HttpProtobuf));
    let (dispatch, guard) = build(&config, Box::new(Output::default())).unwrap();
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    tracing::dispatcher::with_default(&dispatch, || {
        let outer = info_span!("outer_span");
        continue_from(&outer, &incoming);
        outer.in_scope(|| info_span!("inner_span").in_scope(|| ()));
    });
    guard.shutdown(PATIENCE).await;
    let mut output = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let mut spans: HashMap<String, Value> = HashMap::new();
    let both = async {
        while spans.len() < 2 {
            let line = output.next_line().await.unwrap().expect("oteltap goes on");
            // Its first line says where it listens.
            if let Ok(span) = serde_json::from_str::<Value>(&line) {
                spans.insert(span["name"].as_str().unwrap().to_owned(), span);
            }
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("both spans arrive");
    let (outer, inner) = (&spans["outer_span"], &spans["inner_span"]);
    assert_eq!(outer["traceId"], TRACE);
    assert_eq!(inner["traceId"], TRACE);
    assert_eq!(outer["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(inner["parentSpanId"], outer["spanId"]);
}
