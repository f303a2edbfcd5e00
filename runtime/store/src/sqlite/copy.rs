//! One store copied into a file of its own, as it is at one moment, and looked through: what a backup and its return have
//! in common.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use greenroom_kernel::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::{io_error, sqlite_error};
use super::schema;

/// Pages copied between two tellings: 1 MiB.
const STEP: i32 = 256;
const PAGE_BYTES: u64 = 4_096;

/// What was copied, after it was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCopy {
    /// The file's size.
    pub bytes: u64,
    /// The schema's number.
    pub schema: u32,
    /// How many sessions are in it, deleted ones that are still kept among them.
    pub sessions: u64,
    /// How many tasks are in it.
    pub tasks: u64,
}

/// Told now and then how many bytes of how many are copied.
pub type CopyProgress<'a> = &'a mut dyn FnMut(u64, u64);

/// A file in the making: gone again unless it is kept. Held by one process at a time; what an earlier one left is
/// overwritten.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Draft {
    /// Takes `path`, readable by its owner only.
    pub(super) fn take(operation: &'static str, path: PathBuf) -> Result<Self, StoreError> {
        let fail = |e| io_error(operation, &path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(fail)?;
        if file.try_lock().is_err() {
            return Err(StoreError::Refused {
                operation,
                what: format!("{} is being written by another process", path.display()),
                remedy: "wait for it, or choose another name".to_owned(),
            });
        }
        remove_companions(&path);
        file.set_len(0).map_err(fail)?;
        Ok(Self {
            path,
            file,
            kept: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, durably, in place of what has it.
    pub(super) fn keep(mut self, operation: &'static str, name: &Path) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(|e| io_error(operation, &self.path, e))?;
        std::fs::rename(&self.path, name).map_err(|e| io_error(operation, name, e))?;
        self.kept = true;
        sync_folder(operation, name)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            remove_companions(&self.path);
            // Left behind it is in nobody's way: the next one overwrites it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// SQLite's files beside `path`: with another file they would be mistaken for its own.
pub(super) fn companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["-journal", "-wal", "-shm"]
        .into_iter()
        .map(|end| beside(path, end))
}

/// The file of `path`'s name with `end` behind it.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn remove_companions(path: &Path) {
    for companion in companions(path) {
        // Mostly there are none.
        let _ = std::fs::remove_file(companion);
    }
}

/// Makes the names in `path`'s folder as durable as the files.
pub(super) fn sync_folder(operation: &'static str, path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| io_error(operation, folder, e))
}

/// Copies the store at `from` into the draft, as one reader sees it who looks once, and looks the copy through.
///
/// Whoever writes the store goes on; its log is not begun anew meanwhile.
pub(super) fn copy(
    operation: &'static str,
    from: &Path,
    draft: &Draft,
    told: CopyProgress<'_>,
) -> Result<StoreCopy, StoreError> {
    let reading = |e| sqlite_error(operation, from, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(reading)?;
    source.busy_timeout(Duration::from_secs(10)).map_err(reading)?;
    let schema = schema::check(&source, from, schema::MIGRATIONS.len())?;
    if schema == 0 {
        return Err(StoreError::Refused {
            operation,
            what: format!("{} holds nothing", from.display()),
            remedy: "name a store that was opened once".to_owned(),
        });
    }
    // From the first read on this connection sees one moment.
    source.execute_batch("BEGIN").map_err(reading)?;
    source
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(reading)?;

    let writing = |e| sqlite_error(operation, draft.path(), e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(draft.path(), flags).map_err(writing)?;
    // It is synced once, as a whole, before it gets its name.
    target
        .execute_batch("PRAGMA synchronous = OFF")
        .map_err(writing)?;
    pages(operation, (from, &source), (draft.path(), &mut target), told)?;
    drop(source);
    sealed(operation, from, schema, &target).map_err(|trouble| match trouble {
        Trouble::Sqlite(error) => writing(error),
        Trouble::Store(error) => error,
    })
}

fn pages(
    operation: &'static str,
    (from, source): (&Path, &Connection),
    (to, target): (&Path, &mut Connection),
    told: CopyProgress<'_>,
) -> Result<(), StoreError> {
    let fail = |e: rusqlite::Error| match sqlite_error(operation, to, e) {
        // What can't be understood is what is read.
        StoreError::Corrupt { source, .. } => StoreError::Corrupt {
            operation,
            what: from.display().to_string(),
            source,
        },
        other => other,
    };
    let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * PAGE_BYTES;
    let backup = Backup::new(source, target).map_err(fail)?;
    loop {
        match backup.step(STEP).map_err(fail)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let progress = backup.progress();
                told(
                    bytes(progress.pagecount - progress.remaining),
                    bytes(progress.pagecount),
                );
            }
            // Both files are held: one by a read that has begun, one by nobody else.
            _ => return Err(StoreError::Busy { operation }),
        }
    }
}

enum Trouble {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Makes one file of the copy, without a log beside it, and looks it through.
fn sealed(
    operation: &'static str,
    from: &Path,
    schema: u32,
    copy: &Connection,
) -> Result<StoreCopy, Trouble> {
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let said: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(Trouble::Store(StoreError::Corrupt {
            operation,
            what: format!("{} ({said})", from.display()),
            source: None,
        }));
    }
    let count = |sql: &str| {
        let number = copy.query_row(sql, [], |row| row.get::<_, i64>(0));
        number.map(|number| u64::try_from(number).unwrap_or(0))
    };
    Ok(StoreCopy {
        bytes: count("PRAGMA page_count")?.saturating_mul(count("PRAGMA page_size")?),
        schema,
        sessions: count("SELECT count(*) FROM sessions")?,
        tasks: count("SELECT count(*) FROM tasks")?,
    })
}
