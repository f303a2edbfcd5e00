//! Calls whose target speaks the caller's words: bytes in, bytes out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use greenroom_gateway::GatewayConfig;
use greenroom_kernel::{Failure, WireFamily};
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{SOON, start, start_with};
use crate::v1_fake::{Does, until};

const CHAT: &str = "/v1/chat/completions";
const STREAMED: &str = r#"{"model":"m","stream":true}"#;

async fn next(body: &mut hyper::body::Incoming) -> Option<Bytes> {
    let frame = tokio::time::timeout(SOON, body.frame()).await.unwrap()?;
    Some(frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn a_request_and_its_answer_pass_through_byte_by_byte() {
    let gateway = start().await;
    for (path, family) in [
        (CHAT, WireFamily::OpenAiChat),
        ("/v1/responses", WireFamily::OpenAiResponses),
        ("/v1/embeddings", WireFamily::OpenAiEmbeddings),
        ("/v1/messages", WireFamily::AnthropicMessages),
    ] {
        let body =
            "{ \"x\": 1e400, \"model\" :\"my\\/route\",\n \"n\": 12345678901234567890123, \"é\": [] }\n";
        let answer = "{\"answer\" : [ 1.0e0 ]}\n";
        gateway.models.will(Does::Whole(answer));
        let headers = [
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "b-1"),
            ("openai-beta", "b-2"),
            ("authorization", "Bearer secret"),
            ("x-api-key", "secret"),
            ("x-request-id", "r-1"),
        ];
        let reply = gateway.ask(path, body, &headers).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, answer));
        let told = [
            "content-type",
            "openai-processing-ms",
            "x-request-id",
            "x-greenroom-provider",
            "x-greenroom-model",
            "x-greenroom-tries",
        ];
        assert_eq!(
            told.map(|name| reply.header(name).to_owned()),
            ["application/json", "7", "r-1", "main", "large", "2"]
        );
        let call = gateway.models.calls().pop().unwrap();
        assert_eq!((call.body().as_str(), call.call.raw.family), (body, family));
        assert_eq!(call.call.model.as_deref(), Some("my/route"));
        assert!(call.context.deadline.is_some());
        let passed = &call.call.raw.headers;
        let is_anthropic = family == WireFamily::AnthropicMessages;
        assert_eq!(passed.len(), if is_anthropic { 2 } else { 1 });
        assert_eq!(passed.contains_key("anthropic-beta"), is_anthropic);
        assert_eq!(reply.header("request-id"), if is_anthropic { "r-1" } else { "" });
    }
}

