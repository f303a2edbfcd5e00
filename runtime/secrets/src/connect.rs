//! The SDK's client: who calls, where, and how patiently.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;

use crate::SecretsManagerConfig;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A client, and the region that it asks, if one is known.
#[derive(Debug, Clone)]
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) region: Option<String>,
}

/// Reads the environment and the profile files; connects to nothing, and asks nobody for credentials yet.
pub(crate) async fn connect(config: &SecretsManagerConfig) -> Connected {
    // The machine isn't asked: elsewhere than on EC2 nobody answers, for seconds.
    let named = config.region.clone().or_else(|| region_of(&config.id));
    let region = RegionProviderChain::first_try(named.map(Region::new))
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
    Connected {
        client: Client::from_conf(service.build()),
        region: found.region().map(ToString::to_string),
    }
}

/// The region that an ARN names: `arn:aws:secretsmanager:eu-west-1:…`.
fn region_of(id: &str) -> Option<String> {
    let region = id.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_region() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:greenroom/agent-AbCdEf";
        assert_eq!(region_of(arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("greenroom/agent"), None);
    }
}
