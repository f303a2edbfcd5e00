//! `greenroom config` and `greenroom migrate`.

use std::path::PathBuf;

use greenroom_store::SqliteStore;
use serde_json::json;

use crate::cli::{ConfigArgs, ConfigCommand, MigrateArgs};
use crate::config::{self, Flags, Sources, StoreSettings};
use crate::failed::Failed;
use crate::output;
use crate::table;

/// Checks or shows the configuration.
pub(crate) fn run(file: Option<PathBuf>, args: &ConfigArgs) -> Result<(), Failed> {
    let loaded = config::load(&Sources::of_process(file, Flags::default()))?;
    match args.command {
        ConfigCommand::Check { json: true } => output::json(&json!({ "ok": true, "file": loaded.file })),
        ConfigCommand::Check { json: false } => output::text(&match &loaded.file {
            Some(file) => format!("{} and the environment can be used", file.display()),
            None => "there is no greenroom.toml; the environment and the defaults can be used".to_owned(),
        }),
        ConfigCommand::Show { json: true } => output::json(&loaded.shown_json()),
        ConfigCommand::Show { json: false } => output::text(&loaded.shown()?),
    }
}

/// Brings the store to this binary's schema, creating it where absent.
pub(crate) fn migrate(file: Option<PathBuf>, args: MigrateArgs) -> Result<(), Failed> {
    let flags = Flags {
        store: args.stored.store,
        ..Flags::default()
    };
    let (report, store) = match config::load(&Sources::of_process(file, flags))?.config.store {
        StoreSettings::Sqlite(path) => (SqliteStore::migrate(&path)?, path.display().to_string()),
        StoreSettings::DynamoDb(settings) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(table::migrate(&settings))?
        }
    };
    if args.stored.json {
        return output::json(&json!({ "store": store, "from": report.from, "to": report.to }));
    }
    output::text(&match (report.from, report.to) {
        (from, to) if from == to => format!("{store} has schema {to}: nothing to do"),
        (0, to) => format!("{store} was created with schema {to}"),
        (from, to) => format!("{store} was brought from schema {from} to {to}"),
    })
}
