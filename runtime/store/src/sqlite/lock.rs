//! One process at a time: a lock on a side file, held for as long as the store is open.
//!
//! The lock is the operating system's and dies with its holder, however it dies. SQLite's own exclusive mode
//! would shut out our own readers.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use greenroom_kernel::StoreError;

use super::error::io_error;

/// Held while the store is open.
pub(super) struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock of the store at `path`, at once or not at all.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let side = side_file(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&side).map_err(|e| io_error("open", &side, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The name is a help for people: the refusal stands without it.
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim()).filter(|h| !h.is_empty());
                return Err(StoreError::InUse {
                    path: path.display().to_string(),
                    holder: holder.map(|pid| format!("process {pid}")),
                });
            }
            Err(TryLockError::Error(e)) => return Err(io_error("open", &side, e)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| io_error("open", &side, e))?;
        Ok(Self { _file: file })
    }
}

fn side_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
