//! The adapter against a scripted server on a real socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod embeddings;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, FaultClass, FinishReason, ModelBackend, ModelEvent, ModelInfo, ModelMessage,
    ModelRequest, ModelRole, ProviderFault, Timestamp, ToolCall, Usage,
};
use greenroom_provider_http::testkit::{Fake, Step, answer, data, end, head};
use greenroom_provider_openai::{ApiKey, OpenAiBackend, OpenAiConfig};
use tokio_util::sync::CancellationToken;

const HI: &str =
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#;
const THERE: &str = r#"{"choices":[{"index":0,"delta":{"content":" théré"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const DONE: &str = "[DONE]";

/// Sun, 06 Nov 1994 08:49:37 GMT.
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(784_111_777_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn backend_at(base_url: String) -> OpenAiBackend {
    let config = OpenAiConfig {
        api_key: Some(ApiKey::new("sk-test-secret")),
        ..OpenAiConfig::new("acme", base_url)
    };
    OpenAiBackend::new(config, Arc::new(FixedClock)).unwrap()
}

fn request() -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hello")],
        max_tokens: Some(16),
        ..ModelRequest::default()
    }
}

fn context() -> CallContext {
    CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
        ..CallContext::default()
    }
}

/// Everything a try tells, progress left out.
async fn tried(backend: &OpenAiBackend) -> Result<Vec<Result<ModelEvent, ProviderFault>>, ProviderFault> {
    let stream = backend.call("m", &request(), &context()).await?;
    let events = stream.collect::<Vec<_>>();
    let events = tokio::time::timeout(Duration::from_secs(20), events)
        .await
        .expect("an end in time");
    Ok(events
        .into_iter()
        .filter(|e| !matches!(e, Ok(ModelEvent::Progress | ModelEvent::Used(_))))
        .collect())
}

async fn against(script: Vec<Step>) -> Result<Vec<Result<ModelEvent, ProviderFault>>, ProviderFault> {
    let fake = Fake::start(vec![script]).await;
    tried(&backend_at(fake.base_url())).await
}

fn text(text: &str) -> Result<ModelEvent, ProviderFault> {
    Ok(ModelEvent::Content(text.into()))
}

fn ended(finish: FinishReason, usage: Option<Usage>) -> Result<ModelEvent, ProviderFault> {
    Ok(ModelEvent::End { finish, usage })
}

/// The events before the fault, and the fault's class.
fn broken(
    events: Vec<Result<ModelEvent, ProviderFault>>,
) -> (Vec<Result<ModelEvent, ProviderFault>>, FaultClass) {
    let mut events = events;
    let last = events.pop().expect("at least a fault");
    assert!(
        events.iter().all(Result::is_ok),
        "one fault, and it is the last: {events:?}"
    );
    (events, last.expect_err("the last is a fault").class)
}

