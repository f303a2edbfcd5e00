//! The SDK's client: who calls, where, and without what the SDK would decide by itself.

use std::collections::HashMap;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{Builder, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use greenroom_aws::{Caller, SharedCredentialsProvider};
use opentelemetry::propagation::Injector;

use crate::config::BedrockConfig;

/// Holds an API key of Bedrock's, which stands in for credentials.
const BEARER: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// A client, and what it stands on.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) client: Client,
    /// Nothing says where the service is.
    pub(crate) nowhere: bool,
    /// Who calls; none when a key of the service's own says so.
    pub(crate) credentials: Option<SharedCredentialsProvider>,
}

/// Reads the environment and the profile files; connects to nothing, and asks nobody for credentials yet.
pub(crate) async fn connect(config: &BedrockConfig) -> Connected {
    let caller = Caller {
        region: config.region.clone(),
        endpoint: config.endpoint_url.clone(),
        credentials: config.credentials.clone(),
    };
    let found = caller.find().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout)
        .build();
    // Retries, deadlines and stalls are decided above, and counted there.
    let service = Builder::from(&found)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let bearer = config.credentials.is_none() && std::env::var_os(BEARER).is_some_and(|key| !key.is_empty());
    Connected {
        client: Client::from_conf(service.build()),
        nowhere: found.region().is_none(),
        credentials: found.credentials_provider().filter(|_| !bearer),
    }
}

/// The caller's trace context, as headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(HashMap<String, String>);

impl Injector for Trace {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

impl Trace {
    /// That of the current span, where telemetry has a propagator installed.
    pub(crate) fn current() -> Self {
        let mut trace = Self::default();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&opentelemetry::Context::current(), &mut trace);
        });
        trace
    }
}

/// Gives a request its body and its trace, before it is signed.
pub(crate) fn dressed(body: Bytes, trace: Trace) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        let length = body.len().to_string();
        *request.body_mut() = SdkBody::from(body.clone());
        let headers = request.headers_mut();
        headers.insert("content-length", length);
        headers.insert("content-type", "application/json");
        for (name, value) in &trace.0 {
            let _ = headers.try_insert(name.clone(), value.clone());
        }
    }
}
