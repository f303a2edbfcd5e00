//! `greenroom config` and `greenroom migrate`.

use std::path::PathBuf;

use greenroom_store::SqliteStore;
use serde_json::json;

use crate::cli::{ConfigArgs, ConfigCommand, MigrateArgs};
use crate::config::{self, Flags, Sources};
use crate::failed::Failed;
use crate::output;

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

/// Brings the store to this binary's schema.
pub(crate) fn migrate(file: Option<PathBuf>, args: MigrateArgs) -> Result<(), Failed> {
    let flags = Flags {
        store: args.store,
        ..Flags::default()
    };
    let path = config::load(&Sources::of_process(file, flags))?.config.store_path;
    let report = SqliteStore::migrate(&path)?;
    if args.json {
        return output::json(&json!({ "store": path, "from": report.from, "to": report.to }));
    }
    let path = path.display();
    output::text(&match (report.from, report.to) {
        (from, to) if from == to => format!("{path} has schema {to}: nothing to do"),
        (0, to) => format!("{path} was created with schema {to}"),
        (from, to) => format!("{path} was brought from schema {from} to {to}"),
    })
}
