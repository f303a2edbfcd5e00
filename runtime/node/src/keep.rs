//! `greenroom backup` and `greenroom restore`.
//!
//! Both read with SQLite's own snapshot, so that a running process neither helps nor stops: a copy needs no lock and
//! no word with it, and goes on if it ends.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use greenroom_store::{SqliteStore, StoreCopy};
use serde_json::json;

use crate::cli::{BackupArgs, RestoreArgs};
use crate::config::{self, DynamoSettings, Flags, Sources, StoreSettings};
use crate::failed::Failed;
use crate::output;

/// How often progress is shown at most.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// Copies the store into a file.
pub(crate) fn backup(file: Option<PathBuf>, args: BackupArgs) -> Result<(), Failed> {
    let path = match store(file, args.stored.store)? {
        StoreSettings::Sqlite(path) => path,
        StoreSettings::DynamoDb(table) => return Err(kept_by_aws(&table)),
    };
    let mut progress = Progress::new("copying");
    let copied = SqliteStore::backup(&path, &args.file, args.force, &mut |done, all| {
        progress.tell(done, all);
    });
    progress.end();
    let copied = copied?;
    if args.stored.json {
        return output::json(&json!({
            "store": path, "file": args.file, "bytes": copied.bytes, "schema": copied.schema,
            "sessions": copied.sessions, "tasks": copied.tasks,
        }));
    }
    output::text(&format!(
        "{} holds {}: {}",
        args.file.display(),
        path.display(),
        told(&copied)
    ))
}

/// Puts a backup in the store's place.
pub(crate) fn restore(file: Option<PathBuf>, args: RestoreArgs) -> Result<(), Failed> {
    let path = match store(file, args.stored.store)? {
        StoreSettings::Sqlite(path) => path,
        StoreSettings::DynamoDb(table) => return Err(restored_by_aws(&table)),
    };
    let mut progress = Progress::new("copying");
    let restored = SqliteStore::restore(&args.file, &path, args.force, &mut |done, all| {
        progress.tell(done, all);
    });
    progress.end();
    let restored = restored?;
    let copied = restored.copy;
    if args.stored.json {
        return output::json(&json!({
            "store": path, "file": args.file, "bytes": copied.bytes, "schema": copied.schema,
            "sessions": copied.sessions, "tasks": copied.tasks, "aside": restored.aside,
        }));
    }
    let mut said = format!(
        "{} is what {} holds: {}",
        path.display(),
        args.file.display(),
        told(&copied)
    );
    if let Some(aside) = &restored.aside {
        said.push_str(&format!("\nthe one before is kept at {}", aside.display()));
    }
    output::text(&said)
}

fn store(file: Option<PathBuf>, store: Option<PathBuf>) -> Result<StoreSettings, Failed> {
    let flags = Flags {
        store,
        ..Flags::default()
    };
    Ok(config::load(&Sources::of_process(file, flags))?.config.store)
}

fn told(copied: &StoreCopy) -> String {
    format!(
        "{} sessions, {} tasks, {}, schema {}; looked through and whole",
        copied.sessions,
        copied.tasks,
        megabytes(copied.bytes),
        copied.schema
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// What stands in for a copy of a table.
fn kept_by_aws(table: &DynamoSettings) -> Failed {
    let (name, region) = named(table);
    Failed::because(format!(
        "the store is the table {name}, which AWS copies, not this command: `greenroom migrate` has switched on \
         point-in-time recovery, which goes back to any second of the last 35 days; for a copy that stays: aws dynamodb \
         create-backup --table-name {name} --backup-name NAME{region}"
    ))
}

/// What stands in for the return of a table.
fn restored_by_aws(table: &DynamoSettings) -> Failed {
    let (name, region) = named(table);
    Failed::because(format!(
        "the store is the table {name}, which AWS restores, into a new table: end the processes on it; aws dynamodb \
         restore-table-to-point-in-time --source-table-name {name} --target-table-name NEW-journal \
         --use-latest-restorable-time{region}; set store.table_prefix = \"NEW\"; run `greenroom migrate`, which switches \
         on what a restored table lacks"
    ))
}

fn named(table: &DynamoSettings) -> (String, String) {
    let region = table.region.as_ref();
    (
        format!("{}-journal", table.table_prefix),
        region
            .map(|region| format!(" --region {region}"))
            .unwrap_or_default(),
    )
}

/// One line on a terminal that changes; nothing elsewhere.
struct Progress {
    what: &'static str,
    shown: Option<Instant>,
    watched: bool,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            shown: None,
            watched: stderr().is_terminal(),
        }
    }

    fn tell(&mut self, done: u64, all: u64) {
        if !self.watched || self.shown.is_some_and(|at| at.elapsed() < SHOWN_EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = format!("{} {} of {}", self.what, megabytes(done), megabytes(all));
        output::progress(&line, false);
    }

    fn end(&self) {
        if self.shown.is_some() {
            output::progress("", false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(region: Option<&str>) -> DynamoSettings {
        DynamoSettings {
            table_prefix: "prod".to_owned(),
            region: region.map(str::to_owned),
            endpoint: None,
            payload_bucket: None,
            payload_prefix: String::new(),
            payload_endpoint: None,
            seat: PathBuf::new(),
        }
    }

    #[test]
    fn of_a_table_the_commands_of_aws_are_told_with_its_name_and_region() {
        let said = kept_by_aws(&table(Some("eu-west-1"))).to_string();
        assert!(
            said.ends_with("create-backup --table-name prod-journal --backup-name NAME --region eu-west-1"),
            "{said}"
        );
        let said = restored_by_aws(&table(None)).to_string();
        assert!(
            said.contains("--source-table-name prod-journal --target-table-name NEW-journal --use-latest-restorable-time;"),
            "{said}"
        );
    }
}
