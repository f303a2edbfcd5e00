//! Copies the write-ahead log into the file, on its own thread and connection: commits don't wait for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use greenroom_kernel::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};

use super::error::is_fatal;
use super::options::FatalHook;

/// Beyond this many times the ordinary length, the log is begun anew even though writers never pause. A log that
/// is written over is synced faster than one that grows, so this is small.
const RESTART_FACTOR: u64 = 2;

/// How often to copy what was written during the last copy, before the writer is made to wait for the rest.
const PASSES: usize = 4;

/// The writer's side: tells when enough was written.
pub(super) struct CheckpointSignal {
    wake: SyncSender<()>,
    every: u64,
    pages: u64,
}

impl CheckpointSignal {
    pub(super) fn new(every: u64) -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        let signal = Self {
            wake,
            every,
            pages: 0,
        };
        (signal, woken)
    }

    /// Counts pages written, roughly.
    pub(super) fn wrote(&mut self, pages: u64) {
        self.pages += pages;
        // One that is already asked for will see these pages too.
        if self.pages >= self.every && self.wake.try_send(()).is_ok() {
            self.pages = 0;
        }
    }
}

/// The state of the checkpointing thread.
pub(super) struct Checkpointer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) every: u64,
    pub(super) writing: Arc<Mutex<()>>,
    pub(super) on_fatal: FatalHook,
}

impl Checkpointer {
    /// Works until the writer is gone.
    pub(super) fn run(self, woken: Receiver<()>) {
        while woken.recv().is_ok() {
            match self.checkpoint() {
                Ok(()) => {}
                Err(error) if is_fatal(&error) => {
                    (self.on_fatal)(&StoreError::Unanswered {
                        operation: "checkpoint",
                        source: Some(Box::new(error)),
                    });
                    return;
                }
                // The log keeps what could not be copied; the next time may go better.
                Err(error) => tracing::warn!(
                    path = %self.path.display(),
                    error = &error as &dyn std::error::Error,
                    "store: the write-ahead log can't be copied into the file now"
                ),
            }
        }
    }

    fn checkpoint(&self) -> rusqlite::Result<()> {
        let mut log = Log::default();
        for _ in 0..PASSES {
            log = self.pragma("PRAGMA wal_checkpoint(PASSIVE)")?;
            if log.pages.saturating_sub(log.copied) <= self.every / 16 {
                break;
            }
        }
        if log.pages > self.every.saturating_mul(RESTART_FACTOR) {
            // Nearly everything is copied by now, so the writer's turn is short.
            let _turn = self.writing.lock();
            match self.pragma("PRAGMA wal_checkpoint(RESTART)") {
                // Somebody reads the log: another time.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    fn pragma(&self, sql: &str) -> rusqlite::Result<Log> {
        let count = |pages: i64| u64::try_from(pages).unwrap_or(0);
        self.connection.query_row(sql, [], |row| {
            Ok(Log {
                pages: count(row.get(1)?),
                copied: count(row.get(2)?),
            })
        })
    }
}

/// The write-ahead log as a checkpoint left it.
#[derive(Default)]
struct Log {
    pages: u64,
    /// How many of them are in the file too.
    copied: u64,
}
