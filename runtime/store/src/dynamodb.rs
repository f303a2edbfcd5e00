//! The journal and its rows in a table of Amazon DynamoDB.
//!
//! A journal is a partition. A slot is one item, put only where absent; the rows that change with it are written in the
//! same request. What the log means is decided by that condition alone: see `append.rs`. Which requests an operation
//! makes, what they cost and why, is in decision 0026.

mod append;
mod batches;
mod call;
mod connect;
mod content;
mod ends;
mod error;
mod expiry;
mod history;
mod hollow;
mod item;
mod keys;
mod large;
mod ledger;
mod lists;
mod log;
mod merge;
mod nodes;
mod options;
mod parts;
mod retire;
mod rows;
mod schema;
mod slots;
mod sweep;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use greenroom_kernel::{
    Append, Appended, BlobId, JournalKey, MessageRange, MessageRow, Page, PageRequest, PayloadLimit,
    SessionId, SessionQuery, SessionRow, Slot, Snapshot, Store, StoreError, StoreStats, TaskId, TaskQuery,
    TaskRow, TenantId, Timestamp,
};

use call::{Call, Counters};
use ends::Ends;
use error::Place;
use large::Large;
use table::Table;

pub use call::DynamoUsage;
pub use options::DynamoOptions;
pub use schema::DYNAMODB_TABLES;

use crate::page::{after_session, after_task, cut};
use crate::{CommitHook, MigrationReport};

/// The store that many processes share: a table of Amazon DynamoDB.
///
/// Lists are hints, as DynamoDB's indexes are: a moment old at most times. Logs, payloads, snapshots and single rows are
/// read as they are.
pub struct DynamoStore {
    table: Table,
    place: Place,
    patience: Duration,
    keep_requests: Duration,
    keep_history: Duration,
    on_commit: Option<CommitHook>,
    large: Large,
    ends: Ends,
    counters: Counters,
    appends: AtomicU64,
    commits: AtomicU64,
}

impl DynamoStore {
    /// Opens the store. Its table must be there, and its bucket, if one is set.
    ///
    /// # Errors
    /// `Refused` without region, credentials, access or table, and `Newer` when a newer binary made the table: each
    /// says what to do. `Unanswered` when nobody is where the service should be.
    pub async fn open(options: DynamoOptions) -> Result<Self, StoreError> {
        let connected = connect::connect("open", &options).await?;
        let store = Self {
            table: Table {
                client: connected.client,
                name: connected.place.table.clone(),
            },
            place: connected.place,
            patience: options.patience,
            large: Large::new(&options),
            keep_requests: options.keep_requests,
            keep_history: options.keep_history,
            on_commit: options.on_commit,
            ends: Ends::default(),
            counters: Counters::default(),
            appends: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        };
        let (pk, sk) = schema::SCHEMA_KEY;
        let found = store.table.get(&store.call("open"), pk, sk).await?;
        schema::check(&store.place, found.as_ref())?;
        match store.look_at_bucket(&store.call("open")).await {
            // A bucket that is away for now keeps nobody from what isn't in it.
            Err(error @ (StoreError::Busy { .. } | StoreError::Unanswered { .. })) => {
                tracing::warn!(%error, "the bucket of large payloads doesn't answer");
            }
            looked => looked?,
        }
        Ok(store)
    }

    /// Creates the table where absent, and waits until it can be used: minutes, at worst. Again is no harm.
    ///
    /// # Errors
    /// As [`DynamoStore::open`], and `Refused` when a table of that name is somebody else's.
    pub async fn migrate(options: &DynamoOptions) -> Result<MigrationReport, StoreError> {
        schema::migrate(options).await
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        format!("{}{}", self.place, self.large)
    }

    /// What was asked of the service so far.
    pub fn usage(&self) -> DynamoUsage {
        self.counters.usage()
    }

    fn call(&self, operation: &'static str) -> Call<'_> {
        Call::new(operation, &self.place, &self.counters, self.patience)
    }

    fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let begun = Instant::now();
        let appended = self.append_slot(&self.call("append"), append).await?;
        if appended == Appended::Stored {
            self.appends.fetch_add(1, Ordering::Relaxed);
            self.committed();
            if let Some(tell) = &self.on_commit {
                tell(1, begun.elapsed());
            }
        }
        Ok(appended)
    }

    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError> {
        self.read_slots(&self.call("read"), key, from, limit).await
    }

    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError> {
        self.kept_snapshot(&self.call("snapshot"), key).await
    }

    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError> {
        self.keep_snapshot(&self.call("put_snapshot"), key, snapshot)
            .await?;
        self.committed();
        Ok(())
    }

    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError> {
        self.keep_blob(&self.call("put_blob"), key, id, content).await?;
        self.committed();
        Ok(())
    }

    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError> {
        self.kept_blob(&self.call("blob"), key, id).await
    }

    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError> {
        self.empty(&self.call("hollow"), key).await
    }

    async fn sweep(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.sweep_journals(deleted_before, ended_before, limit).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        let key = JournalKey {
            tenant: tenant.clone(),
            journal: id.clone(),
        };
        self.one(&self.call("session"), &key, keys::SESSION).await
    }

    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError> {
        let after = after_session(page)?;
        let call = self.call("sessions");
        Ok(cut(
            self.list_sessions(&call, tenant, query, after, page).await?,
            page,
        ))
    }

    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.read_messages(&self.call("messages"), key, range, limit)
            .await
    }

    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        let key = JournalKey {
            tenant: tenant.clone(),
            journal: id.journal.clone(),
        };
        self.one(&self.call("task"), &key, &keys::task(id.ordinal)).await
    }

    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError> {
        let after = after_task(page)?;
        let call = self.call("tasks");
        Ok(cut(
            self.list_tasks(&call, tenant, query, after, page).await?,
            page,
        ))
    }

    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        self.list_open(&self.call("open_journals"), now, after, limit)
            .await
    }

    fn payload_limit(&self) -> PayloadLimit {
        self.large.limit()
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            appends: self.appends.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

impl DynamoStore {
    async fn one<T: serde::de::DeserializeOwned>(
        &self,
        call: &Call<'_>,
        key: &JournalKey,
        sk: &str,
    ) -> Result<Option<T>, StoreError> {
        match self.table.get(call, &keys::partition(key), sk).await? {
            Some(item) => self.table.row(call, &item).await.map(Some),
            None => Ok(None),
        }
    }
}
