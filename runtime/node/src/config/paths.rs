//! Where this platform keeps a program's data and caches.

use std::env;
use std::path::PathBuf;

const NAME: &str = "greenroom";

/// The store, when nobody says where: it stays the same whatever folder `greenroom` is started in.
pub(crate) fn default_store() -> Option<PathBuf> {
    folder("XDG_DATA_HOME", "Library/Application Support", ".local/share").map(|f| f.join("greenroom.sqlite"))
}

/// The folder of what can be fetched again.
#[cfg(feature = "local-model")]
pub(crate) fn cache_folder() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME", "Library/Caches", ".cache")
}

fn folder(variable: &str, mac: &str, other: &str) -> Option<PathBuf> {
    // The specification has relative paths ignored.
    let named = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let under_home = || {
        let home = env::home_dir().filter(|home| home.is_absolute())?;
        Some(home.join(if cfg!(target_os = "macos") { mac } else { other }))
    };
    named.or_else(under_home).map(|folder| folder.join(NAME))
}
