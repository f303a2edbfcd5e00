//! The file that tells tests and scripts where everything listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What the file says: what the process has of it. Names stay.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ready<'a> {
    pub(crate) pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) graphql: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) supervisor: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operator: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<SocketAddr>,
    /// Where others reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertised: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<&'a Path>,
    /// The socket that `greenroom tasks` speaks to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<&'a Path>,
}

/// Removes the file when it is dropped.
pub(crate) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes it, whole or not at all.
    pub(crate) fn write(path: &Path, ready: &Ready<'_>) -> io::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        std::fs::write(&unfinished, serde_json::to_vec_pretty(ready)?)?;
        std::fs::rename(&unfinished, path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "the ready file could not be removed");
        }
    }
}
