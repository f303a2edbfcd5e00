//! What can be wrong with a configuration, said so that it can be mended.

use std::path::PathBuf;

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file that was asked for can't be read.
    #[error("configuration: {path} can't be read: {source}", path = .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("configuration: {place} is no TOML: {why}")]
    Syntax { place: String, why: String },
    /// A key that nobody knows.
    #[error("configuration: {place}: unknown key `{key}`{}", .nearest.as_deref().map(|n| format!(": did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        place: String,
        key: String,
        nearest: Option<String>,
    },
    /// A value of the wrong type.
    #[error("configuration: {place}: `{key}`: {why}")]
    Type { place: String, key: String, why: String },
    /// A value that can't be used.
    #[error("configuration: `{key}`: {why}")]
    Value { key: String, why: String },
    /// There is no home folder to put the store into.
    #[error(
        "configuration: no data folder is known, as neither XDG_DATA_HOME nor HOME is set: set GREENROOM__STORE__PATH or pass --store"
    )]
    NoDataFolder,
}

impl ConfigError {
    pub(super) fn value(key: &str, why: &str) -> Self {
        Self::Value {
            key: key.to_owned(),
            why: why.to_owned(),
        }
    }
}