#[tokio::test]
async fn a_large_body_in_many_pieces_arrives_whole() {
    let gateway = start().await;
    gateway.models.will(Does::Whole("{}"));
    let body = format!(r#"{{"model":"m","image":"{}"}}"#, "a".repeat(3 * 1024 * 1024));
    let pieces: Vec<_> = body
        .as_bytes()
        .chunks(100_000)
        .map(Bytes::copy_from_slice)
        .collect();
    let stream = Body::from_stream(futures::stream::iter(pieces).map(Ok::<_, std::io::Error>));
    let reply = gateway.send(gateway.v1(CHAT, stream, &[])).await;
    assert_eq!(reply.status, 200);
    assert!(gateway.models.calls()[0].body() == body);
}

#[tokio::test]
async fn the_first_piece_is_out_before_there_is_a_second() {
    let gateway = start().await;
    let pieces = gateway.models.relays();
    pieces.send(Ok("data: 1\n\n".into())).await.unwrap();
    let mut answer = gateway.open(gateway.v1(CHAT, STREAMED, &[])).await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(answer.headers()["x-greenroom-provider"], "main");
    assert_eq!(next(answer.body_mut()).await.unwrap(), "data: 1\n\n");
    pieces.send(Ok("data: 2\n\n".into())).await.unwrap();
    assert_eq!(next(answer.body_mut()).await.unwrap(), "data: 2\n\n");
    drop(pieces);
    assert_eq!(next(answer.body_mut()).await, None);
    assert_eq!(gateway.models.calls()[0].context.deadline, None);
}

#[tokio::test]
async fn a_relayed_stream_in_which_nothing_comes_is_kept_alive_by_comments_between_its_pieces() {
    let config = GatewayConfig {
        keep_alive: Duration::from_millis(40),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    for path in [CHAT, "/v1/messages"] {
        let pieces = gateway.models.relays();
        pieces.send(Ok("data: 1\n\n".into())).await.unwrap();
        let mut answer = gateway.open(gateway.v1(path, STREAMED, &[])).await;
        for expected in ["data: 1\n\n", ":\n\n", ":\n\n"] {
            assert_eq!(next(answer.body_mut()).await.unwrap(), expected);
        }
        pieces.send(Ok("data: 2\n\n".into())).await.unwrap();
        drop(pieces);
        let mut rest = Vec::new();
        while let Some(piece) = next(answer.body_mut()).await {
            rest.push(piece);
        }
        rest.retain(|piece| piece != ":\n\n");
        assert_eq!(rest, ["data: 2\n\n"]);
    }
}

#[tokio::test]
async fn what_is_no_stream_of_events_gets_no_comments() {
    let config = GatewayConfig {
        keep_alive: Duration::from_millis(10),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    let pieces = gateway.models.relays();
    pieces.send(Ok("{\"a\":".into())).await.unwrap();
    let mut answer = gateway.open(gateway.v1(CHAT, r#"{"model":"m"}"#, &[])).await;
    assert_eq!(next(answer.body_mut()).await.unwrap(), "{\"a\":");
    // Long enough for some.
    let quiet = tokio::time::timeout(Duration::from_millis(100), answer.body_mut().frame()).await;
    assert!(quiet.is_err());
    pieces.send(Ok("1}".into())).await.unwrap();
    assert_eq!(next(answer.body_mut()).await.unwrap(), "1}");
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_stream_cancels_its_call() {
    let gateway = start().await;
    let pieces = gateway.models.relays();
    pieces.send(Ok("data: 1\n\n".into())).await.unwrap();
    let mut answer = gateway.open(gateway.v1(CHAT, STREAMED, &[])).await;
    next(answer.body_mut()).await.unwrap();
    let call = gateway.models.called().await;
    assert!(!call.context.cancel.is_cancelled() && !pieces.is_closed());
    drop(answer);
    let both = async {
        call.context.cancel.cancelled().await;
        pieces.closed().await;
    };
    tokio::time::timeout(Duration::from_secs(1), both).await.unwrap();
}

#[tokio::test]
async fn a_client_that_stays_and_reads_nothing_loses_its_call_when_its_time_is_over() {
    let gateway = start_with(impatient()).await;
    let pieces = gateway.models.relays();
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let length = STREAMED.len();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(STREAMED.as_bytes()).await.unwrap();
    fill(&pieces).await;
    assert!(gateway.models.called().await.context.cancel.is_cancelled());
}

#[tokio::test]
async fn over_http_2_it_loses_its_call_and_keeps_its_connection() {
    let gateway = start_with(impatient()).await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = |path: &str, body: &'static str| {
        Request::post(gateway.url(path))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap()
    };
    let pieces = gateway.models.relays();
    pieces.send(Ok("data: 1\n\n".into())).await.unwrap();
    let unread = client.request(request(CHAT, STREAMED)).await.unwrap();
    fill(&pieces).await;
    assert!(gateway.models.called().await.context.cancel.is_cancelled());
    let again = client
        .request(request("/graphql", r#"{"query":"{ __typename }"}"#))
        .await
        .unwrap();
    assert_eq!(again.status(), 200);
    // What is left of it has no good end.
    let read = tokio::time::timeout(SOON, unread.into_body().collect())
        .await
        .unwrap();
    assert!(read.is_err());
}

fn impatient() -> GatewayConfig {
    GatewayConfig {
        write_timeout: Duration::from_millis(300),
        ..GatewayConfig::default()
    }
}

/// Sends until all that lies between is full, and then until nobody takes any more.
async fn fill(pieces: &tokio::sync::mpsc::Sender<Result<Bytes, greenroom_kernel::CallFailure>>) {
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let filled = async { while pieces.send(Ok(piece.clone())).await.is_ok() {} };
    tokio::time::timeout(SOON, filled).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_answer_cancels_its_call() {
    let gateway = start().await;
    gateway.models.will(Does::Never);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        STREAMED.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(STREAMED.as_bytes()).await.unwrap();
    let call = gateway.models.called().await;
    assert!(!call.context.cancel.is_cancelled());
    drop(stream);
    let cancelled = call.context.cancel.cancelled();
    tokio::time::timeout(Duration::from_secs(1), cancelled)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_the_family_s_error() {
    let gateway = start().await;
    let pieces = [
        Ok("data: 1\n\n".into()),
        Err(Failure::unavailable("it broke").into()),
        Ok("data: never\n\n".into()),
    ];
    gateway
        .models
        .will(Does::Relays(futures::stream::iter(pieces).boxed()));
    let reply = gateway.chat(STREAMED).await;
    assert_eq!(reply.text, "data: 1\n\nfail Overloaded it broke\n");
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_provider() {
    let gateway = start().await;
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pulled);
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let endless = futures::stream::repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(piece.clone())
    });
    gateway.models.will(Does::Relays(endless.boxed()));
    let answer = gateway.open(gateway.v1(CHAT, STREAMED, &[])).await;
    until(|| pulled.load(Ordering::Relaxed) > 0).await;
    // It rests once the sockets are full.
    let mut last = 0;
    let rests = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = pulled.load(Ordering::Relaxed);
            if now == last {
                return now;
            }
            last = now;
        }
    };
    let most = tokio::time::timeout(SOON, rests).await.unwrap();
    assert!(most < 1_000, "{most} pieces of 64 KiB were read for nobody");
    drop(answer);
}

#[tokio::test]
async fn a_call_that_takes_longer_than_a_request_may_is_cancelled() {
    let config = GatewayConfig {
        request_timeout: Duration::from_millis(50),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    gateway.models.will(Does::Never);
    let reply = gateway.chat(STREAMED).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["kind"].as_str()),
        (504, Some("Timeout"))
    );
    assert!(gateway.models.calls()[0].context.cancel.is_cancelled());
}

#[tokio::test]
async fn tokens_are_counted_in_the_targets_words_or_estimated_and_marked() {
    const COUNT: &str = "/v1/messages/count_tokens";
    let gateway = start().await;
    let body = r#"{"model":"my/route","messages":[],"greenroom":{"exclude":["a"]}}"#;
    let headers = [("anthropic-version", "2023-06-01"), ("anthropic-beta", "b-1")];
    gateway.models.will(Does::Whole("{\"input_tokens\" : 12}"));
    let reply = gateway.ask(COUNT, body, &headers).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (200, "{\"input_tokens\" : 12}")
    );
    assert_eq!(reply.header("x-greenroom-provider"), "main");
    assert_eq!(reply.header("x-greenroom-estimated"), "");
    let call = gateway.models.calls().pop().unwrap();
    assert_eq!(call.body(), r#"{"model":"my/route","messages":[]}"#);
    assert_eq!(
        (call.call.model.as_deref(), call.call.raw.headers.len()),
        (Some("my/route"), 2)
    );
    assert_eq!(call.context.narrowing.exclude, ["a"]);

    gateway.models.will(Does::Reads);
    let reply = gateway.ask(COUNT, body, &headers).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (200, "{\"input_tokens\":7}")
    );
    assert_eq!(reply.header("x-greenroom-estimated"), "true");

    gateway.models.will(Does::Reads);
    let reply = gateway.ask(COUNT, r#"{"model":"m"}"#, &[]).await;
    assert_eq!(reply.status.as_u16(), 400);
    assert!(reply.text.contains("AnthropicMessages"), "{}", reply.text);
}
