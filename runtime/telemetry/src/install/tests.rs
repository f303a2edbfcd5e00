use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use opentelemetry::trace::TraceContextExt;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing::{error, info, info_span, warn};

use tracing::Span;

use super::*;
use crate::{OtlpConfig, OtlpProtocol, continue_from, extract, inject};

const PATIENCE: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs `work` under a subscriber of its own and returns what was logged.
fn logged(config: TelemetryConfig, work: impl FnOnce()) -> String {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let output = Output::default();
    let (subscriber, guard) = build(&config, Box::new(output.clone())).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    guard.writer.flush(PATIENCE);
    let bytes = output.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

fn json() -> TelemetryConfig {
    let mut config = TelemetryConfig::default();
    config.log.format = LogFormat::Json;
    config
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_json_line_has_time_level_target_fields_and_the_ids_of_the_spans_around_it() {
    let text = logged(json(), || {
        let request = info_span!(
            "request",
            request_id = "r-1",
            tenant = "acme",
            session = tracing::field::Empty
        );
        request.in_scope(|| {
            request.record("session", "s-1");
            info_span!("task", task = %"t-1", tenant = "inner").in_scope(|| {
                info!(target: "greenroom_test", count = 3, ok = true, ratio = 0.5, note = "a \"b\"\n", "hello {}", "you");
            });
        });
    });
    let lines = lines(&text);
    assert_eq!(lines.len(), 1, "{text}");
    let line = &lines[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "greenroom_test");
    assert_eq!(line["message"], "hello you");
    assert_eq!(line["request_id"], "r-1");
    assert_eq!(line["session"], "s-1");
    assert_eq!(line["task"], "t-1");
    assert_eq!(line["tenant"], "inner");
    assert_eq!(
        line["fields"],
        serde_json::json!({"count": 3, "ok": true, "ratio": 0.5, "note": "a \"b\"\n"})
    );
    let time = line["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
}

#[test]
fn a_line_outside_any_span_has_no_ids() {
    let text = logged(json(), || info!("alone"));
    let line = &lines(&text)[0];
    assert_eq!(line.get("trace_id"), None);
    assert_eq!(line.get("tenant"), None);
    assert_eq!(line["fields"], serde_json::json!({}));
}

#[test]
fn a_filter_hides_events_but_keeps_the_ids_of_hidden_levels_spans() {
    let mut config = json();
    config.log.filter = "warn,loud=debug".to_owned();
    let text = logged(config, || {
        info_span!("task", task = "t-1").in_scope(|| {
            info!("hidden");
            warn!("shown");
            tracing::debug!(target: "loud", "shown too");
        });
    });
    let lines = lines(&text);
    let messages: Vec<_> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages, ["shown", "shown too"]);
    assert!(lines.iter().all(|line| line["task"] == "t-1"), "{text}");
}

#[test]
fn a_malformed_filter_is_refused_by_name() {
    let mut config = json();
    config.log.filter = "greenroom=loudest".to_owned();
    let error = build(&config, Box::new(Output::default())).err().unwrap();
    assert!(error.to_string().contains("greenroom=loudest"), "{error}");
}

#[test]
fn secrets_never_reach_a_line_and_content_only_when_asked_for() {
    let say = || {
        info!(
            api_key = "k-123",
            content = "dear diary",
            "sent Bearer abc.def.ghi"
        )
    };
    let closed = logged(json(), say);
    assert!(
        !closed.contains("k-123") && !closed.contains("dear diary") && !closed.contains("abc.def"),
        "{closed}"
    );
    let mut config = json();
    config.log.content = true;
    let open = logged(config, say);
    assert!(open.contains("dear diary") && !open.contains("k-123"), "{open}");
}

#[test]
fn an_error_is_written_with_its_causes() {
    let failure = TelemetryError::LogThread(std::io::Error::other("no threads left"));
    let text = logged(json(), || {
        error!(error = &failure as &dyn std::error::Error, "failed")
    });
    let line = &lines(&text)[0];
    assert_eq!(
        line["fields"]["error"],
        "the log writer's thread cannot be started: no threads left"
    );
}

#[test]
fn a_human_line_is_short_and_cannot_steer_the_terminal() {
    let mut config = TelemetryConfig::default();
    config.log.format = LogFormat::Human;
    let text = logged(config, || {
        info_span!("task", task = "t-1")
            .in_scope(|| info!(target: "here", agent = "echo", name = "x\x1b[2Jy", "one\ntwo"));
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(" here: one\\ntwo name=x\\u{1b}[2Jy task=t-1 agent=echo"),
        "{text:?}"
    );
}

#[test]
fn a_trace_goes_in_by_one_carrier_and_out_by_another() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing = HashMap::new();
    let text = logged(json(), || {
        let span = info_span!("request");
        continue_from(&span, &incoming);
        span.in_scope(|| {
            info_span!("call").in_scope(|| {
                info!("calling");
                inject(&Span::current(), &mut outgoing);
            })
        });
    });
    let sent = &outgoing["traceparent"];
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-01"),
        "{sent}"
    );
    assert!(
        !sent.contains("00f067aa0ba902b7"),
        "the caller's span is not the parent any more: {sent}"
    );
    let line = &lines(&text)[0];
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["span_id"], sent.split('-').nth(2).unwrap());
}

#[test]
fn a_layer_below_carries_the_trace_with_opentelemetry_alone() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing: HashMap<String, String> = HashMap::new();
    logged(json(), || {
        let remote = extract(&incoming);
        let attached = remote.attach();
        let span = info_span!("served");
        drop(attached);
        span.in_scope(|| {
            let here = opentelemetry::Context::current();
            global::get_text_map_propagator(|propagator| propagator.inject_context(&here, &mut outgoing));
        });
    });
    assert!(
        outgoing["traceparent"].starts_with(&format!("00-{TRACE}-")),
        "{outgoing:?}"
    );
}

#[test]
fn a_malformed_parent_begins_a_new_trace() {
    for header in [
        "",
        "00-zz-11-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        let incoming = HashMap::from([("traceparent".to_owned(), header.to_owned())]);
        assert!(!extract(&incoming).has_active_span(), "{header}");
    }
}

#[test]
fn without_a_collector_nothing_is_sampled_and_ids_exist_all_the_same() {
    let mut outgoing = HashMap::new();
    logged(json(), || {
        info_span!("request").in_scope(|| inject(&Span::current(), &mut outgoing))
    });
    assert!(outgoing["traceparent"].ends_with("-00"), "{outgoing:?}");
}

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
    let (subscriber, guard) = build(&config, Box::new(Output::default())).unwrap();
    tracing::subscriber::with_default(subscriber, || {
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
    let (subscriber, guard) = build(&config, Box::new(Output::default())).unwrap();
    tracing::subscriber::with_default(subscriber, || info_span!("sent").in_scope(|| ()));
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
        let (subscriber, guard) = build(&config, Box::new(Output::default())).unwrap();
        tracing::subscriber::with_default(subscriber, || info_span!("lost").in_scope(|| ()));
        let begun = std::time::Instant::now();
        guard.shutdown(Duration::from_millis(300)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{protocol:?}: {:?}",
            begun.elapsed()
        );
    }
}
