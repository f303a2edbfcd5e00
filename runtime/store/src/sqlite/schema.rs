//! The schema and its versions: `PRAGMA user_version`, one migration a version, each in one transaction.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use greenroom_kernel::StoreError;
use rusqlite::{Connection, OpenFlags};

use super::error::{io_error, sqlite_error};
use super::migrations::rows_to_pages;
use super::options::{FailPoint, SqliteOptions};

/// Every migration, oldest first: the n-th leads to version n.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration::Sql(include_str!("migrations/0001_journal.sql")),
    Migration::Sql(include_str!("migrations/0002_ended.sql")),
    Migration::Sql(include_str!("migrations/0003_empty.sql")),
    Migration::Sql(include_str!("migrations/0004_ledger.sql")),
    Migration::Run(rows_to_pages),
    Migration::Sql(include_str!("migrations/0006_agent_history.sql")),
];

/// How one version of the schema becomes the next.
#[derive(Clone, Copy)]
pub(super) enum Migration {
    /// By statements alone.
    Sql(&'static str),
    /// By what statements can't say.
    Run(fn(&Connection) -> rusqlite::Result<()>),
}

impl Migration {
    fn run(self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Sql(sql) => connection.execute_batch(sql),
            Self::Run(run) => run(connection),
        }
    }
}

/// Marks the file as ours ("GnRm").
const APPLICATION_ID: u32 = 0x476e_526d;

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationReport {
    /// The schema found; 0 for a new file.
    pub from: u32,
    /// The schema now.
    pub to: u32,
}

/// Creates the folder where absent, open to its owner only.
pub(super) fn create_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| io_error("open", folder, e))
}

/// Creates the file where absent, readable by its owner only.
fn touch(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if path.exists() {
        return options
            .open(path)
            .map(drop)
            .map_err(|e| io_error("open", path, e));
    }
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| io_error("open", path, e))?;
    // The name must be as durable as what is synced under it.
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| io_error("open", folder, e))?;
    }
    Ok(())
}

/// Opens the connection that writes, with the schema as `migrations` leave it.
pub(super) fn open_writer(
    path: &Path,
    options: &SqliteOptions,
    migrations: &[Migration],
) -> Result<(Connection, MigrationReport), StoreError> {
    touch(path)?;
    let fail = |e| sqlite_error("open", path, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(fail)?;
    let found = check(&connection, path, migrations.len())?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;
             PRAGMA foreign_keys = OFF;",
        )
        .map_err(fail)?;
    if let Some(pages) = options.max_pages {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(fail)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    let report = migrate(&mut connection, path, options, migrations, found)?;
    Ok((connection, report))
}

/// The schema's version, when the file is a store that this binary knows.
pub(super) fn check(connection: &Connection, path: &Path, known: usize) -> Result<u32, StoreError> {
    let fail = |e| sqlite_error("open", path, e);
    let number = |sql: &str| connection.query_row(sql, [], |r| r.get::<_, u32>(0));
    let found = number("PRAGMA user_version").map_err(fail)?;
    let owner = number("PRAGMA application_id").map_err(fail)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(fail)?;
    if owner != APPLICATION_ID && (owner != 0 || found != 0 || tables != 0) {
        return Err(StoreError::Corrupt {
            operation: "open",
            what: format!("{} is another program's database", path.display()),
            source: None,
        });
    }
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer {
            path: path.display().to_string(),
            found,
            known,
        });
    }
    Ok(found)
}

/// Runs the migrations that are missing. A process that dies here leaves the version it had reached.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    options: &SqliteOptions,
    migrations: &[Migration],
    from: u32,
) -> Result<MigrationReport, StoreError> {
    let fail = |e| sqlite_error("migrate", path, e);
    let mut to = from;
    for migration in migrations
        .iter()
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
    {
        let transaction = connection.transaction().map_err(fail)?;
        migration.run(&transaction).map_err(fail)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .and_then(|()| transaction.pragma_update(None, "user_version", to + 1))
            .map_err(fail)?;
        options
            .at(FailPoint::InMigration)
            .map_err(|e| io_error("migrate", path, e))?;
        transaction.commit().map_err(fail)?;
        to += 1;
    }
    Ok(MigrationReport { from, to })
}
