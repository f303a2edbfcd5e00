//! The Responses wire against a scripted server on a real socket: called and relayed.

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
    CallContext, Clock, FaultClass, FinishReason, ModelBackend, ModelEvent, ModelMessage, ModelRequest,
    ModelRole, ProviderFault, RelayFrame, RelaySign, Timestamp, Usage, WireFamily,
};
use greenroom_provider_http::testkit::{Fake, Step, answer, end, head, raw};
use greenroom_provider_http::{HeaderMap, peek};
use greenroom_provider_openai::{ApiKey, OpenAiApi, OpenAiBackend, OpenAiConfig};

/// As OpenAI streams it, shortened.
const STREAM: &str = concat!(
    "event: response.created\n",
    r#"data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}}"#,
    "\n\nevent: response.output_item.added\n",
    r#"data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}"#,
    "\n\nevent: response.output_text.delta\n",
    r#"data: {"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hi","logprobs":[],"obfuscation":"x"}"#,
    "\n\nevent: response.output_item.done\n",
    r#"data: {"type":"response.output_item.done","sequence_number":3,"output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hi"}],"role":"assistant"}}"#,
    "\n\nevent: response.completed\n",
    r#"data: {"type":"response.completed","sequence_number":4,"response":{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":11}}}"#,
    "\n\n",
);

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(784_111_777_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn backend(base_url: String, api: OpenAiApi) -> OpenAiBackend {
    let config = OpenAiConfig {
        api_key: Some(ApiKey::new("sk-test-secret")),
        api,
        ..OpenAiConfig::new("acme", base_url)
    };
    OpenAiBackend::new(config, Arc::new(FixedClock)).unwrap()
}

fn usage() -> Option<Usage> {
    Some(Usage {
        input_tokens: 5,
        cached_input_tokens: 4,
        output_tokens: 2,
        ..Usage::default()
    })
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, work).await.expect("an end in time")
}

/// What the relay of `body` tells.
async fn relayed(fake: &Fake, body: &str) -> Result<Vec<Result<RelayFrame, ProviderFault>>, ProviderFault> {
    let backend = backend(fake.base_url(), OpenAiApi::Responses);
    let body = Bytes::copy_from_slice(body.as_bytes());
    let seen = peek(WireFamily::OpenAiResponses, &body, HeaderMap::new()).unwrap();
    let context = CallContext::default();
    let answer = in_time(backend.relay("m", &seen.raw, &context)).await?;
    Ok(in_time(answer.frames.collect::<Vec<_>>()).await)
}

#[tokio::test]
async fn a_call_is_made_in_this_wire_where_the_configuration_says_so() {
    let fake = Fake::start(vec![vec![head(), raw(STREAM), end()]]).await;
    let request = ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hello")],
        max_tokens: Some(16),
        ..ModelRequest::default()
    };
    let context = CallContext::default();
    let backend = backend(fake.base_url(), OpenAiApi::Responses);
    let stream = in_time(backend.call("m", &request, &context)).await.unwrap();
    let told: Vec<_> = in_time(stream.map(Result::unwrap).collect()).await;
    let told: Vec<_> = told
        .into_iter()
        .filter(|event| !matches!(event, ModelEvent::Quota(_) | ModelEvent::Used(_)))
        .collect();
    let finish = FinishReason::Stop;
    assert_eq!(
        told,
        [
            ModelEvent::Content("Hi".to_owned()),
            ModelEvent::End {
                finish,
                usage: usage()
            }
        ]
    );
    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/responses HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(
        seen.body,
        serde_json::json!({
            "model": "m", "input": [{"role": "user", "content": "hello"}], "stream": true, "store": false,
            "include": ["reasoning.encrypted_content"], "max_output_tokens": 16,
        })
    );
}

