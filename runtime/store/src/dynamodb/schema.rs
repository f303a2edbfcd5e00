//! The table: created where absent, as it is described, and looked at when a store is opened.

mod description;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    BillingMode, IndexStatus, PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use greenroom_kernel::StoreError;
use tokio::time::Instant;

use super::error::{NotReady, Place, fault};
use super::item::{Item, key, number, set};
use super::options::DynamoOptions;
use crate::MigrationReport;
pub use description::DYNAMODB_TABLES;
use description::{Description, key_schema};

/// The schema that this binary writes.
pub(super) const SCHEMA: u32 = 1;
/// Where the table says which schema it has.
pub(super) const SCHEMA_KEY: (&str, &str) = ("#schema", "#");

const OPERATION: &str = "migrate";
/// How long a new table may take.
const READY_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a failed request means, where nothing is conditional.
fn refused<E>(
    place: &Place,
    error: SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> StoreError
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<E>,
{
    fault(place, error).into_error(OPERATION)
}

/// Creates the table where absent, waits until it can be used, and switches on what belongs to it. Again is no harm.
pub(super) async fn migrate(options: &DynamoOptions) -> Result<MigrationReport, StoreError> {
    let connected = super::connect::connect(OPERATION, options).await?;
    let (client, place) = (&connected.client, &connected.place);
    let wanted = Description::read()?;
    if look(client, place).await?.is_none() {
        create(client, place, &wanted).await?;
    }
    let table = ready(client, place).await?;
    if let Some(lack) = wanted.missing_in(&table) {
        return Err(StoreError::Refused {
            operation: OPERATION,
            what: format!("{place} is not Greenroom's: {lack}"),
            remedy: "choose another store.table_prefix".to_owned(),
        });
    }
    recover_to_any_point(client, place, &wanted).await?;
    expire(client, place, &wanted).await?;
    let from = schema_of(client, place).await?.unwrap_or(0);
    if from > SCHEMA {
        return Err(newer(place, from));
    }
    if from < SCHEMA {
        let mut item = key(SCHEMA_KEY.0, SCHEMA_KEY.1);
        set(&mut item, "version", number(SCHEMA));
        let put = client.put_item().table_name(&place.table).set_item(Some(item));
        put.send().await.map_err(|error| refused(place, error))?;
    }
    Ok(MigrationReport { from, to: SCHEMA })
}

/// What the service says of the table; none when it isn't there.
async fn look(client: &Client, place: &Place) -> Result<Option<TableDescription>, StoreError> {
    match client.describe_table().table_name(&place.table).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_resource_not_found_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(refused(place, error)),
    }
}

async fn create(client: &Client, place: &Place, wanted: &Description) -> Result<(), StoreError> {
    let request = client
        .create_table()
        .table_name(&place.table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(wanted.attributes()?))
        .set_key_schema(Some(key_schema(&wanted.key_schema)?))
        .set_global_secondary_indexes(Some(wanted.indexes()?));
    match request.send().await {
        Ok(_) => Ok(()),
        // Another is creating it.
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_resource_in_use_exception()) =>
        {
            Ok(())
        }
        Err(error) => Err(refused(place, error)),
    }
}

async fn ready(client: &Client, place: &Place) -> Result<TableDescription, StoreError> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        if let Some(table) = look(client, place).await? {
            let active =
                |status: Option<&IndexStatus>| status.is_none_or(|status| *status == IndexStatus::Active);
            let indexes = table
                .global_secondary_indexes()
                .iter()
                .all(|index| active(index.index_status()));
            if table.table_status() == Some(&TableStatus::Active) && indexes {
                return Ok(table);
            }
        }
        if Instant::now() >= until {
            return Err(StoreError::Unanswered {
                operation: OPERATION,
                source: Some(Box::new(NotReady {
                    place: place.to_string(),
                    waited: READY_WITHIN,
                })),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn recover_to_any_point(
    client: &Client,
    place: &Place,
    wanted: &Description,
) -> Result<(), StoreError> {
    let found = client
        .describe_continuous_backups()
        .table_name(&place.table)
        .send()
        .await;
    let found = match found {
        Ok(found) => found,
        // Stand-ins of the service have no backups.
        Err(error) if error.code() == Some("UnknownOperationException") => {
            tracing::warn!(%place, "point-in-time recovery is not to be had there");
            return Ok(());
        }
        Err(error) => return Err(refused(place, error)),
    };
    let on = found
        .continuous_backups_description()
        .and_then(|backups| backups.point_in_time_recovery_description())
        .and_then(|recovery| recovery.point_in_time_recovery_status())
        .is_some_and(|status| *status == PointInTimeRecoveryStatus::Enabled);
    let enabled = wanted
        .point_in_time_recovery_specification
        .point_in_time_recovery_enabled;
    if on || !enabled {
        return Ok(());
    }
    let specification = PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(true)
        .build()
        .map_err(description::corrupt)?;
    let request = client
        .update_continuous_backups()
        .table_name(&place.table)
        .point_in_time_recovery_specification(specification);
    request
        .send()
        .await
        .map(drop)
        .map_err(|error| refused(place, error))
}

async fn expire(client: &Client, place: &Place, wanted: &Description) -> Result<(), StoreError> {
    let found = client
        .describe_time_to_live()
        .table_name(&place.table)
        .send()
        .await;
    let found = found.map_err(|error| refused(place, error))?;
    let on = found
        .time_to_live_description()
        .and_then(|described| described.time_to_live_status())
        .is_some_and(|status| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    let wanted = &wanted.time_to_live_specification;
    if on || !wanted.enabled {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(&wanted.attribute_name)
        .build()
        .map_err(description::corrupt)?;
    let request = client
        .update_time_to_live()
        .table_name(&place.table)
        .time_to_live_specification(specification);
    request
        .send()
        .await
        .map(drop)
        .map_err(|error| refused(place, error))
}

/// Which schema the table says it has; none when it says nothing.
async fn schema_of(client: &Client, place: &Place) -> Result<Option<u32>, StoreError> {
    let request = client
        .get_item()
        .table_name(&place.table)
        .set_key(Some(key(SCHEMA_KEY.0, SCHEMA_KEY.1)))
        .consistent_read(true);
    let answer = request.send().await.map_err(|error| refused(place, error))?;
    Ok(answer.item.as_ref().and_then(version))
}

fn version(item: &Item) -> Option<u32> {
    let digits = item.get("version")?.as_n().ok()?;
    digits.parse().ok()
}

/// Refuses a table that this binary can't use. `item` is what the table holds at [`SCHEMA_KEY`].
pub(super) fn check(place: &Place, item: Option<&Item>) -> Result<(), StoreError> {
    match item.and_then(version) {
        Some(found) if found > SCHEMA => Err(newer(place, found)),
        Some(_) => Ok(()),
        None => Err(StoreError::Refused {
            operation: "open",
            what: format!("{place} is not made ready"),
            remedy: "run `greenroom migrate`".to_owned(),
        }),
    }
}

fn newer(place: &Place, found: u32) -> StoreError {
    StoreError::Newer {
        path: place.to_string(),
        found,
        known: SCHEMA,
    }
}
