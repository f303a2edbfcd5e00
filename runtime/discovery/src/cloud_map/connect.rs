//! The SDK's clients: who calls, where, and how patiently.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::config::Builder;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::CloudMapConfig;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What calls go through.
#[derive(Debug)]
pub(super) struct Clients {
    /// Tries once: who watches looks again anyhow.
    pub(super) reading: Client,
    /// Tries again by itself.
    pub(super) writing: Client,
    pub(super) region: Option<String>,
}

/// Reads the environment and the profile files; connects to nothing, and asks nobody for credentials yet.
pub(super) async fn connect(config: &CloudMapConfig) -> Clients {
    // The machine isn't asked: elsewhere than on EC2 nobody answers, for seconds.
    let region = RegionProviderChain::first_try(config.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    if let Some(credentials) = &config.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    let found = loader.load().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ANSWER_WITHIN)
        .build();
    let mut service = Builder::from(&found).timeout_config(timeouts);
    if let Some(url) = &config.endpoint {
        service = service.endpoint_url(url);
    }
    let (reading, writing) = (RetryConfig::disabled(), RetryConfig::standard());
    Clients {
        reading: Client::from_conf(service.clone().retry_config(reading).build()),
        writing: Client::from_conf(service.retry_config(writing).build()),
        region: found.region().map(ToString::to_string),
    }
}

/// Brings a request to the endpoint as it is configured: the SDK would put `data-` before its host's name, which only
/// AWS's own hosts have.
pub(super) fn at(config: &CloudMapConfig) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let endpoint = config.endpoint.clone();
    move |request| {
        if let Some(url) = &endpoint {
            // One that can't be read has failed before, as the service's endpoint.
            let _ = request.set_uri(url.as_str());
        }
    }
}