#[tokio::test]
async fn a_stream_is_passed_on_byte_for_byte_and_understood() {
    let fake = Fake::start(vec![vec![
        head(),
        Step::Trickle(STREAM.as_bytes().to_vec()),
        end(),
    ]])
    .await;
    let body = r#"{"stream": true, "model": "my-route", "input": "hello", "future": [1e400]}"#;
    let frames = relayed(&fake, body).await.unwrap();
    let frames: Vec<_> = frames.into_iter().map(Result::unwrap).collect();
    let passed: Vec<_> = frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
    assert_eq!(String::from_utf8(passed).unwrap(), STREAM);
    let signs: Vec<_> = frames
        .iter()
        .map(|frame| frame.sign)
        .filter(|sign| *sign != RelaySign::Lifecycle)
        .collect();
    let finish = FinishReason::Stop;
    assert_eq!(
        signs,
        [
            RelaySign::Content { said: 2 },
            RelaySign::Content { said: 0 },
            RelaySign::End {
                finish,
                usage: usage()
            }
        ]
    );
    assert!(fake.seen()[0].head.starts_with("POST /v1/responses HTTP/1.1\r\n"));
}

#[tokio::test]
async fn thoughts_of_other_wires_that_we_sealed_are_not_relayed() {
    let whole = r#"{"id":"resp_1","status":"completed","output":[]}"#;
    let fake = Fake::start(vec![answer(200, "content-type: application/json\r\n", whole)]).await;
    let body = r#"{"model": "my-route", "input": [{"type": "reasoning", "summary": [], "encrypted_content": "greenroom:1:[]"},
        {"role": "user", "content": "hello"}]}"#;
    relayed(&fake, body).await.unwrap();
    assert_eq!(
        fake.seen()[0].body,
        serde_json::json!({"model": "m", "input": [{"role": "user", "content": "hello"}]})
    );
}

#[tokio::test]
async fn a_whole_response_is_passed_on_and_a_request_without_a_model_is_given_one() {
    let whole = r#"{"id":"resp_1","status":"completed","output":[{"type":"function_call"}],"usage":null}"#;
    let fake = Fake::start(vec![answer(200, "content-type: application/json\r\n", whole)]).await;
    let frames = relayed(&fake, r#"{"input": "hello"}"#).await.unwrap();
    let frame = frames[0].clone().unwrap();
    assert_eq!(frame.bytes, whole);
    let finish = FinishReason::ToolCalls;
    assert_eq!(frame.sign, RelaySign::End { finish, usage: None });
    assert_eq!(
        fake.seen()[0].body,
        serde_json::json!({"model": "m", "input": "hello"})
    );
}

#[tokio::test]
async fn a_relayed_stream_that_fails_or_breaks_off_is_a_fault() {
    let begun = STREAM.split_inclusive("\n\n").take(3).collect::<String>();
    let failed = concat!(
        "event: response.failed\n",
        r#"data: {"type":"response.failed","sequence_number":4,"response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"}}}"#,
        "\n\n",
    );
    let body = r#"{"model": "m", "input": "hello", "stream": true}"#;
    for (rest, class) in [(failed, FaultClass::Throttled), ("", FaultClass::Transient)] {
        let fake = Fake::start(vec![vec![
            head(),
            raw(&begun),
            raw(&format!(": \n\n{rest}")),
            end(),
        ]])
        .await;
        let mut frames = relayed(&fake, body).await.unwrap();
        let fault = frames.pop().unwrap().unwrap_err();
        assert_eq!(fault.class, class, "{rest}");
        assert!(frames.iter().all(Result::is_ok));
    }
    let refusal =
        r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    let fake = Fake::start(vec![answer(400, "content-type: application/json\r\n", refusal)]).await;
    assert_eq!(
        relayed(&fake, body).await.unwrap_err().class,
        FaultClass::ContextLength
    );
}

#[test]
fn this_wire_is_relayed_to_openai_and_to_whoever_is_said_to_speak_it() {
    let relays = |url: &str, api| backend(url.to_owned(), api).relays(WireFamily::OpenAiResponses);
    assert!(relays("https://api.openai.com/v1", OpenAiApi::Chat));
    assert!(relays("http://127.0.0.1:1/v1", OpenAiApi::Responses));
    assert!(!relays("http://127.0.0.1:1/v1", OpenAiApi::Chat));
}
