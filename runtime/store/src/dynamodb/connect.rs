//! The SDK's client: who calls, where, and without what the SDK would decide by itself.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use greenroom_aws::Caller;
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
    let caller = Caller {
        region: options.region.clone(),
        endpoint: options.endpoint.clone(),
        credentials: options.credentials.clone(),
    };
    let found = caller.find().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.try_timeout)
        .operation_attempt_timeout(options.try_timeout)
        .build();
    // What is sent again, when and how often, is decided by the store.
    let service = Builder::from(&found)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
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
