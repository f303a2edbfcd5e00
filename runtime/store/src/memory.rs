//! The store without a disk, for tests and benchmarks: the same answers, gone with the process.

mod history;
mod ledger;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use greenroom_kernel::{
    Append, Appended, Beat, BlobId, JournalKey, MessageRange, MessageRow, NodeId, NodeRow, Nodes, Page,
    PageRequest, SessionId, SessionQuery, SessionRow, Slot, Snapshot, Store, StoreError, StoreStats, TaskId,
    TaskQuery, TaskRow, TenantId, Timestamp,
};
use parking_lot::Mutex;

pub use ledger::MemoryLedger;

use crate::nodes::NodeTable;
use crate::page::{after_session, after_task, cut, fetch};
use history::HistoryTable;
use state::State;

/// The in-memory twin of [`SqliteStore`](crate::SqliteStore), for tests and benchmarks. Nothing is durable.
///
/// One lock, held without waiting; lists look at every journal.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    appends: AtomicU64,
    commits: AtomicU64,
    nodes: NodeTable,
    history: HistoryTable,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let appended = self.state.lock().append(append)?;
        if appended == Appended::Stored {
            self.appends.fetch_add(1, Ordering::Relaxed);
            self.committed();
        }
        Ok(appended)
    }

    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError> {
        Ok(self.state.lock().read(key, from, limit))
    }

    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.state.lock().snapshot(key))
    }

    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError> {
        self.state.lock().put_snapshot(key, snapshot);
        self.committed();
        Ok(())
    }

    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError> {
        self.state.lock().put_blob(key, id, content);
        self.committed();
        Ok(())
    }

    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError> {
        Ok(self.state.lock().blob(key, id))
    }

    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError> {
        let mut from = Some(usize::MAX);
        while let Some(so_far) = from {
            from = self.state.lock().hollow(key, so_far);
            self.committed();
            // Others come in between, as they do with a store on a disk.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn sweep(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let swept = self.state.lock().sweep(deleted_before, ended_before, limit);
        self.committed();
        Ok(swept)
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.state.lock().session(tenant, id))
    }

    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError> {
        let after = after_session(page)?;
        let rows = self.state.lock().sessions(tenant, query, after, fetch(page));
        Ok(cut(rows, page))
    }

    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        Ok(self.state.lock().messages(key, range, limit))
    }

    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        Ok(self.state.lock().task(tenant, id))
    }

    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError> {
        let after = after_task(page)?;
        let rows = self.state.lock().tasks(tenant, query, after, fetch(page));
        Ok(cut(rows, page))
    }

    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        Ok(self.state.lock().open_journals(now, after, limit))
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            appends: self.appends.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

#[async_trait]
impl Nodes for MemoryStore {
    async fn beat(&self, row: &NodeRow) -> Result<Beat, StoreError> {
        Ok(self.nodes.beat(row))
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.nodes.all())
    }

    async fn forget(&self, node: &NodeId, incarnation: u64) -> Result<(), StoreError> {
        self.nodes.forget(node, incarnation);
        Ok(())
    }
}
