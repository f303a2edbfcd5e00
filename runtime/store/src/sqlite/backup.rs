//! Backup and restore: a store goes into one file, and comes back from it.

use std::path::{Path, PathBuf};

use greenroom_kernel::StoreError;
use rusqlite::Connection;

use super::SqliteStore;
use super::copy::{CopyProgress, Draft, StoreCopy, beside, companions, copy, sync_folder};
use super::error::io_error;
use super::lock::StoreLock;
use super::schema;

const BACKUP: &str = "backup";
const RESTORE: &str = "restore";

/// How many restored-over stores are kept beside one at most.
const ASIDE_AT_MOST: u32 = 1_000;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// What is in place now.
    pub copy: StoreCopy,
    /// Where the store that was there is now; none when there was none.
    pub aside: Option<PathBuf>,
}

impl SqliteStore {
    /// Copies the store at `path` into `file`, as it is at one moment; the process that has it open goes on. The copy is one
    /// file, its owner's only, and looked through before it gets its name. Blocks, for as long as reading all of it takes
    /// twice.
    ///
    /// # Errors
    /// `Refused` when there is no store, or `file` is there and `replace` isn't said; `Full`, `ReadOnly` as the disk says;
    /// `Newer`, `Corrupt` as the store is. Nothing is left of a copy that failed.
    pub fn backup(
        path: impl AsRef<Path>,
        file: impl AsRef<Path>,
        replace: bool,
        told: CopyProgress<'_>,
    ) -> Result<StoreCopy, StoreError> {
        let (path, file) = (path.as_ref(), file.as_ref());
        present(BACKUP, path)?;
        if is_part_of(path, file) {
            return Err(refused(
                BACKUP,
                format!("{} is the store's own", file.display()),
                "choose another file",
            ));
        }
        if file.exists() && !replace {
            return Err(refused(
                BACKUP,
                format!("{} is there already", file.display()),
                "choose another name, or say --force to replace it",
            ));
        }
        folder_present(BACKUP, file)?;
        let draft = Draft::take(BACKUP, beside(file, ".part"))?;
        let done = copy(BACKUP, path, &draft, told)?;
        draft.keep(BACKUP, file)?;
        Ok(done)
    }

    /// Puts the store that `file` holds at `path`, looked through first. What is there is kept beside it, under a name of its
    /// own. A process that dies on the way leaves the one or the other in place, whole. Blocks.
    ///
    /// # Errors
    /// `InUse` while a process has the store; `Refused` when there is one and `replace` isn't said, or `file` is no backup;
    /// else as [`SqliteStore::backup`].
    pub fn restore(
        file: impl AsRef<Path>,
        path: impl AsRef<Path>,
        replace: bool,
        told: CopyProgress<'_>,
    ) -> Result<RestoreReport, StoreError> {
        let (file, path) = (file.as_ref(), path.as_ref());
        present(RESTORE, file)?;
        if is_part_of(path, file) {
            let what = format!("{} is the store itself", file.display());
            return Err(refused(RESTORE, what, "name the backup"));
        }
        schema::create_folder(path)?;
        let _lock = StoreLock::take(path)?;
        let there = path.exists();
        if there && !replace {
            return Err(refused(
                RESTORE,
                format!("{} is there already", path.display()),
                "say --force, which keeps it beside the restored one, or choose another place with --store",
            ));
        }
        let draft = Draft::take(RESTORE, beside(path, ".restoring"))?;
        let done = copy(RESTORE, file, &draft, told)?;
        let aside = match there {
            true => Some(put_aside(path)?),
            false => None,
        };
        if !there {
            // A log without its file is nobody's.
            for left in companions(path).filter(|left| left.exists()) {
                std::fs::remove_file(&left).map_err(|e| io_error(RESTORE, &left, e))?;
            }
        }
        draft.keep(RESTORE, path)?;
        Ok(RestoreReport { copy: done, aside })
    }
}

fn refused(operation: &'static str, what: String, remedy: &str) -> StoreError {
    StoreError::Refused {
        operation,
        what,
        remedy: remedy.to_owned(),
    }
}

fn present(operation: &'static str, path: &Path) -> Result<(), StoreError> {
    match path.is_file() {
        true => Ok(()),
        false => Err(refused(
            operation,
            format!("there is no file {}", path.display()),
            "name one that is there",
        )),
    }
}

fn folder_present(operation: &'static str, file: &Path) -> Result<(), StoreError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(refused(
            operation,
            format!("there is no folder {}", folder.display()),
            "make it, or choose another",
        )),
        _ => Ok(()),
    }
}

/// Whether `file` is the store at `path`, or one of the files beside it that belong to it.
fn is_part_of(path: &Path, file: &Path) -> bool {
    let own = |path: &Path| {
        let (folder, name) = (path.parent()?, path.file_name()?);
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        Some(folder.canonicalize().ok()?.join(name))
    };
    let Some(file) = file.canonicalize().ok().or_else(|| own(file)) else {
        return false;
    };
    let Some(path) = path.canonicalize().ok().or_else(|| own(path)) else {
        return false;
    };
    let others = [".lock", ".sock", ".restoring"]
        .into_iter()
        .map(|end| beside(&path, end));
    path == file || companions(&path).chain(others).any(|part| part == file)
}

/// Leaves the store at `path` under another name too, so that it can be replaced, with no log of it beside the old name.
fn put_aside(path: &Path) -> Result<PathBuf, StoreError> {
    match fold_log(path) {
        Ok(Folded::Whole) => {}
        Ok(Folded::Read) => {
            return Err(StoreError::InUse {
                path: path.display().to_string(),
                holder: Some("somebody reads it".to_owned()),
            });
        }
        // What is to be replaced may be damaged: then its log goes with it.
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the log of the store to be replaced can't be copied into it");
        }
    }
    let names = (1..=ASIDE_AT_MOST).map(|number| match number {
        1 => beside(path, ".replaced"),
        _ => beside(path, &format!(".replaced-{number}")),
    });
    let Some(aside) = names.into_iter().find(|name| !name.exists()) else {
        return Err(refused(
            RESTORE,
            format!("{ASIDE_AT_MOST} replaced stores are beside {}", path.display()),
            "remove some",
        ));
    };
    for (left, to) in companions(path).zip(companions(&aside)) {
        if left.exists() {
            std::fs::rename(&left, to).map_err(|e| io_error(RESTORE, &left, e))?;
        }
    }
    // With a second name there is a store in place at any moment. Not every file system has them.
    if std::fs::hard_link(path, &aside).is_err() {
        std::fs::rename(path, &aside).map_err(|e| io_error(RESTORE, path, e))?;
    }
    sync_folder(RESTORE, path)?;
    Ok(aside)
}

/// What became of a store's log.
enum Folded {
    /// It is in the store.
    Whole,
    /// A reader keeps it.
    Read,
}

fn fold_log(path: &Path) -> rusqlite::Result<Folded> {
    let connection = Connection::open(path)?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(if busy { Folded::Read } else { Folded::Whole })
}
