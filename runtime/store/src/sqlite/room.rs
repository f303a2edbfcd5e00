//! Whether the store takes what is written: a full disk is told before callers find it.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use greenroom_kernel::StoreError;
use parking_lot::Mutex;

use super::error::io_error;

const OPERATION: &str = "write";
/// For how long a refused write says that the next would be refused too, where none succeeded since.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How much room there has to be beside the file: an append or two.
const ROOM: usize = 64 * 1024;

/// The last refusal, until a write succeeds.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Option<(Instant, Refusal)>>);

#[derive(Clone, Copy)]
enum Refusal {
    Full,
    ReadOnly,
}

impl Refusals {
    pub(super) fn written(&self) {
        *self.0.lock() = None;
    }

    pub(super) fn refused(&self, error: &StoreError) {
        let refusal = match error {
            StoreError::Full { .. } => Refusal::Full,
            StoreError::ReadOnly { .. } => Refusal::ReadOnly,
            _ => return,
        };
        *self.0.lock() = Some((Instant::now(), refusal));
    }

    /// Why a write was refused lately.
    pub(super) fn lately(&self, path: &Path) -> Result<(), StoreError> {
        let (operation, path) = (OPERATION, path.display().to_string());
        match *self.0.lock() {
            Some((at, refusal)) if at.elapsed() < REMEMBERED => Err(match refusal {
                Refusal::Full => StoreError::Full { operation, path },
                Refusal::ReadOnly => StoreError::ReadOnly { operation, path },
            }),
            _ => Ok(()),
        }
    }
}

/// Writes beside the store's file what is removed at once. Blocks.
pub(super) fn probe(store: &Path) -> Result<(), StoreError> {
    let mut beside = store.as_os_str().to_owned();
    beside.push(".probe");
    let beside = Path::new(&beside);
    let written = fill(beside);
    let removed = std::fs::remove_file(beside);
    match (written, removed) {
        (Err(error), _) => Err(io_error(OPERATION, store, error)),
        // Another probe has removed it.
        (Ok(()), Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(OPERATION, store, error))
        }
        _ => Ok(()),
    }
}

fn fill(path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(&[0; ROOM])?;
    file.flush()
}
