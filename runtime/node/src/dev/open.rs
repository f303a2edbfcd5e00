//! Opens the store, with the test hooks if they are asked for.

use std::path::PathBuf;
use std::sync::Arc;

use greenroom_kernel::{Ledger, Store};
use greenroom_store::{SqliteOptions, SqliteStore};
use greenroom_telemetry::Metrics;

use super::failpoint::{Trap, TrappedStore};
use super::hooks::Hooks;
use crate::failed::Failed;

/// One file, by both its ports.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) ledger: Arc<dyn Ledger>,
}

/// The store at `path`, its commits counted.
///
/// # Errors
/// As [`SqliteStore::open`].
pub(super) async fn open(path: PathBuf, hooks: Hooks, metrics: Metrics) -> Result<Opened, Failed> {
    let options = SqliteOptions {
        on_commit: Some(Arc::new(move |appends, took| metrics.journal_sync(appends, took))),
        sync_delay: hooks.sync_delay,
        failpoint: hooks.trap.as_ref().map(Trap::hook),
        ..SqliteOptions::default()
    };
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(path, options)).await??;
    let store = Arc::new(store);
    let ledger = Arc::clone(&store) as Arc<dyn Ledger>;
    let store: Arc<dyn Store> = store;
    let store = match hooks.trap {
        Some(trap) => Arc::new(TrappedStore { inner: store, trap }),
        None => store,
    };
    Ok(Opened { store, ledger })
}