#[tokio::test]
async fn a_streamed_answer_arrives_with_its_text_its_end_and_its_figures() {
    let fake = Fake::start(vec![vec![head(), data(&[HI, THERE, STOP, USAGE, DONE]), end()]]).await;
    let events = tried(&backend_at(fake.base_url())).await.unwrap();
    let usage = Usage {
        input_tokens: 5,
        cached_input_tokens: 4,
        output_tokens: 2,
        ..Usage::default()
    };
    assert_eq!(
        events,
        [text("Hi"), text(" théré"), ended(FinishReason::Stop, Some(usage))]
    );

    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), Some("Bearer sk-test-secret"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(
        seen.body,
        serde_json::json!({
            "model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 16,
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn tool_calls_arrive_whole() {
    let events = against(vec![
        head(),
        data(&[
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"add","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            DONE,
        ]),
        end(),
    ])
    .await
    .unwrap();
    let call = ToolCall {
        id: "c1".into(),
        name: "add".into(),
        arguments: "{\"a\":1}".into(),
    };
    assert_eq!(
        events,
        [
            Ok(ModelEvent::ToolCall(call)),
            ended(FinishReason::ToolCalls, None)
        ]
    );
}

#[tokio::test]
async fn a_trickle_of_single_bytes_makes_the_same_answer() {
    let body = format!(": ping\r\n\r\ndata: {HI}\r\n\r\ndata: {THERE}\n\ndata: {STOP}\n\ndata: [DONE]\n\n");
    let events = against(vec![head(), Step::Trickle(body.into_bytes()), end()])
        .await
        .unwrap();
    assert_eq!(
        events,
        [text("Hi"), text(" théré"), ended(FinishReason::Stop, None)]
    );
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_is_a_transient_fault_after_what_was_told() {
    let events = against(vec![head(), data(&[HI]), Step::Close]).await.unwrap();
    assert_eq!(broken(events), (vec![text("Hi")], FaultClass::Transient));
}

#[tokio::test]
async fn a_body_that_ends_without_done_or_a_finish_reason_was_truncated() {
    let events = against(vec![head(), data(&[HI, THERE]), end()]).await.unwrap();
    assert_eq!(
        broken(events),
        (vec![text("Hi"), text(" théré")], FaultClass::Transient)
    );
}

#[tokio::test]
async fn a_finish_reason_makes_an_answer_whole_without_done_even_when_the_connection_breaks() {
    let whole = [text("Hi"), ended(FinishReason::Stop, None)];
    let closed = against(vec![head(), data(&[HI, STOP]), end()]).await.unwrap();
    assert_eq!(closed, whole);
    let cut = against(vec![head(), data(&[HI, STOP]), Step::Close])
        .await
        .unwrap();
    assert_eq!(cut, whole);
}

#[tokio::test]
async fn a_finished_answer_whose_server_then_hangs_still_ends() {
    let events = against(vec![head(), data(&[HI, STOP]), Step::AwaitClose])
        .await
        .unwrap();
    assert_eq!(events, [text("Hi"), ended(FinishReason::Stop, None)]);
}

#[tokio::test]
async fn a_429_carries_its_retry_after_in_seconds_or_as_a_date() {
    let seconds = against(answer(429, "retry-after: 7\r\n", "{}"))
        .await
        .unwrap_err();
    assert_eq!(seconds.class, FaultClass::Throttled);
    assert_eq!(seconds.retry_after, Some(Duration::from_secs(7)));
    let date = against(answer(
        429,
        "retry-after: Sun, 06 Nov 1994 08:49:57 GMT\r\n",
        r#"{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}"#,
    ))
    .await
    .unwrap_err();
    assert_eq!(date.class, FaultClass::Throttled);
    assert_eq!(date.retry_after, Some(Duration::from_secs(20)));
    assert!(date.message.contains("slow down"), "{date}");
}

#[tokio::test]
async fn refusals_are_classified_and_never_show_the_key() {
    for (status, body, class) in [
        (
            401,
            r#"{"error":{"message":"bad key sk-test-secret"}}"#,
            FaultClass::HardDown,
        ),
        (
            404,
            r#"{"error":{"message":"no model","code":"model_not_found"}}"#,
            FaultClass::HardDown,
        ),
        (
            400,
            r#"{"error":{"code":"context_length_exceeded"}}"#,
            FaultClass::ContextLength,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter"}}"#,
            FaultClass::ContentFilter,
        ),
        (400, r#"{"error":{"code":"bad_thing"}}"#, FaultClass::BadRequest),
        (500, "oops", FaultClass::Transient),
        (503, "", FaultClass::Overloaded),
    ] {
        let fault = against(answer(status, "", body)).await.unwrap_err();
        assert_eq!(fault.class, class, "{status} {body}");
        assert_eq!(fault.provider, "acme");
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_a_fault() {
    let body = r#"{"error":{"message":"busy","type":"overloaded_error"}}"#;
    let whole = against(answer(200, "content-type: application/json\r\n", body))
        .await
        .unwrap_err();
    assert_eq!(whole.class, FaultClass::Overloaded);
    let page = against(answer(200, "content-type: text/html\r\n", "<html>"))
        .await
        .unwrap_err();
    assert_eq!(page.class, FaultClass::HardDown);
    let events = against(vec![
        head(),
        data(&[
            HI,
            r#"{"error":{"message":"out of memory","code":500}}"#,
            STOP,
            DONE,
        ]),
        end(),
    ])
    .await
    .unwrap();
    assert_eq!(broken(events), (vec![text("Hi")], FaultClass::Transient));
}

#[tokio::test]
async fn a_malformed_chunk_is_a_transient_fault() {
    let events = against(vec![
        head(),
        data(&[HI, r#"{"choices":[{"delta""#, STOP, DONE]),
        end(),
    ])
    .await
    .unwrap();
    assert_eq!(broken(events), (vec![text("Hi")], FaultClass::Transient));
}

#[tokio::test]
async fn an_endless_line_is_a_fault_long_before_memory_is_gone() {
    let long = format!("{}{}", "x".repeat(1 << 20), "y".repeat(100));
    let events = against(vec![head(), data(&[HI, &long, STOP, DONE]), Step::AwaitClose])
        .await
        .unwrap();
    assert_eq!(broken(events), (vec![text("Hi")], FaultClass::Transient));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_upstream_call() {
    let mut fake = Fake::start(vec![vec![head(), data(&[HI]), Step::AwaitClose]]).await;
    let backend = backend_at(fake.base_url());
    let mut stream = backend.call("m", &request(), &context()).await.unwrap();
    assert_eq!(stream.next().await, Some(text("Hi")));
    drop(stream);
    fake.closed_within_a_second().await;
}

#[tokio::test]
async fn dropping_the_call_before_its_answer_closes_the_upstream_call() {
    let mut fake = Fake::start(vec![vec![Step::AwaitClose]]).await;
    let backend = backend_at(fake.base_url());
    let (request, context) = (request(), context());
    {
        let call = backend.call("m", &request, &context);
        tokio::select! {
            _ = call => panic!("there is no answer"),
            () = fake.asked() => {}
        }
    }
    fake.closed_within_a_second().await;
}

#[tokio::test]
async fn a_cancelled_call_ends_as_cancelled_and_closes_the_upstream_call() {
    let mut fake = Fake::start(vec![
        vec![head(), data(&[HI]), Step::AwaitClose],
        vec![Step::AwaitClose],
    ])
    .await;
    let backend = backend_at(fake.base_url());

    let streaming = context();
    let mut stream = backend.call("m", &request(), &streaming).await.unwrap();
    assert_eq!(stream.next().await, Some(text("Hi")));
    streaming.cancel.cancel();
    let fault = stream.next().await.unwrap().unwrap_err();
    assert_eq!(fault.class, FaultClass::Cancelled);
    assert_eq!(stream.next().await, None);
    fake.asked().await;
    fake.closed_within_a_second().await;

    let waiting = context();
    let call = async {
        let outcome = backend.call("m", &request(), &waiting).await;
        outcome.err().map(|fault| fault.class)
    };
    let cancel = async {
        fake.asked().await;
        waiting.cancel.cancel();
    };
    let (class, ()) = tokio::join!(call, cancel);
    assert_eq!(class, Some(FaultClass::Cancelled));
    fake.closed_within_a_second().await;
}

#[tokio::test]
async fn a_finished_call_leaves_its_connection_for_the_next() {
    let whole = vec![head(), data(&[HI, STOP, DONE]), end()];
    let fake = Fake::start(vec![whole.clone(), whole.clone(), whole]).await;
    let backend = backend_at(fake.base_url());
    for _ in 0..3 {
        tried(&backend).await.unwrap();
    }
    let connections: Vec<_> = fake.seen().iter().map(|s| s.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let elsewhere = Fake::start(vec![]).await;
    let location = format!("location: {}/chat/completions\r\n", elsewhere.base_url());
    let fault = against(answer(307, &location, "")).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::HardDown);
    assert!(fault.message.contains("base_url"), "{fault}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transient_fault_that_names_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let backend = backend_at(format!("http://{address}/v1"));
    for fault in [
        tried(&backend).await.unwrap_err(),
        backend.probe().await.unwrap_err(),
    ] {
        assert_eq!(fault.class, FaultClass::Transient);
        assert!(fault.message.contains(&address.to_string()), "{fault}");
    }
}

#[tokio::test]
async fn a_probe_learns_what_is_served() {
    let list = r#"{"object":"list","data":[{"id":"b","max_model_len":4096},{"id":"a"}]}"#;
    let fake = Fake::start(vec![answer(200, "", list), answer(200, "", list)]).await;
    let backend = backend_at(fake.base_url());
    assert!(backend.models().is_empty());
    backend.probe().await.unwrap();
    let info = |name: &str, context_window| ModelInfo::named(name).with_window(context_window);
    assert_eq!(backend.models(), [info("b", Some(4096)), info("a", None)]);
    assert!(fake.seen()[0].head.starts_with("GET /v1/models HTTP/1.1\r\n"));

    let configured = OpenAiConfig {
        models: vec![info("mine", Some(7)), info("b", None)],
        ..OpenAiConfig::new("acme", fake.base_url())
    };
    let configured = OpenAiBackend::new(configured, Arc::new(FixedClock)).unwrap();
    configured.probe().await.unwrap();
    assert_eq!(
        configured.models(),
        [info("mine", Some(7)), info("b", Some(4096))]
    );
    assert_eq!(fake.seen()[1].header("authorization"), None);
}

#[tokio::test]
async fn a_probe_tells_refusal_from_a_server_without_a_list() {
    let fake = Fake::start(vec![
        answer(401, "", "{}"),
        answer(404, "", ""),
        answer(
            503,
            "retry-after: 3\r\n",
            r#"{"error":{"message":"Loading model","code":503}}"#,
        ),
    ])
    .await;
    let backend = backend_at(fake.base_url());
    assert_eq!(backend.probe().await.unwrap_err().class, FaultClass::HardDown);
    assert_eq!(backend.probe().await, Ok(()));
    let loading = backend.probe().await.unwrap_err();
    assert_eq!(loading.class, FaultClass::Overloaded);
    assert_eq!(loading.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn the_callers_trace_context_reaches_the_provider() {
    use opentelemetry::Context;
    use opentelemetry::trace::{
        FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    opentelemetry::global::set_text_map_propagator(
        opentelemetry_sdk::propagation::TraceContextPropagator::new(),
    );
    let span = SpanContext::new(
        TraceId::from(0xABCD),
        SpanId::from(0x12),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    let fake = Fake::start(vec![vec![head(), data(&[HI, STOP, DONE]), end()]]).await;
    tried(&backend_at(fake.base_url()))
        .with_context(Context::new().with_remote_span_context(span))
        .await
        .unwrap();
    assert_eq!(
        fake.seen()[0].header("traceparent"),
        Some("00-0000000000000000000000000000abcd-0000000000000012-01")
    );
}
