//! Opens the store, with the test hooks if they are asked for.

use std::path::PathBuf;
use std::sync::Arc;

use greenroom_kernel::{AgentHistory, Ledger, Nodes, Store};
use greenroom_store::{CommitHook, SqliteOptions, SqliteStore};

use super::failpoint::{Trap, TrappedStore};
use super::hooks::Hooks;
use super::world::World;
use crate::config::{Config, StoreSettings};
use crate::failed::Failed;
use crate::table::{self, Writes};

/// One store, by all its ports, and how people call it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) nodes: Arc<dyn Nodes>,
    pub(crate) history: Arc<dyn AgentHistory>,
    pub(crate) shown: String,
}

/// The store that is configured, its commits counted.
///
/// # Errors
/// As [`SqliteStore::open`], and as a table's opening does.
pub(crate) async fn open(config: &Config, world: &World) -> Result<Opened, Failed> {
    let (hooks, metrics) = (&world.hooks, world.metrics.clone());
    let on_commit: CommitHook = Arc::new(move |appends, took| metrics.journal_sync(appends, took));
    match &config.store {
        StoreSettings::Sqlite(path) => sqlite(path.clone(), hooks, on_commit).await,
        StoreSettings::DynamoDb(settings) => {
            let writes = Writes {
                on_commit,
                keep_requests: config.requests.keep(),
                keep_history: config.keep_history,
            };
            let table = table::open(settings, Some(writes)).await?;
            Ok(Opened {
                store: table.store,
                ledger: table.ledger,
                nodes: table.nodes,
                history: table.history,
                shown: table.shown,
            })
        }
    }
}

async fn sqlite(path: PathBuf, hooks: &Hooks, on_commit: CommitHook) -> Result<Opened, Failed> {
    let options = SqliteOptions {
        on_commit: Some(on_commit),
        sync_delay: hooks.sync_delay,
        failpoint: hooks.trap.as_ref().map(Trap::hook),
        ..SqliteOptions::default()
    };
    let shown = path.display().to_string();
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(path, options)).await??;
    let store = Arc::new(store);
    let ledger = Arc::clone(&store) as Arc<dyn Ledger>;
    let nodes = Arc::clone(&store) as Arc<dyn Nodes>;
    let history = Arc::clone(&store) as Arc<dyn AgentHistory>;
    let store: Arc<dyn Store> = store;
    let store = match hooks.trap.clone() {
        Some(trap) => Arc::new(TrappedStore { inner: store, trap }),
        None => store,
    };
    Ok(Opened {
        store,
        ledger,
        nodes,
        history,
        shown,
    })
}
