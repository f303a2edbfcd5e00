//! The journal and its rows in one SQLite file.
//!
//! Durable before answered: WAL with `synchronous = FULL`, one writer thread with group commit, checkpoints on a
//! thread of their own, readers on theirs. One process at a time, by a lock on a side file.

mod append;
mod backup;
mod checkpoint;
mod copy;
mod error;
mod history;
mod hollow;
mod ledger;
mod lists;
mod lock;
mod migrations;
mod nodes;
mod options;
mod reader;
mod room;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    Append, Appended, BlobId, JournalKey, MessageRange, MessageRow, Page, PageRequest, SessionId,
    SessionQuery, SessionRow, Slot, Snapshot, Store, StoreError, StoreStats, TaskId, TaskQuery, TaskRow,
    TenantId, Timestamp,
};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use append::Prepared;
pub use backup::RestoreReport;
use checkpoint::{CheckpointSignal, Checkpointer};
pub use copy::{CopyProgress, StoreCopy};
use error::{closed, io_error, sqlite_error};
use lock::StoreLock;
pub use options::{CommitHook, FailPoint, FailPointHook, FatalHook, SqliteOptions};
use reader::Readers;
pub use schema::MigrationReport;
use writer::{Counters, Job, Writer, Written, job};

use crate::nodes::NodeTable;
use crate::page::{after_session, after_task, cut, fetch};

/// The store on one machine: a SQLite file.
///
/// Dropping it waits until what is queued is written and the threads have ended, then frees the file for
/// another process: drop it off the async threads.
pub struct SqliteStore {
    /// None only while being dropped.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    readers: Readers,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
    path: Arc<Path>,
    nodes: NodeTable,
    // Last: the file is free when everything above is gone.
    _lock: StoreLock,
}

impl SqliteStore {
    /// Opens the store at `path`, creating and migrating it as needed. Blocks: call it off the async threads.
    ///
    /// # Errors
    /// `InUse` when another process has it, `Newer` when a newer binary wrote it, `ReadOnly` and `Full` as the
    /// disk says, `Corrupt` when it is no store.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        schema::create_folder(path)?;
        let lock = StoreLock::take(path)?;
        let (connection, report) = schema::open_writer(path, &options, schema::MIGRATIONS)?;
        if report.from != report.to {
            tracing::info!(path = %path.display(), from = report.from, to = report.to, "store migrated");
        }
        let readers = Readers::start(path, options.readers, options.read_queue)?;
        let counters = Arc::new(Counters::default());
        let writing = Arc::new(Mutex::new(()));
        let (checkpoint, woken) = CheckpointSignal::new(options.checkpoint_pages);
        let checkpointer = Checkpointer {
            connection: open_checkpointer(path).map_err(|e| sqlite_error("open", path, e))?,
            path: path.to_owned(),
            every: options.checkpoint_pages,
            writing: Arc::clone(&writing),
            on_fatal: Arc::clone(&options.on_fatal),
        };
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let writer = Writer {
            connection,
            path: path.to_owned(),
            options,
            counters: Arc::clone(&counters),
            writing,
            checkpoint,
        };
        let threads = vec![
            thread("store-writer", path, move || writer.run(queue))?,
            thread("store-log", path, move || checkpointer.run(woken))?,
        ];
        Ok(Self {
            jobs: Some(jobs),
            readers,
            threads,
            counters,
            path: path.into(),
            nodes: NodeTable::default(),
            _lock: lock,
        })
    }

    /// Brings the store at `path` to this binary's schema without opening it for use. Blocks.
    ///
    /// A process that dies on the way leaves what it had finished: run it again.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn migrate(path: impl AsRef<Path>) -> Result<MigrationReport, StoreError> {
        let path = path.as_ref();
        schema::create_folder(path)?;
        let _lock = StoreLock::take(path)?;
        schema::open_writer(path, &SqliteOptions::default(), schema::MIGRATIONS).map(|(_, report)| report)
    }

    async fn write<T, F>(&self, operation: &'static str, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<Written<T>> + Send + 'static,
    {
        let (job, answer) = job(operation, run);
        let jobs = self.jobs.as_ref().ok_or_else(|| closed(operation))?;
        match jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Busy { operation }),
            Err(TrySendError::Closed(_)) => return Err(closed(operation)),
        }
        answer.await.unwrap_or_else(|_| Err(closed(operation)))
    }

    async fn query<T, F>(&self, operation: &'static str, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let path = Arc::clone(&self.path);
        let queued = self.readers.submit(Box::new(move |connection| {
            // Who no longer waits needs no answer.
            let _ = reply.send(run(connection).map_err(|e| sqlite_error(operation, &path, e)));
        }));
        if !queued {
            return Err(StoreError::Busy { operation });
        }
        answer.await.unwrap_or_else(|_| Err(closed(operation)))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The last connection to close empties the log into the file, and one that only reads can't.
        self.readers.stop();
        self.jobs = None;
        for thread in self.threads.drain(..) {
            join(thread);
        }
    }
}

fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // It never waits for readers: what can't be done now is done later.
    connection.busy_timeout(Duration::ZERO)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")?;
    Ok(connection)
}

fn thread(
    name: &str,
    path: &Path,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|e| io_error("open", path, e))
}

fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().map(PathBuf::from);
    if thread.join().is_err() {
        tracing::error!(thread = ?name, "store: a thread panicked");
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let prepared = Prepared::new(append)?;
        self.write("append", move |connection| prepared.run(connection))
            .await
    }

    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError> {
        let key = key.clone();
        self.query("read", move |connection| {
            lists::read(connection, &key, from, limit)
        })
        .await
    }

    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError> {
        let key = key.clone();
        self.query("snapshot", move |connection| lists::snapshot(connection, &key))
            .await
    }

    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError> {
        let key = key.clone();
        self.write("put_snapshot", move |connection| {
            upkeep::put_snapshot(connection, &key, &snapshot)
        })
        .await
    }

    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError> {
        let (key, id, content) = (key.clone(), id.clone(), content.to_owned());
        self.write("put_blob", move |connection| {
            upkeep::put_blob(connection, &key, &id, &content)
        })
        .await
    }

    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError> {
        let (key, id) = (key.clone(), id.clone());
        self.query("blob", move |connection| lists::blob(connection, &key, &id))
            .await
    }

    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError> {
        let begun = key.clone();
        let mut pass = self
            .query("hollow", move |connection| hollow::begin(connection, &begun))
            .await?;
        while let Some(so_far) = pass {
            let key = key.clone();
            pass = self
                .write("hollow", move |connection| {
                    hollow::batch(connection, &key, so_far)
                })
                .await?;
        }
        Ok(())
    }

    async fn sweep(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.write("sweep", move |connection| {
            upkeep::sweep(connection, deleted_before, ended_before, limit)
        })
        .await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.query("session", move |connection| {
            lists::session(connection, &tenant, &id)
        })
        .await
    }

    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError> {
        let (after, limit) = (after_session(page)?, fetch(page));
        let (tenant, query) = (tenant.clone(), query.clone());
        let rows = self
            .query("sessions", move |connection| {
                lists::sessions(connection, &tenant, &query, after, limit)
            })
            .await?;
        Ok(cut(rows, page))
    }

    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let key = key.clone();
        self.query("messages", move |connection| {
            lists::messages(connection, &key, range, limit)
        })
        .await
    }

    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.query("task", move |connection| lists::task(connection, &tenant, &id))
            .await
    }

    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError> {
        let (after, limit) = (after_task(page)?, fetch(page));
        let (tenant, query) = (tenant.clone(), query.clone());
        let rows = self
            .query("tasks", move |connection| {
                lists::tasks(connection, &tenant, &query, after, limit)
            })
            .await?;
        Ok(cut(rows, page))
    }

    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        let after = after.cloned();
        self.query("open_journals", move |connection| {
            lists::open_journals(connection, now, after.as_ref(), limit)
        })
        .await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.counters.refusals.lately(&self.path)?;
        let path = Arc::clone(&self.path);
        let probed = tokio::task::spawn_blocking(move || room::probe(&path)).await;
        probed.unwrap_or_else(|_| Err(closed("write")))
    }

    fn stats(&self) -> StoreStats {
        self.counters.read()
    }
}
