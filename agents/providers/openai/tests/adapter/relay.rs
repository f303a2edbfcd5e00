//! Requests of the wire's own words: passed on as they are, and their answers too.

use greenroom_kernel::{RawRequest, RelayFrame, RelaySign, WireFamily};
use greenroom_provider_http::{HeaderMap, peek, testkit::raw};

use super::*;

/// As a caller wrote it, with fields that nobody here knows.
const ASKED: &str =
    r#"{"x_new": [1e400], "model" : "ours", "messages":[{"role":"user","content":"hi"}],"stream":true}"#;

fn asked(family: WireFamily, body: &str) -> RawRequest {
    let body = body.to_owned().into_bytes().into();
    peek(family, &body, HeaderMap::new()).unwrap().raw
}

type Frames = Vec<Result<RelayFrame, ProviderFault>>;

async fn relayed(backend: &OpenAiBackend, request: &RawRequest) -> Result<Frames, ProviderFault> {
    let answer = backend.relay("theirs", request, &context()).await?;
    let frames = answer.frames.collect::<Vec<_>>();
    Ok(tokio::time::timeout(Duration::from_secs(20), frames)
        .await
        .expect("an end in time"))
}

/// All bytes that came, and what they meant.
fn came(frames: Frames) -> (Vec<u8>, Vec<RelaySign>) {
    let frames: Vec<_> = frames.into_iter().map(Result::unwrap).collect();
    let bytes = frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
    (bytes, frames.into_iter().map(|frame| frame.sign).collect())
}

fn figures(input: u64, cached: u64, output: u64) -> Option<Usage> {
    Some(Usage {
        input_tokens: input,
        cached_input_tokens: cached,
        output_tokens: output,
        ..Usage::default()
    })
}

#[tokio::test]
async fn a_stream_is_passed_on_byte_for_byte_and_understood() {
    // One event a piece, so that each has its own sign.
    let ping = ": ping\n\n".to_owned();
    let sent: Vec<String> = [HI, THERE, STOP, USAGE, DONE]
        .iter()
        .map(|event| format!("data: {event}\r\n\r\n"))
        .collect();
    let sent: Vec<String> = [vec![ping], sent].concat();
    let mut script = vec![head()];
    script.extend(sent.iter().map(|piece| raw(piece)));
    script.push(end());
    let fake = Fake::start(vec![script]).await;
    let backend = backend_at(fake.base_url());
    let request = asked(WireFamily::OpenAiChat, ASKED);
    let (bytes, signs) = came(relayed(&backend, &request).await.unwrap());
    assert_eq!(String::from_utf8(bytes).unwrap(), sent.concat());
    let said: u32 = signs
        .iter()
        .map(|sign| match sign {
            RelaySign::Content { said } => *said,
            _ => 0,
        })
        .sum();
    assert_eq!(said, 10);
    let finish = FinishReason::Stop;
    let usage = figures(5, 4, 2);
    assert_eq!(signs.last(), Some(&RelaySign::End { finish, usage }));

    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), Some("Bearer sk-test-secret"));
    assert_eq!(
        seen.header("content-length"),
        Some((ASKED.len() + 2).to_string().as_str())
    );
}

