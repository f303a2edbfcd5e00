//! Bad input: a precise error with a code, never a 500.

use std::time::Duration;

use greenroom_gateway::GatewayConfig;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{start, start_with};

#[tokio::test]
async fn a_malformed_body_is_told_what_is_wrong_with_it() {
    let gateway = start().await;
    let deep = format!(
        "{{\"query\":\"{{__typename}}\",\"variables\":{{\"x\":{}{}}}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "EOF"),
        (b"nonsense".to_vec(), "expected"),
        (b"null".to_vec(), "invalid type: null"),
        (b"3".to_vec(), "invalid type: integer"),
        (b"{}".to_vec(), "missing field `query`"),
        (br#"{"query":1}"#.to_vec(), "expected a string"),
        (br#"{"query":null}"#.to_vec(), "expected a string"),
        (
            br#"{"query":"{__typename}","variables":[]}"#.to_vec(),
            "expected a map",
        ),
        (
            br#"{"query":"{__typename}","variables":"x"}"#.to_vec(),
            "expected a map",
        ),
        (
            br#"{"query":"{__typename}","operationName":1}"#.to_vec(),
            "expected a string",
        ),
        (
            br#"{"query":"{__typename}","extensions":1}"#.to_vec(),
            "expected a map",
        ),
        (br#"{"query":"{__typename}"} trailing"#.to_vec(), "trailing"),
        (b"{\"query\":\"\xff\xfe\"}".to_vec(), "unicode"),
        (b"[1]".to_vec(), "invalid type"),
        (deep.into_bytes(), "recursion limit"),
    ];
    for (body, why) in cases {
        let reply = gateway.post_raw(body.clone(), &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "BAD_USER_INPUT"),
            "{reply:?}"
        );
        let message = reply.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(why),
            "{message} for {:?}",
            String::from_utf8_lossy(&body)
        );
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        let reply = gateway
            .post_raw(r#"{"query":"{ __typename }"}"#, &[("content-type", content_type)])
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (415, "BAD_USER_INPUT")
        );
    }
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_too_large_announced_or_not() {
    let gateway = start().await;
    let body = vec![b' '; 10 * 1024 * 1024];
    let reply = gateway.post_raw(body.clone(), &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (413, "BAD_USER_INPUT")
    );
    let chunks: Vec<Result<_, std::io::Error>> =
        body.chunks(64 * 1024).map(|chunk| Ok(bytes_of(chunk))).collect();
    let stream = axum::body::Body::from_stream(futures::stream::iter(chunks));
    let reply = gateway.post_raw(stream, &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (413, "BAD_USER_INPUT")
    );
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_only_after_writing_all_sees_why_it_was_refused() {
    let gateway = start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let size = 10 * 1024 * 1024;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; size]).await.unwrap();
    let mut heard = [0; 12];
    tokio::time::timeout(crate::client::SOON, stream.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"HTTP/1.1 413");
}

fn bytes_of(chunk: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(chunk)
}

#[tokio::test]
async fn wrong_variables_are_refused_before_anything_is_executed() {
    let gateway = start().await;
    let query = "mutation($i: SendChatInput!) { sendChat(input: $i) { cursor } }";
    for (variables, why) in [
        (json!({}), "variable $i is required"),
        (
            json!({ "i": null }),
            "variable $i must be SendChatInput!, not null",
        ),
        (
            json!({ "i": "text" }),
            "variable $i must be an object (SendChatInput)",
        ),
        (
            json!({ "i": {} }),
            "variable $i.content must be String!, it is required",
        ),
        (
            json!({ "i": { "content": 1 } }),
            "variable $i.content must be of type String",
        ),
        (
            json!({ "i": { "content": "x", "wait": "SOMETIME" } }),
            "variable $i.wait must be a value of Wait",
        ),
        (
            json!({ "i": { "content": "x", "waitMs": 1.5 } }),
            "variable $i.waitMs must be of type Int",
        ),
        (
            json!({ "i": { "content": "x", "waitMs": 2147483648_i64 } }),
            "variable $i.waitMs must be of type Int",
        ),
        (
            json!({ "i": { "content": "x", "extra": 1 } }),
            "variable $i.extra must be a field of SendChatInput",
        ),
    ] {
        // Twice: the second time the document is known already.
        for _ in 0..2 {
            let body = json!({ "query": query, "variables": variables }).to_string();
            let reply = gateway
                .post_raw(body, &[("accept", "application/graphql-response+json")])
                .await;
            assert_eq!(
                (reply.status.as_u16(), reply.code().as_str()),
                (400, "BAD_USER_INPUT"),
                "{variables}"
            );
            assert_eq!(reply.json()["errors"][0]["message"], why);
        }
        gateway
            .data(query, json!({ "i": { "content": "warm", "wait": null } }))
            .await;
    }
    let aggregate = "query($i: AggregateInput!) { aggregateDataFromAgents(input: $i) { complete } }";
    let wrong = json!({ "i": { "agents": [{ "agent": "a" }, { "agent": null }], "input": {} } });
    let reply = gateway.post(aggregate, wrong).await;
    assert_eq!(
        reply.json()["errors"][0]["message"],
        "variable $i.agents[1].agent must be String!, not null"
    );
}

#[tokio::test]
async fn literals_of_the_wrong_type_are_refused_and_name_their_place() {
    let gateway = start().await;
    for query in [
        "{ getSession { id } }",
        "{ getSession(id: true) { id } }",
        "{ getSession(id: \"a\", extra: 1) { id } }",
        "{ listTasks(status: NOPE) { edges { cursor } } }",
        "{ listTasks(first: \"1\") { edges { cursor } } }",
        "{ listSessions(filter: { createdAfter: \"soon\" }) { edges { cursor } } }",
        "mutation { sendChat(input: { content: 3 }) { cursor } }",
        "mutation { sendChat(input: { }) { cursor } }",
        "query($x: Nope) { listAgents { name } }",
        "{ listAgents { name { x } } }",
        "{ ...F } fragment F on Query { ...F }",
        "{ ...Missing }",
        "{ listAgents @nope { name } }",
        "subscription { onSupervision { path } }",
        "subscription { a: onSupervision { path } b: onSupervision { path } }",
    ] {
        let answer = gateway.post(query, json!({})).await.json();
        assert_eq!(crate::client::code(&answer), "BAD_USER_INPUT", "{query}");
        assert!(
            answer.get("data").is_none_or(|data| data.is_null()),
            "{query}: {answer}"
        );
    }
    let answer = gateway.post("{ listAgents { nope } }", json!({})).await.json();
    assert_eq!(
        answer["errors"][0]["locations"],
        json!([{ "line": 1, "column": 16 }])
    );
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_forbidden() {
    let gateway = start().await;
    for headers in [
        [("host", "evil.example")],
        [("host", "localhost.evil.example:80")],
        [("origin", "http://evil.example")],
        [("origin", "null")],
    ] {
        let reply = gateway.post_raw(r#"{"query":"{ __typename }"}"#, &headers).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (403, "FORBIDDEN"),
            "{headers:?}"
        );
        assert_eq!(gateway.get("/healthz", &headers).await.status, 403);
    }
    for headers in [
        [("host", "localhost:1")],
        [("origin", "http://127.0.0.1:3000")],
        [("host", "[::1]:80")],
    ] {
        assert_eq!(
            gateway
                .post_raw(r#"{"query":"{ __typename }"}"#, &headers)
                .await
                .status,
            200
        );
    }
    let open = start_with(GatewayConfig {
        loopback_only: false,
        ..GatewayConfig::default()
    })
    .await;
    let reply = open
        .post_raw(r#"{"query":"{ __typename }"}"#, &[("host", "greenroom.example")])
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_while_what_it_began_goes_on() {
    let gateway = start_with(GatewayConfig {
        request_timeout: Duration::from_millis(50),
        ..GatewayConfig::default()
    })
    .await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "slow" }) { cursor } }"#;
    let reply = gateway.post(query, json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (504, "UNAVAILABLE")
    );
    gateway.fake.release.add_permits(1);
    let mut finished = gateway.fake.finished.subscribe();
    tokio::time::timeout(crate::client::SOON, finished.wait_for(|n| *n == 1))
        .await
        .unwrap()
        .unwrap();
}
