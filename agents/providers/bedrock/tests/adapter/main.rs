//! The adapter against a scripted server on a real socket, which speaks the service's event stream frame by frame:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

mod embeddings;
mod faults;
mod frames;
mod pieces;
mod reaching;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, ModelBackend, ModelEvent, ModelMessage, ModelRequest, ModelRole, ProviderFault,
    Timestamp,
};
use greenroom_provider_bedrock::{BedrockBackend, BedrockConfig, Credentials, SharedCredentialsProvider};
use greenroom_provider_http::testkit::{Fake, Step};

const MODEL: &str = "eu.anthropic.claude-haiku-4-5-20251001-v1:0";

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Everything that the environment could say is said here.
fn config(url: &str) -> BedrockConfig {
    let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
    BedrockConfig {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.to_owned()),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        ..BedrockConfig::new("bedrock")
    }
}

fn backend(config: BedrockConfig) -> BedrockBackend {
    BedrockBackend::new(config, Arc::new(FixedClock))
}

fn at(fake: &Fake) -> BedrockBackend {
    backend(config(&format!("http://{}", fake.address)))
}

fn hi() -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hi")],
        ..ModelRequest::default()
    }
}

/// The events of one call, progress left out, and how it ended.
async fn told(
    backend: &BedrockBackend,
    model: &str,
    request: &ModelRequest,
) -> (Vec<ModelEvent>, Option<ProviderFault>) {
    let limit = Duration::from_secs(20);
    let telling = async {
        let mut events = Vec::new();
        let mut stream = match backend.call(model, request, &CallContext::default()).await {
            Ok(stream) => stream,
            Err(fault) => return (events, Some(fault)),
        };
        while let Some(event) = stream.next().await {
            match event {
                Ok(ModelEvent::Progress | ModelEvent::Used(_)) => {}
                Ok(event) => events.push(event),
                Err(fault) => return (events, Some(fault)),
            }
        }
        (events, None)
    };
    tokio::time::timeout(limit, telling)
        .await
        .expect("an end in time")
}

/// What one call of one script comes to.
async fn called(script: Vec<Step>) -> (Vec<ModelEvent>, Option<ProviderFault>) {
    let fake = Fake::start(vec![script]).await;
    told(&at(&fake), MODEL, &hi()).await
}
