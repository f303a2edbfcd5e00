//! The store on Amazon DynamoDB, as this binary opens it; without the feature `dynamodb` nobody gets past the
//! configuration.

use std::sync::Arc;

use greenroom_kernel::{Ledger, Store, StoreError};
use greenroom_store::{CommitHook, MigrationReport};

use crate::config::DynamoSettings;

#[cfg(feature = "dynamodb")]
fn options(settings: &DynamoSettings) -> greenroom_store::DynamoOptions {
    greenroom_store::DynamoOptions {
        table_prefix: settings.table_prefix.clone(),
        region: settings.region.clone(),
        endpoint: settings.endpoint.clone(),
        ..greenroom_store::DynamoOptions::default()
    }
}

/// A table by both its ports, and how people call it.
pub(crate) struct Table {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) shown: String,
}

/// Opens it.
///
/// # Errors
/// What is wrong, and what to do about it.
#[cfg(feature = "dynamodb")]
pub(crate) async fn open(
    settings: &DynamoSettings,
    on_commit: Option<CommitHook>,
) -> Result<Table, StoreError> {
    let options = greenroom_store::DynamoOptions {
        on_commit,
        ..options(settings)
    };
    let store = Arc::new(greenroom_store::DynamoStore::open(options).await?);
    Ok(Table {
        ledger: Arc::clone(&store) as Arc<dyn Ledger>,
        shown: store.place(),
        store,
    })
}

/// Creates the table where absent. Tells how people call it, too.
///
/// # Errors
/// What is wrong, and what to do about it.
#[cfg(feature = "dynamodb")]
pub(crate) async fn migrate(settings: &DynamoSettings) -> Result<(MigrationReport, String), StoreError> {
    let options = options(settings);
    let report = greenroom_store::DynamoStore::migrate(&options).await?;
    let shown = greenroom_store::DynamoStore::open(options).await?.place();
    Ok((report, shown))
}

#[cfg(not(feature = "dynamodb"))]
fn left_out(settings: &DynamoSettings) -> StoreError {
    StoreError::Refused {
        operation: "open",
        what: format!("{} is a table", settings.table_prefix),
        remedy: "take a greenroom that was built with the feature `dynamodb`".to_owned(),
    }
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn open(settings: &DynamoSettings, _: Option<CommitHook>) -> Result<Table, StoreError> {
    Err(left_out(settings))
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn migrate(settings: &DynamoSettings) -> Result<(MigrationReport, String), StoreError> {
    Err(left_out(settings))
}
