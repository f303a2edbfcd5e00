//! The one thread that writes. It takes everything queued, runs it in one transaction, syncs once and answers
//! all: company shares a sync, and a lone caller waits for nobody.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use greenroom_kernel::{StoreError, StoreStats};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::CheckpointSignal;
use super::error::{closed, is_fatal, sqlite_error};
use super::options::{FailPoint, FatalHook, SqliteOptions};
use super::room::Refusals;

/// How many writes share a transaction at most.
const GROUP: usize = 1_024;

const PAGE_BYTES: u64 = 4_096;

/// What a write came to, durable once its group is.
pub(super) struct Written<T> {
    /// The answer; an error here is an outcome and wrote nothing.
    pub(super) answer: Result<T, StoreError>,
    /// Whether it stored an append.
    pub(super) appended: bool,
    /// How many bytes of content it wrote, roughly.
    pub(super) bytes: usize,
}

impl<T> Written<T> {
    /// Something other than an append.
    pub(super) fn other(answer: T, bytes: usize) -> Self {
        Self {
            answer: Ok(answer),
            appended: false,
            bytes,
        }
    }
}

/// One queued write. May run more than once: a group that fails is undone and run again one by one.
pub(super) trait Job: Send {
    fn operation(&self) -> &'static str;
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// (appends stored, bytes written) by the last run.
    fn effect(&self) -> (u64, u64);
    fn answer(self: Box<Self>);
    fn refuse(self: Box<Self>, error: StoreError);
}

/// A write and who waits for it.
struct Pending<T, F> {
    operation: &'static str,
    run: F,
    written: Option<Written<T>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

/// A write to queue, and where its answer comes.
pub(super) fn job<T, F>(
    operation: &'static str,
    run: F,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnMut(&Connection) -> rusqlite::Result<Written<T>> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let pending = Pending {
        operation,
        run,
        written: None,
        reply,
    };
    (Box::new(pending), answer)
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<Written<T>> + Send,
{
    fn operation(&self) -> &'static str {
        self.operation
    }

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.written = None;
        self.written = Some((self.run)(connection)?);
        Ok(())
    }

    fn effect(&self) -> (u64, u64) {
        self.written
            .as_ref()
            .map_or((0, 0), |w| (u64::from(w.appended), w.bytes as u64))
    }

    fn answer(self: Box<Self>) {
        if let Some(written) = self.written {
            // A caller that no longer waits loses nothing: what was written stays.
            let _ = self.reply.send(written.answer);
        }
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// What was done so far, readable at any time.
#[derive(Default)]
pub(super) struct Counters {
    appends: AtomicU64,
    commits: AtomicU64,
    pub(super) refusals: Refusals,
}

impl Counters {
    pub(super) fn read(&self) -> StoreStats {
        StoreStats {
            appends: self.appends.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

/// Why a transaction did not come about.
enum Trouble {
    Sqlite(rusqlite::Error),
    Sync(io::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) options: SqliteOptions,
    pub(super) counters: Arc<Counters>,
    /// Held while a transaction runs, so that a checkpoint that needs the writer still takes its turn.
    pub(super) writing: Arc<Mutex<()>>,
    pub(super) checkpoint: CheckpointSignal,
}

impl Writer {
    /// Writes until every sender is gone and the queue is empty, or until a sync fails.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let _alarm = Alarm(Arc::clone(&self.options.on_fatal));
        let mut group = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            if let Err(error) = self.write(&mut group) {
                (self.options.on_fatal)(&error);
                // Whoever waits is not answered: nobody knows.
                return;
            }
        }
    }

    fn write(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), StoreError> {
        let writing = Arc::clone(&self.writing);
        let _turn = writing.lock();
        let Err(trouble) = self.transact(group) else {
            group.drain(..).for_each(Job::answer);
            return Ok(());
        };
        let error = definite(trouble)?;
        if group.len() == 1
            && let Some(job) = group.pop()
        {
            self.refuse(job, error);
            return Ok(());
        }
        // One that can't be written takes no other with it.
        for mut job in group.drain(..) {
            match self.transact(std::slice::from_mut(&mut job)) {
                Ok(()) => job.answer(),
                Err(trouble) => {
                    let error = definite(trouble)?;
                    self.refuse(job, error);
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, job: Box<dyn Job>, error: rusqlite::Error) {
        let error = sqlite_error(job.operation(), &self.path, error);
        self.counters.refusals.refused(&error);
        job.refuse(error);
    }

    /// One transaction, durable when this returns `Ok`, undone when it doesn't.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        let outcome = self.try_transact(jobs);
        if outcome.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        outcome
    }

    fn try_transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        let before = self.connection.total_changes();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for job in jobs.iter_mut() {
            job.run(&self.connection)?;
        }
        let changes = self.connection.total_changes() - before;
        let began = Instant::now();
        if changes > 0 {
            if let Some(delay) = self.options.sync_delay {
                std::thread::sleep(delay);
            }
            self.options.at(FailPoint::BeforeCommit).map_err(Trouble::Sync)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        let took = began.elapsed();
        if changes > 0 {
            self.counters.refusals.written();
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            let (appends, bytes) = jobs.iter().fold((0, 0), |(appends, bytes), job| {
                let (a, b) = job.effect();
                (appends + a, bytes + b)
            });
            self.counters.appends.fetch_add(appends, Ordering::Relaxed);
            if let Some(hook) = &self.options.on_commit {
                hook(usize::try_from(appends).unwrap_or(usize::MAX), took);
            }
            self.checkpoint.wrote(changes + bytes / PAGE_BYTES);
            // After a commit there is nothing left to fail.
            let _ = self.options.at(FailPoint::BeforeAnswer);
        }
        Ok(())
    }
}

/// A writer that panics must not leave a process that looks alive and stores nothing.
struct Alarm(FatalHook);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(&closed("commit"));
        }
    }
}

/// The trouble, when nothing was written for certain; else the reason to end.
fn definite(trouble: Trouble) -> Result<rusqlite::Error, StoreError> {
    let source: Box<dyn std::error::Error + Send + Sync> = match trouble {
        Trouble::Sqlite(error) if !is_fatal(&error) => return Ok(error),
        Trouble::Sqlite(error) => Box::new(error),
        Trouble::Sync(error) => Box::new(error),
    };
    Err(StoreError::Unanswered {
        operation: "commit",
        source: Some(source),
    })
}
