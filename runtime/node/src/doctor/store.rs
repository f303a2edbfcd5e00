//! The store: its lock, schema, folder and disk.

use std::path::Path;

use greenroom_kernel::StoreError;
use greenroom_store::{SqliteOptions, SqliteStore};

use super::report::Line;
use crate::config::{DynamoSettings, StoreSettings};
use crate::control::{Reached, Request, ask};
use crate::failed::chain;
use crate::table;

const STORE: &str = "store";
const DISK: &str = "disk";
/// Less than this is not enough for a day of chats.
const TIGHT_BYTES: u64 = 1 << 30;
/// Less than this is not enough for anything.
const FULL_BYTES: u64 = 16 << 20;

/// Looks at the store without leaving a new one behind; one of an older schema is brought to this binary's, as
/// every command that opens it does.
pub(super) async fn check(settings: &StoreSettings) -> Vec<Line> {
    let path = match settings {
        StoreSettings::Sqlite(path) => path.to_owned(),
        StoreSettings::DynamoDb(settings) => return vec![shared(settings).await],
    };
    let checked = tokio::task::spawn_blocking(move || vec![store(&path), disk(&path)]).await;
    checked.unwrap_or_else(|error| vec![Line::fail(STORE, chain(&error), "report this as a defect")])
}

/// A table: whether it can be reached and read, as this caller, and is this binary's; and its bucket written.
async fn shared(settings: &DynamoSettings) -> Line {
    let said = match table::examine(settings).await {
        Ok(shown) => return Line::ok(STORE, format!("{shown} opens, its schema is this binary's")),
        Err(StoreError::Refused { what, remedy, .. }) => return Line::fail(STORE, what, remedy),
        Err(error @ StoreError::Newer { .. }) => return Line::fail(STORE, chain(&error), remedy(&error)),
        Err(error) => chain(&error),
    };
    let remedy =
        "check store.endpoint, store.payload_endpoint and store.region, and that this machine reaches them";
    Line::fail(STORE, said, remedy)
}

fn store(path: &Path) -> Line {
    let list = Request::List {
        status: None,
        session: None,
        limit: 1,
        after: None,
    };
    let shown = path.display();
    match ask(path, &list) {
        Ok(Reached::Process(_)) => return Line::ok(STORE, format!("{shown} is open in a running greenroom")),
        Ok(Reached::Nobody) => {}
        Err(error) => {
            let remedy = "end the process that has it, or run this as the user who owns it";
            return Line::fail(
                STORE,
                format!("{shown}: its process can't be spoken to: {error}"),
                remedy,
            );
        }
    }
    if !path.exists() {
        return match writable(existing(path)) {
            Ok(()) => Line::ok(STORE, format!("{shown} is not there yet and can be made")),
            Err(error) => {
                let said = format!("{shown} is not there and can't be made: {error}");
                Line::fail(
                    STORE,
                    said,
                    "choose another place with --store or GREENROOM__STORE__PATH",
                )
            }
        };
    }
    let options = SqliteOptions {
        readers: 1,
        ..SqliteOptions::default()
    };
    match SqliteStore::open(path, options) {
        Ok(_) => Line::ok(STORE, format!("{shown} opens, its schema is this binary's")),
        Err(error) => Line::fail(STORE, chain(&error), remedy(&error)),
    }
}

fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::InUse { .. } => "end the other process, or choose another store with --store",
        StoreError::Newer { .. } => "use the greenroom that wrote it, or a newer one",
        StoreError::ReadOnly { .. } => "give this user the right to write the file and its folder",
        StoreError::Full { .. } => "free some space: what was accepted stays",
        StoreError::Corrupt { .. } => "restore it from a backup, or choose another store with --store",
        _ => "try again; if it stays so, choose another store with --store",
    }
}

fn disk(path: &Path) -> Line {
    let folder = existing(path);
    match rustix::fs::statvfs(folder) {
        Ok(stats) => free(stats.f_bavail.saturating_mul(stats.f_frsize), folder),
        Err(error) => Line::warn(
            DISK,
            format!("its free space is not known: {error}"),
            "look yourself",
        ),
    }
}

fn free(bytes: u64, folder: &Path) -> Line {
    let said = format!("{:.1} GB are free at {}", bytes as f64 / 1e9, folder.display());
    match bytes {
        FULL_BYTES.. if bytes >= TIGHT_BYTES => Line::ok(DISK, said),
        FULL_BYTES.. => Line::warn(DISK, said, "free some space before it is used up"),
        _ => Line::fail(
            DISK,
            said,
            "free some space, or choose another place with --store",
        ),
    }
}

/// The nearest folder on the way to `path` that is there.
fn existing(path: &Path) -> &Path {
    let above = path.ancestors().skip(1).find(|folder| folder.is_dir());
    above.unwrap_or(Path::new("."))
}

fn writable(folder: &Path) -> rustix::io::Result<()> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::State;

    #[test]
    fn a_store_is_judged_without_being_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/down/s.sqlite");
        assert_eq!(store(&path).state, State::Ok);
        assert!(!folder.path().join("deep").exists());
        drop(SqliteStore::open(&path, SqliteOptions::default()).unwrap());
        assert_eq!(store(&path).state, State::Ok);
        let _held = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let line = store(&path);
        assert_eq!(line.state, State::Fail);
        assert!(line.said.contains("in use"), "{}", line.said);
    }

    #[test]
    fn what_is_no_store_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        std::fs::write(
            &path,
            "these are not the bytes you are looking for, but there are enough of them",
        )
        .unwrap();
        assert_eq!(store(&path).state, State::Fail);
    }

    #[test]
    fn little_space_is_told_before_there_is_none() {
        let at = |bytes| free(bytes, Path::new("/")).state;
        assert_eq!(
            [at(2 << 30), at(100 << 20), at(1 << 20)],
            [State::Ok, State::Warn, State::Fail]
        );
    }
}
