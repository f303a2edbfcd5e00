//! A caller's own requests, relayed: what is sent and what comes back, byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, FaultClass, FinishReason, ModelBackend, ProviderFault, RawRequest, RelayFrame,
    RelaySign, Timestamp, Usage, WireFamily,
};
use greenroom_provider_anthropic::{AnthropicBackend, AnthropicConfig, ApiKey};
use greenroom_provider_http::testkit::{Fake, Seen, Step, answer, end, head, raw};
use greenroom_provider_http::{HeaderMap, HeaderValue, peek};

const STREAM: &str = "event: message_start\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"content\":[],\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\
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
event: content_block_stop\n\
data: {\"type\":\"content_block_stop\",\"index\":0}\n\
\n\
event: message_delta\n\
data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\
\n\
event: message_stop\n\
data: {\"type\":\"message_stop\"}\n\
\n";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn request(body: &str, headers: HeaderMap) -> RawRequest {
    let body = Bytes::copy_from_slice(body.as_bytes());
    peek(WireFamily::AnthropicMessages, &body, headers).unwrap().raw
}

async fn relayed(
    script: Vec<Step>,
    request: RawRequest,
) -> (
    Result<Vec<Result<RelayFrame, ProviderFault>>, ProviderFault>,
    Seen,
) {
    let fake = Fake::start(vec![script]).await;
    let config = AnthropicConfig {
        api_key: Some(ApiKey::new("sk-ant-secret")),
        ..AnthropicConfig::new("acme", format!("http://{}", fake.address))
    };
    let backend = AnthropicBackend::new(config, Arc::new(FixedClock)).unwrap();
    assert!(backend.relays(WireFamily::AnthropicMessages));
    assert!(!backend.relays(WireFamily::OpenAiChat));
    let work = async {
        let answer = backend
            .relay("claude-x", &request, &CallContext::default())
            .await?;
        Ok(answer.frames.collect::<Vec<_>>().await)
    };
    let frames = tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("an end in time");
    (frames, fake.seen().remove(0))
}

fn bytes(frames: &[Result<RelayFrame, ProviderFault>]) -> String {
    let bytes: Vec<&[u8]> = frames.iter().flatten().map(|frame| &frame.bytes[..]).collect();
    String::from_utf8(bytes.concat()).unwrap()
}

fn usage(output_tokens: u64) -> Option<Usage> {
    Some(Usage {
        input_tokens: 25,
        output_tokens,
        ..Usage::default()
    })
}

#[tokio::test]
async fn a_stream_passes_untouched_and_its_meaning_is_known() {
    let body = r#"{"model": "route", "max_tokens": 9, "stream": true, "later": {"x": 1}, "messages": []}"#;
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-beta", HeaderValue::from_static("a-2026,b-2026"));
    headers.insert("anthropic-version", HeaderValue::from_static("2026-10-21"));
    for script in [
        vec![head(), raw(STREAM), end()],
        vec![head(), Step::Trickle(STREAM.as_bytes().to_vec()), end()],
    ] {
        let (frames, seen) = relayed(script, request(body, headers.clone())).await;
        let frames = frames.unwrap();
        assert_eq!(bytes(&frames), STREAM);
        let signs: Vec<_> = frames.into_iter().map(|frame| frame.unwrap().sign).collect();
        let said: u32 = signs
            .iter()
            .filter_map(|sign| match sign {
                RelaySign::Content { said } => Some(*said),
                _ => None,
            })
            .sum();
        assert_eq!(said, 2);
        let finish = FinishReason::Stop;
        let usage = usage(15);
        assert_eq!(signs.last(), Some(&RelaySign::End { finish, usage }));

        assert_eq!(seen.header("x-api-key"), Some("sk-ant-secret"));
        assert_eq!(seen.header("anthropic-beta"), Some("a-2026,b-2026"));
        assert_eq!(seen.header("anthropic-version"), Some("2026-10-21"));
        assert_eq!(
            seen.body.to_string(),
            body.replace("route", "claude-x")
                .replace(": ", ":")
                .replace(", ", ",")
        );
    }
}

#[tokio::test]
async fn a_whole_answer_passes_untouched_under_our_version_where_the_caller_has_none() {
    let message = r#"{"id": "msg_1", "type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"max_tokens","usage":{"input_tokens":25,"output_tokens":2},"new": null}"#;
    let body = r#"{"model":"route","max_tokens":2,"messages":[]}"#;
    let script = answer(200, "content-type: application/json\r\n", message);
    let (frames, seen) = relayed(script, request(body, HeaderMap::new())).await;
    let frames = frames.unwrap();
    assert_eq!(bytes(&frames), message);
    let finish = FinishReason::Length;
    let usage = usage(2);
    assert_eq!(
        frames.last().unwrap().as_ref().unwrap().sign,
        RelaySign::End { finish, usage }
    );
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_tells_an_error_ends_as_a_fault() {
    let body = r#"{"model":"route","stream":true,"messages":[]}"#;
    let cut = STREAM.split_once("event: message_stop").unwrap().0;
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for (stream, class) in [
        (cut.to_owned(), FaultClass::Transient),
        (format!("{cut}{error}"), FaultClass::Overloaded),
    ] {
        let (frames, _) = relayed(vec![head(), raw(&stream), end()], request(body, HeaderMap::new())).await;
        let mut frames = frames.unwrap();
        let last = frames.pop().unwrap();
        assert_eq!(last.unwrap_err().class, class);
        assert!(frames.iter().all(Result::is_ok));
    }
    let refused = r#"{"type":"error","error":{"type":"not_found_error","message":"model: m"}}"#;
    let (fault, _) = relayed(answer(404, "", refused), request(body, HeaderMap::new())).await;
    assert_eq!(fault.unwrap_err().class, FaultClass::HardDown);
}

#[tokio::test]
async fn a_count_is_asked_for_in_the_callers_words_and_told_in_the_providers() {
    let body = r#"{"model": "route", "later": {"x": 1}, "messages": []}"#;
    let told = r#"{"input_tokens": 2095, "context_management": {"original_input_tokens": 3000}}"#;
    let fake = Fake::start(vec![
        answer(200, "content-type: application/json\r\n", told),
        answer(400, "", "{}"),
    ])
    .await;
    let config = AnthropicConfig::new("acme", format!("http://{}", fake.address));
    let backend = AnthropicBackend::new(config, Arc::new(FixedClock)).unwrap();
    assert!(backend.counts(WireFamily::AnthropicMessages) && !backend.counts(WireFamily::OpenAiChat));
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-beta", HeaderValue::from_static("a-2026"));
    let count = || {
        let (request, context) = (request(body, headers.clone()), CallContext::default());
        let backend = &backend;
        async move { backend.count_tokens("claude-x", &request, &context).await }
    };
    assert_eq!(count().await.unwrap(), told);
    assert_eq!(count().await.unwrap_err().class, FaultClass::BadRequest);
    let seen = fake.seen().remove(0);
    assert!(
        seen.head.starts_with("POST /v1/messages/count_tokens "),
        "{}",
        seen.head
    );
    assert_eq!(seen.body["model"], "claude-x");
    assert_eq!(seen.body["later"]["x"], 1);
    assert_eq!(seen.header("anthropic-beta"), Some("a-2026"));
}
