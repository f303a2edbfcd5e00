//! Threads that read, each on its own read-only connection: they see what is committed and wait for no writer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use greenroom_kernel::StoreError;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags};

use super::error::sqlite_error;

type Read = Box<dyn FnOnce(&Connection) + Send>;

struct Queue {
    waiting: VecDeque<Read>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    woken: Condvar,
}

/// The reading threads and their queue.
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    bound: usize,
}

impl Readers {
    /// Starts `count` threads on the file at `path`.
    pub(super) fn start(path: &Path, count: usize, bound: usize) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                closed: false,
            }),
            woken: Condvar::new(),
        });
        let mut readers = Self {
            shared,
            threads: Vec::new(),
            bound,
        };
        for _ in 0..count.max(1) {
            let connection = open_reader(path).map_err(|e| sqlite_error("open", path, e))?;
            let shared = Arc::clone(&readers.shared);
            readers.threads.push(super::thread("store-reader", path, move || {
                serve(&shared, &connection)
            })?);
        }
        Ok(readers)
    }

    /// Queues a read; false when too many wait.
    pub(super) fn submit(&self, read: Read) -> bool {
        let mut queue = self.shared.queue.lock();
        if queue.waiting.len() >= self.bound {
            return false;
        }
        queue.waiting.push_back(read);
        drop(queue);
        self.shared.woken.notify_one();
        true
    }
}

impl Readers {
    /// Ends the threads once the queue is empty. Blocks until they are gone.
    pub(super) fn stop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.woken.notify_all();
        for thread in self.threads.drain(..) {
            super::join(thread);
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn serve(shared: &Shared, connection: &Connection) {
    loop {
        let mut queue = shared.queue.lock();
        let read = loop {
            match queue.waiting.pop_front() {
                Some(read) => break read,
                None if queue.closed => return,
                None => shared.woken.wait(&mut queue),
            }
        };
        drop(queue);
        // Whoever asked is not answered; the others are.
        if catch_unwind(AssertUnwindSafe(|| read(connection))).is_err() {
            tracing::error!("store: a read panicked");
        }
    }
}
