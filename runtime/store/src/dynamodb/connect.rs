//! The SDK's client: who calls, where, and without what the SDK would decide by itself.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use greenroom_kernel::StoreError;

use super::error::Place;
use super::options::DynamoOptions;

/// A client, and where it reaches.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) place: Place,
}

/// Reads the environment and the profile files; connects to nothing, and asks nobody for credentials yet.
///
/// # Errors
/// `Refused` when nothing says which region is meant.
pub(super) async fn connect(
    operation: &'static str,
    options: &DynamoOptions,
) -> Result<Connected, StoreError> {
    // The machine isn't asked: elsewhere than on EC2 nobody answers, for seconds.
    let region = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    let found = loader.load().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.try_timeout)
        .operation_attempt_timeout(options.try_timeout)
        .build();
    // What is sent again, when and how often, is decided by the store.
    let mut service = Builder::from(&found)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(url) = &options.endpoint {
        service = service.endpoint_url(url);
    }
    let region = found.region().ok_or_else(|| StoreError::Refused {
        operation,
        what: "no AWS region is set".to_owned(),
        remedy: "set store.region, or AWS_REGION".to_owned(),
    })?;
    Ok(Connected {
        place: Place {
            table: format!("{}-journal", options.table_prefix),
            region: region.to_string(),
            endpoint: options.endpoint.clone(),
        },
        client: Client::from_conf(service.build()),
    })
}
