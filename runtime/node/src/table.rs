//! The store on Amazon DynamoDB, as this binary opens it; without the feature `dynamodb` nobody gets past the
//! configuration.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{AgentHistory, Ledger, Nodes, Store, StoreError};
use greenroom_store::{CommitHook, MigrationReport};

use crate::config::DynamoSettings;

#[cfg(feature = "dynamodb")]
fn options(settings: &DynamoSettings) -> greenroom_store::DynamoOptions {
    greenroom_store::DynamoOptions {
        table_prefix: settings.table_prefix.clone(),
        region: settings.region.clone(),
        endpoint: settings.endpoint.clone(),
        payload_bucket: settings.payload_bucket.clone(),
        payload_prefix: settings.payload_prefix.clone(),
        payload_endpoint: settings.payload_endpoint.clone(),
        ..greenroom_store::DynamoOptions::default()
    }
}

/// A table by all its ports, and how people call it.
pub(crate) struct Table {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) nodes: Arc<dyn Nodes>,
    pub(crate) history: Arc<dyn AgentHistory>,
    pub(crate) shown: String,
}

/// What is known of a process that writes there.
pub(crate) struct Writes {
    pub(crate) on_commit: CommitHook,
    /// How long the ledger's requests are kept.
    pub(crate) keep_requests: Duration,
    /// How long the history of agents is kept; none where it isn't.
    pub(crate) keep_history: Option<Duration>,
}

/// Opens it: to look, or to write too.
///
/// # Errors
/// What is wrong, and what to do about it.
#[cfg(feature = "dynamodb")]
pub(crate) async fn open(settings: &DynamoSettings, writes: Option<Writes>) -> Result<Table, StoreError> {
    let mut options = options(settings);
    if let Some(writes) = writes {
        options.on_commit = Some(writes.on_commit);
        options.keep_requests = writes.keep_requests;
        options.keep_history = writes.keep_history.unwrap_or(options.keep_history);
    }
    let store = Arc::new(greenroom_store::DynamoStore::open(options).await?);
    Ok(Table {
        ledger: Arc::clone(&store) as Arc<dyn Ledger>,
        nodes: Arc::clone(&store) as Arc<dyn Nodes>,
        history: Arc::clone(&store) as Arc<dyn AgentHistory>,
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
    let store = greenroom_store::DynamoStore::open(options).await?;
    store.check_bucket().await?;
    Ok((report, store.place()))
}

/// Opens it, and sees that its bucket can be written, if it has one. Tells how people call it.
///
/// # Errors
/// What is wrong, and what to do about it.
#[cfg(feature = "dynamodb")]
pub(crate) async fn examine(settings: &DynamoSettings) -> Result<String, StoreError> {
    let store = greenroom_store::DynamoStore::open(options(settings)).await?;
    store.check_bucket().await?;
    Ok(store.place())
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
pub(crate) async fn open(settings: &DynamoSettings, writes: Option<Writes>) -> Result<Table, StoreError> {
    drop(writes.map(|writes| (writes.on_commit, writes.keep_requests, writes.keep_history)));
    Err(left_out(settings))
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn migrate(settings: &DynamoSettings) -> Result<(MigrationReport, String), StoreError> {
    Err(left_out(settings))
}

#[cfg(not(feature = "dynamodb"))]
pub(crate) async fn examine(settings: &DynamoSettings) -> Result<String, StoreError> {
    Err(left_out(settings))
}
