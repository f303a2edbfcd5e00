//! The adapter against a scripted server on a real socket. The streams have the shapes that the provider documents:
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, FaultClass, FinishReason, ModelBackend, ModelEvent, ModelInfo, ModelMessage,
    ModelRequest, ModelRole, OutputFormat, ProviderFault, Reasoning, Seal, Timestamp, ToolCall, Usage,
};
use greenroom_provider_anthropic::{AnthropicBackend, AnthropicConfig, ApiKey};
use greenroom_provider_http::testkit::{Fake, Step, answer, end, head, raw};
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const TEXT: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\
\n\
event: content_block_start\n\
data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\
\n\
event: ping\n\
data: {\"type\": \"ping\"}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" théré\"}}\n\
\n\
event: content_block_stop\n\
data: {\"type\":\"content_block_stop\",\"index\":0}\n\
\n\
event: message_delta\n\
data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\
\n\
event: message_stop\n\
data: {\"type\":\"message_stop\"}\n\
\n";

const CALLS: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":472,\"output_tokens\":2}}}\n\
\n\
event: content_block_start\n\
data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Paris and Rome.\"}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"EqQBCgIYAhIM\"}}\n\
\n\
event: content_block_start\n\
data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"weather\",\"input\":{}}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\": \\\"Par\"}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"is\\\"}\"}}\n\
\n\
event: content_block_start\n\
data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"weather\",\"input\":{}}}\n\
\n\
event: content_block_delta\n\
data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\": \\\"Rome\\\"}\"}}\n\
\n\
event: message_delta\n\
data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":89}}\n\
\n\
event: message_stop\n\
data: {\"type\":\"message_stop\"}\n\
\n";

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

fn url(fake: &Fake) -> String {
    format!("http://{}", fake.address)
}

fn backend_at(base_url: String) -> AnthropicBackend {
    let config = AnthropicConfig {
        api_key: Some(ApiKey::new("sk-ant-secret")),
        ..AnthropicConfig::new("acme", base_url)
    };
    AnthropicBackend::new(config, Arc::new(FixedClock)).unwrap()
}

fn request() -> ModelRequest {
    ModelRequest {
        messages: vec![
            ModelMessage::text(ModelRole::System, "be brief"),
            ModelMessage::text(ModelRole::User, "hello"),
        ],
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

type Told = Result<ModelEvent, ProviderFault>;

/// Everything a try tells, progress left out.
async fn tried(backend: &AnthropicBackend) -> Result<Vec<Told>, ProviderFault> {
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

async fn against(script: Vec<Step>) -> Result<Vec<Told>, ProviderFault> {
    let fake = Fake::start(vec![script]).await;
    tried(&backend_at(url(&fake))).await
}

fn text(text: &str) -> Told {
    Ok(ModelEvent::Content(text.into()))
}

fn call(id: &str, arguments: &str) -> Told {
    Ok(ModelEvent::ToolCall(ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: arguments.into(),
    }))
}

fn ended(finish: FinishReason, usage: Usage) -> Told {
    let usage = Some(usage);
    Ok(ModelEvent::End { finish, usage })
}

/// What [`TEXT`] says.
fn said() -> Vec<Told> {
    let usage = Usage {
        input_tokens: 25,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 15,
        ..Usage::default()
    };
    vec![text("Hi"), text(" théré"), ended(FinishReason::Stop, usage)]
}

/// The fault's class, after nothing or only good events.
fn broken(mut events: Vec<Told>) -> FaultClass {
    let last = events.pop().expect("at least a fault");
    assert!(
        events.iter().all(Result::is_ok),
        "one fault, and it is the last: {events:?}"
    );
    last.expect_err("the last is a fault").class
}

#[tokio::test]
async fn a_streamed_answer_arrives_with_its_text_its_end_and_its_figures() {
    let fake = Fake::start(vec![vec![head(), raw(TEXT), end()]]).await;
    assert_eq!(tried(&backend_at(url(&fake))).await.unwrap(), said());

    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/messages HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("x-api-key"), Some("sk-ant-secret"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(
        seen.body,
        json!({
            "model": "m", "system": "be brief", "max_tokens": 16, "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        })
    );
}

#[tokio::test]
async fn parallel_tool_calls_arrive_whole_behind_the_thought_that_led_to_them() {
    let usage = Usage {
        input_tokens: 472,
        output_tokens: 89,
        ..Usage::default()
    };
    let thought = Reasoning {
        text: "Paris and Rome.".into(),
        seal: Some(Seal {
            family: "anthropic".into(),
            value: json!({"type": "thinking", "signature": "EqQBCgIYAhIM"}),
        }),
    };
    assert_eq!(
        against(vec![head(), raw(CALLS), end()]).await.unwrap(),
        [
            Ok(ModelEvent::Thinking("Paris and Rome.".into())),
            Ok(ModelEvent::Reasoned(thought)),
            call("toolu_1", "{\"city\": \"Paris\"}"),
            call("toolu_2", "{\"city\": \"Rome\"}"),
            ended(FinishReason::ToolCalls, usage),
        ]
    );
}

#[tokio::test]
async fn a_trickle_of_single_bytes_makes_the_same_answer() {
    let script = vec![head(), Step::Trickle(TEXT.as_bytes().to_vec()), end()];
    assert_eq!(against(script).await.unwrap(), said());
}

#[tokio::test]
async fn a_stream_cut_at_any_byte_before_message_stop_is_a_transient_fault() {
    let whole = TEXT.find("event: message_stop").unwrap();
    let (mut scripts, mut count) = (Vec::new(), 0);
    // The last byte of the two events' text each, and every seventh between.
    for at in (1..whole).step_by(7).chain([whole - 1, whole, whole + 10]) {
        let cut = String::from_utf8_lossy(&TEXT.as_bytes()[..at]).into_owned();
        let close = if at % 2 == 0 { end() } else { Step::Close };
        scripts.push(vec![head(), raw(&cut), close, Step::Close]);
        count += 1;
    }
    let fake = Fake::start(scripts).await;
    let backend = backend_at(url(&fake));
    for number in 0..count {
        let events = tried(&backend).await.unwrap();
        assert_eq!(broken(events), FaultClass::Transient, "cut {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_borders_of_chunks_change_nothing(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let bytes = TEXT.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len())).filter(|at| *at > 0).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.dedup();
        let mut script = vec![head()];
        for border in at.windows(2) {
            let part = &bytes[border[0]..border[1]];
            let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
            chunk.extend_from_slice(part);
            chunk.extend_from_slice(b"\r\n");
            script.push(Step::Send(chunk));
        }
        script.push(end());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(against(script)).unwrap(), said());
    }
}

#[tokio::test]
async fn refusals_are_classified_and_never_show_the_key() {
    let error = |kind: &str, message: &str| {
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#
        )
    };
    for (status, body, class) in [
        (
            400,
            error("invalid_request_error", "bad thing"),
            FaultClass::BadRequest,
        ),
        (
            400,
            error(
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum",
            ),
            FaultClass::ContextLength,
        ),
        (
            401,
            error("authentication_error", "invalid x-api-key sk-ant-secret"),
            FaultClass::HardDown,
        ),
        (403, error("permission_error", "no"), FaultClass::HardDown),
        (404, error("not_found_error", "model: m"), FaultClass::HardDown),
        (413, error("request_too_large", "big"), FaultClass::BadRequest),
        (500, error("api_error", "Internal"), FaultClass::Transient),
        (
            529,
            error("overloaded_error", "Overloaded"),
            FaultClass::Overloaded,
        ),
        (502, "<html>".to_owned(), FaultClass::Transient),
    ] {
        let fault = against(answer(status, "", &body)).await.unwrap_err();
        assert_eq!(fault.class, class, "{status} {body}");
        assert_eq!(fault.provider, "acme");
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_429_carries_its_retry_after() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let fault = against(answer(429, "retry-after: 7\r\n", body))
        .await
        .unwrap_err();
    assert_eq!(fault.class, FaultClass::Throttled);
    assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
    assert!(fault.message.contains("slow down"), "{fault}");
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_a_fault() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let stream = TEXT.split_once("event: content_block_stop").unwrap().0;
    let events = against(vec![
        head(),
        raw(&format!("{stream}event: error\ndata: {error}\n\n")),
        end(),
    ])
    .await
    .unwrap();
    assert_eq!(events[..2], [text("Hi"), text(" théré")]);
    assert_eq!(broken(events), FaultClass::Overloaded);
    let whole = against(answer(200, "content-type: application/json\r\n", error)).await;
    assert_eq!(whole.unwrap_err().class, FaultClass::Overloaded);
    let page = against(answer(200, "content-type: text/html\r\n", "<html>")).await;
    let page = page.unwrap_err();
    assert_eq!(page.class, FaultClass::HardDown);
    assert!(page.message.contains("Anthropic"), "{page}");
}

#[tokio::test]
async fn malformed_and_endless_events_are_transient_faults() {
    let long = "x".repeat(1 << 20);
    for event in ["{\"type\":\"content_block_delta\"", "hello", &long] {
        let script = vec![
            head(),
            raw(&format!("data: {event}\n\n")),
            raw(TEXT),
            Step::AwaitClose,
        ];
        let events = against(script).await.unwrap();
        assert_eq!(broken(events), FaultClass::Transient);
    }
}

#[tokio::test]
async fn what_the_wire_has_no_words_for_is_refused_before_anything_is_sent() {
    let fake = Fake::start(vec![]).await;
    let backend = backend_at(url(&fake));
    let hot = ModelRequest {
        temperature: Some(1.5),
        ..request()
    };
    let regex = ModelRequest {
        output: OutputFormat::Regex { pattern: "a".into() },
        ..request()
    };
    for (request, remedy) in [(hot, "from 0 to 1"), (regex, "JSON schema")] {
        let Err(fault) = backend.call("m", &request, &context()).await else {
            panic!("it was sent");
        };
        assert_eq!(fault.class, FaultClass::BadRequest);
        assert!(fault.message.contains(remedy), "{fault}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_dropped_or_cancelled_call_closes_the_upstream_call() {
    let begun = TEXT.split_once("event: content_block_stop").unwrap().0;
    let script = vec![head(), raw(begun), Step::AwaitClose];
    let mut fake = Fake::start(vec![script.clone(), script]).await;
    let backend = backend_at(url(&fake));
    let stream = backend.call("m", &request(), &context()).await.unwrap();
    drop(stream);
    fake.closed_within_a_second().await;

    let context = context();
    let mut stream = backend.call("m", &request(), &context).await.unwrap();
    while stream.next().await.unwrap().unwrap() == ModelEvent::Progress {}
    context.cancel.cancel();
    let rest: Vec<Told> = stream.collect().await;
    assert_eq!(broken(rest), FaultClass::Cancelled);
    fake.closed_within_a_second().await;
}

#[tokio::test]
async fn a_probe_learns_what_is_served() {
    let list = r#"{"data":[{"type":"model","id":"b","display_name":"B","max_input_tokens":200000,"max_tokens":64000},
        {"type":"model","id":"a","max_input_tokens":null}],"has_more":false,"first_id":"b","last_id":"a"}"#;
    let fake = Fake::start(vec![
        answer(200, "", list),
        answer(200, "", list),
        answer(404, "", ""),
        answer(401, "", "{}"),
    ])
    .await;
    let backend = backend_at(url(&fake));
    assert!(backend.models().is_empty());
    backend.probe().await.unwrap();
    let info = |name: &str, context_window| ModelInfo::named(name).with_window(context_window);
    let known = |context_window| {
        let mut known = info("b", context_window);
        known.can.max_output = Some(64_000);
        known
    };
    assert_eq!(backend.models(), [known(Some(200_000)), info("a", None)]);
    let asked = &fake.seen()[0];
    assert!(asked.head.starts_with("GET /v1/models?limit=1000 HTTP/1.1\r\n"));
    assert_eq!(asked.header("anthropic-version"), Some("2023-06-01"));

    let configured = AnthropicConfig {
        models: vec![info("mine", Some(7)), info("b", None)],
        ..AnthropicConfig::new("acme", url(&fake))
    };
    let configured = AnthropicBackend::new(configured, Arc::new(FixedClock)).unwrap();
    configured.probe().await.unwrap();
    assert_eq!(configured.models(), [info("mine", Some(7)), known(Some(200_000))]);
    assert_eq!(fake.seen()[1].header("x-api-key"), None);
    assert_eq!(configured.probe().await, Ok(()));
    assert_eq!(configured.probe().await.unwrap_err().class, FaultClass::HardDown);
}
