//! What a caller chooses when opening the store.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::StoreError;

/// A moment at which a test may stop, kill or fail the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// A migration has run and is not committed.
    InMigration,
    /// A group has run and is not committed.
    BeforeCommit,
    /// A group is durable and nobody has been told.
    BeforeAnswer,
}

/// Called at every [`FailPoint`], on the thread that reached it. An error before a commit counts as a sync that
/// failed; elsewhere it changes nothing.
pub type FailPointHook = Arc<dyn Fn(FailPoint) -> io::Result<()> + Send + Sync>;

/// Called when a write or sync failed so that nothing can be known about the file any more.
pub type FatalHook = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Called after every commit that changed something, by the one thread that writes, with how many appends it made
/// durable and how long it took: keep it short.
pub type CommitHook = Arc<dyn Fn(usize, Duration) + Send + Sync>;

/// How to open the store.
#[derive(Clone)]
pub struct SqliteOptions {
    /// How many writes may wait for the writer; one more is refused as busy.
    pub queue: usize,
    /// Threads that read, each on its own connection.
    pub readers: usize,
    /// How many reads may wait for a thread; one more is refused as busy.
    pub read_queue: usize,
    /// How large the file may grow, in pages of 4 KiB; none leaves it to the disk.
    pub max_pages: Option<u32>,
    /// Pages written, roughly, before they are copied from the write-ahead log into the file.
    pub checkpoint_pages: u64,
    /// What to do when a sync failed. By default the process is aborted: a later sync that succeeds would
    /// prove nothing about what the failed one was to keep.
    pub on_fatal: FatalHook,
    /// Whom to tell of commits.
    pub on_commit: Option<CommitHook>,
    /// A test hook: how long to sleep before each commit, as if the disk's sync took that long.
    pub sync_delay: Option<Duration>,
    /// A test hook: see [`FailPoint`].
    pub failpoint: Option<FailPointHook>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue: 4_096,
            readers: std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)),
            read_queue: 4_096,
            max_pages: None,
            checkpoint_pages: 2_000,
            on_fatal: Arc::new(|error| {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "store failed, ending the process"
                );
                std::process::abort();
            }),
            on_commit: None,
            sync_delay: None,
            failpoint: None,
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("queue", &self.queue)
            .field("readers", &self.readers)
            .field("read_queue", &self.read_queue)
            .field("max_pages", &self.max_pages)
            .field("checkpoint_pages", &self.checkpoint_pages)
            .field("sync_delay", &self.sync_delay)
            .finish_non_exhaustive()
    }
}

impl SqliteOptions {
    /// Reaches a fail point.
    pub(super) fn at(&self, point: FailPoint) -> io::Result<()> {
        self.failpoint.as_ref().map_or(Ok(()), |hook| hook(point))
    }
}
