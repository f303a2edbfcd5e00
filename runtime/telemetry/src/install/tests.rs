use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tracing::{error, info, info_span, warn};

use super::*;

mod collector;
mod traces;

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
    let (dispatch, guard) = build(&config, Box::new(output.clone())).unwrap();
    tracing::dispatcher::with_default(&dispatch, work);
    guard.writer.flush(PATIENCE);
    let bytes = output.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

fn json() -> TelemetryConfig {
    let mut config = TelemetryConfig::default();
    config.log.format = LogFormat::Json;
    config
}

/// With a collector, which isn't there.
fn collected() -> TelemetryConfig {
    let mut config = json();
    config.trace.otlp = Some(crate::OtlpConfig::new(
        "http://127.0.0.1:9",
        crate::OtlpProtocol::HttpProtobuf,
    ));
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
fn who_logs_nothing_has_no_spans_either_and_who_logs_errors_has() {
    let spans = |filter: &str| {
        let mut config = json();
        config.log.filter = filter.to_owned();
        let mut disabled = false;
        logged(config, || disabled = info_span!("v1").is_disabled());
        !disabled
    };
    assert!(spans("error") && spans("off,a=error"));
    assert!(!spans("off"));
}