#[tokio::test]
async fn a_whole_answer_without_its_last_word_gets_it() {
    for told in [vec![HI, STOP], vec![HI, STOP, USAGE]] {
        for last in [end(), Step::Close] {
            let fake = Fake::start(vec![vec![head(), data(&told), last]]).await;
            let request = asked(WireFamily::OpenAiChat, ASKED);
            let (bytes, signs) = came(relayed(&backend_at(fake.base_url()), &request).await.unwrap());
            let events: String = told.iter().map(|event| format!("data: {event}\n\n")).collect();
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                format!("{events}data: [DONE]\n\n")
            );
            assert!(matches!(signs.last(), Some(RelaySign::End { .. })), "{signs:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_a_fault_after_what_was_passed_on() {
    for broken in [
        vec![head(), data(&[HI]), end()],
        vec![head(), data(&[HI]), Step::Close],
    ] {
        let fake = Fake::start(vec![broken]).await;
        let request = asked(WireFamily::OpenAiChat, ASKED);
        let mut frames = relayed(&backend_at(fake.base_url()), &request).await.unwrap();
        let fault = frames.pop().unwrap().unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient);
        let (bytes, signs) = came(frames);
        assert_eq!(bytes, format!("data: {HI}\n\n").into_bytes());
        assert_eq!(signs, [RelaySign::Content { said: 2 }]);
    }
}

#[tokio::test]
async fn a_whole_answer_is_passed_on_with_its_figures() {
    let body = r#"{"id":"x", "choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"length"}],
        "usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    let fake = Fake::start(vec![answer(
        200,
        "content-type: application/json\r\nopenai-processing-ms: 5\r\n",
        body,
    )])
    .await;
    let request = asked(
        WireFamily::OpenAiChat,
        r#"{"messages":[{"role":"user","content":"hi"}]}"#,
    );
    let backend = backend_at(fake.base_url());
    let answer = backend.relay("theirs", &request, &context()).await.unwrap();
    assert_eq!(answer.headers.get("openai-processing-ms").unwrap(), "5");
    let (bytes, signs) = came(answer.frames.collect().await);
    assert_eq!(bytes, body.as_bytes());
    let finish = FinishReason::Length;
    let usage = figures(9, 0, 2);
    assert_eq!(signs, [RelaySign::End { finish, usage }]);
    assert_eq!(
        fake.seen()[0].body,
        serde_json::json!({"model": "theirs", "messages": [{"role": "user", "content": "hi"}]})
    );
}

#[tokio::test]
async fn embeddings_are_passed_on_with_their_figures() {
    let body = r#"{"object":"list","data":[{"index":0,"embedding":"AACAPw=="}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    let fake = Fake::start(vec![answer(200, "content-type: application/json\r\n", body)]).await;
    let request = asked(
        WireFamily::OpenAiEmbeddings,
        r#"{"input":"a","model":"ours","encoding_format":"base64"}"#,
    );
    let frames = relayed(&backend_at(fake.base_url()), &request).await.unwrap();
    let (bytes, signs) = came(frames);
    assert_eq!(bytes, body.as_bytes());
    let finish = FinishReason::Stop;
    let usage = figures(3, 0, 0);
    assert_eq!(signs, [RelaySign::End { finish, usage }]);
    let seen = &fake.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(
        seen.body,
        serde_json::json!({"input": "a", "model": "theirs", "encoding_format": "base64"})
    );
}

#[tokio::test]
async fn a_refused_request_keeps_the_providers_own_words() {
    let body = r#"{"error":{"message":"no","type":"invalid_request_error","param":"messages","code":"bad"}}"#;
    let fake = Fake::start(vec![answer(400, "", body)]).await;
    let request = asked(WireFamily::OpenAiChat, ASKED);
    let fault = relayed(&backend_at(fake.base_url()), &request).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::BadRequest);
    let answered = fault.answered.unwrap();
    assert_eq!((answered.status, answered.code.as_deref()), (400, Some("bad")));
    assert_eq!(answered.body.as_deref(), Some(body.as_bytes()));
}

#[tokio::test]
async fn other_families_are_not_relayed() {
    let fake = Fake::start(vec![]).await;
    let backend = backend_at(fake.base_url());
    assert!(backend.relays(WireFamily::OpenAiChat) && backend.relays(WireFamily::OpenAiEmbeddings));
    assert!(!backend.relays(WireFamily::AnthropicMessages));
    let request = asked(WireFamily::AnthropicMessages, ASKED);
    let fault = relayed(&backend, &request).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::BadRequest);
    assert!(fake.seen().is_empty());
}
