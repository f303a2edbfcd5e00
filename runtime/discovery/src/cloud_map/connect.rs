//! The SDK's clients: who calls, where, and how patiently.

use std::time::Duration;

use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::config::Builder;
use aws_sdk_servicediscovery::config::retry::RetryConfig;
use aws_sdk_servicediscovery::config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use greenroom_aws::Caller;

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
    let caller = Caller {
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        credentials: config.credentials.clone(),
    };
    let found = caller.find().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ANSWER_WITHIN)
        .build();
    let service = Builder::from(&found).timeout_config(timeouts);
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
