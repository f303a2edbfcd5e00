//! Opens the store, with the test hooks if they are asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::Store;
use greenroom_store::{SqliteOptions, SqliteStore};

use super::failpoint::{self, Trap, TrappedStore};
use crate::failed::Failed;

/// A test hook: how long each sync takes longer, in milliseconds, as if the disk were that slow.
const SYNC_DELAY: &str = "GREENROOM_SYNC_DELAY_MS";

/// The store at `path`.
///
/// # Errors
/// As [`SqliteStore::open`], and a test hook that makes no sense.
pub(super) async fn open(path: PathBuf) -> Result<Arc<dyn Store>, Failed> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let trap = match variable(failpoint::VARIABLE) {
        Some(text) => Some(Trap::parse(&text).map_err(Failed::misused)?),
        None => None,
    };
    let delay = match variable(SYNC_DELAY) {
        Some(text) => {
            let wrong = |_| Failed::misused(format!("{SYNC_DELAY} is `{text}`: it must be milliseconds"));
            Some(Duration::from_millis(text.parse().map_err(wrong)?))
        }
        None => None,
    };
    let options = SqliteOptions {
        sync_delay: delay,
        failpoint: trap.as_ref().map(Trap::hook),
        ..SqliteOptions::default()
    };
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(path, options)).await??;
    let store: Arc<dyn Store> = Arc::new(store);
    Ok(match trap {
        Some(trap) => Arc::new(TrappedStore { inner: store, trap }),
        None => store,
    })
}
