//! The adapter against a service of this interface that somebody else wrote: PyPI's `ministack`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_aws::testkit::Ministack;
use greenroom_kernel::{
    CallContext, Capabilities, Clock, FinishReason, ModelBackend, ModelEvent, ModelInfo, ModelMessage,
    ModelRequest, ModelRole, Timestamp, Usage,
};
use greenroom_provider_bedrock::{BedrockBackend, BedrockConfig};

const STREAMED: &str = "amazon.nova-lite-v1:0";
const WHOLE: &str = "amazon.nova-micro-v1:0";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn backend(ministack: &Ministack) -> BedrockBackend {
    let can = Capabilities {
        streaming: Some(false),
        ..Capabilities::default()
    };
    let name = WHOLE.to_owned();
    let config = BedrockConfig {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(ministack.url()),
        credentials: Some(Ministack::credentials()),
        models: vec![ModelInfo::named(STREAMED), ModelInfo { name, can }],
        ..BedrockConfig::new("bedrock")
    };
    BedrockBackend::new(config, Arc::new(FixedClock))
}

/// The text of an answer, in how many pieces it came, and its figures.
async fn said(backend: &BedrockBackend, model: &str) -> (String, usize, Usage) {
    let request = ModelRequest {
        messages: vec![
            ModelMessage::text(ModelRole::System, "be brief"),
            ModelMessage::text(ModelRole::User, "hi"),
        ],
        ..ModelRequest::default()
    };
    let mut stream = backend
        .call(model, &request, &CallContext::default())
        .await
        .unwrap();
    let (mut text, mut pieces) = (String::new(), 0);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ModelEvent::Content(more) => {
                text.push_str(&more);
                pieces += 1;
            }
            ModelEvent::End { finish, usage } => {
                assert_eq!(finish, FinishReason::Stop);
                return (text, pieces, usage.expect("it counts"));
            }
            _ => {}
        }
    }
    panic!("no end behind {text}");
}

#[tokio::test]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn another_s_service_answers_in_a_stream_and_in_a_piece() {
    let ministack = Ministack::start();
    let backend = backend(&ministack);
    backend.probe().await.unwrap();

    let (text, pieces, usage) = said(&backend, STREAMED).await;
    assert!(
        text.contains(STREAMED) && text.ends_with(|c: char| c.is_ascii_hexdigit()),
        "{text}"
    );
    assert!(pieces > 2, "{pieces} pieces");
    assert!(usage.output_tokens > 0, "{usage:?}");

    let (text, pieces, usage) = said(&backend, WHOLE).await;
    assert!(text.contains(WHOLE), "{text}");
    assert_eq!(pieces, 1);
    assert!(usage.output_tokens > 0, "{usage:?}");
}
