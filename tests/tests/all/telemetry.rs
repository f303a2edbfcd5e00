//! One trace from the caller's request to the provider call, read by a receiver nobody here wrote; logs and the
//! operator's pages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::agents::known;
use crate::support::{Client, FakeModel, Options, Server, ToolHost};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn ask(server: &Server, body: Value) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(format!("{}/graphql", server.http))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("x-request-id", "req-42")
        .json(&body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "needs oteltap: run by `cargo xtask test`"]
async fn a_receiver_nobody_here_wrote_sees_one_unbroken_trace() {
    let parts = std::env::var("GREENROOM_TEST_PARTS").expect("run by `cargo xtask test`");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut tap = tokio::process::Command::new(format!("{parts}/python/bin/oteltap"))
        .args(["--port", &port.to_string()])
        .env("PYTHONUNBUFFERED", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (model, host) = (FakeModel::start().await, ToolHost::start().await);
    let env = vec![
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            format!("http://127.0.0.1:{port}"),
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned(),
            "http/protobuf".to_owned(),
        ),
    ];
    let options = Options {
        agents: vec![host.url.clone()],
        model: Some(model.url.clone()),
        env,
        ..Options::default()
    };
    let mut server = Server::start(options).await;
    known(&Client::new(&server.http), "worker").await;
    let query = "mutation { executeTaskOnAgent(input: { agent: \"worker\", input: \"traced\" }) { status } }";
    let answer: Value = ask(&server, json!({ "query": query }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        answer["data"]["executeTaskOnAgent"]["status"], "COMPLETED",
        "{answer}"
    );
    assert_eq!(server.terminate().await, Some(0));
    let mut spans: BTreeMap<String, (String, String)> = BTreeMap::new();
    while let Ok(Ok(Some(line))) = tokio::time::timeout(Duration::from_secs(3), lines.next_line()).await {
        let Ok(span) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if span["traceId"] == TRACE {
            let text = |field: &str| span[field].as_str().unwrap_or_default().to_owned();
            spans.insert(text("spanId"), (text("name"), text("parentSpanId")));
        }
    }
    let names: BTreeSet<&str> = spans.values().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains("attempt"), "{names:?}");
    assert!(names.len() >= 3, "request, attempt and provider call: {names:?}");
    for (name, parent) in spans.values() {
        assert!(
            parent == PARENT || spans.contains_key(parent),
            "{name} hangs in the air: {spans:#?}"
        );
    }
    let carried: Vec<_> = model
        .headers()
        .iter()
        .filter_map(|headers| headers.get("traceparent").cloned())
        .collect();
    assert!(
        carried.iter().any(|header| header.contains(TRACE)),
        "the provider call carries the trace: {carried:?}"
    );
}

#[tokio::test]
async fn the_operator_sees_metrics_and_readiness_and_the_log_names_the_request() {
    let (model, host) = (FakeModel::start().await, ToolHost::start().await);
    let options = Options {
        agents: vec![host.url.clone()],
        model: Some(model.url.clone()),
        env: Vec::new(),
        ..Options::default()
    };
    let server = Server::start(options).await;
    known(&Client::new(&server.http), "worker").await;
    let query = "mutation { executeTaskOnAgent(input: { agent: \"echo\", input: \"hi\" }) { status } }";
    let answer = ask(&server, json!({ "query": query })).await;
    assert_eq!(answer.headers()["x-request-id"], "req-42");
    let steps = query.replace("echo", "worker");
    ask(&server, json!({ "query": steps })).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            http.get(format!("{}{path}", server.operator))
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
            200,
            "{path}"
        );
    }
    let page = http
        .get(format!("{}/metrics", server.operator))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let accepted = page
        .lines()
        .find(|line| line.contains("accepted") && line.contains("agent=\"echo\""))
        .unwrap_or_default();
    assert!(accepted.ends_with(" 1"), "{accepted:?} in {page}");
    for (series, least) in [
        (
            r#"greenroom_http_requests_total{operation="executeTaskOnAgent",status="200"}"#,
            1,
        ),
        (
            r#"greenroom_http_request_seconds_count{operation="executeTaskOnAgent"}"#,
            1,
        ),
        // Accepted, and ended.
        ("greenroom_journal_group_appends_sum", 2),
        ("greenroom_journal_sync_seconds_count", 1),
        (r#"greenroom_steps_total{kind="EFFECT",status="DONE"}"#, 1),
    ] {
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        let value = line.and_then(|value| value.trim().parse::<f64>().ok());
        assert!(
            value.is_some_and(|value| value >= f64::from(least)),
            "{series}: {value:?} in {page}"
        );
    }
    let exposed = http.get(format!("{}/metrics", server.http)).send().await.unwrap();
    assert_eq!(
        exposed.status().as_u16(),
        404,
        "metrics are not exposed with the API"
    );
    server.assert_calm();
}
