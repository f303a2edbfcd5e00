//! The file that tells tests and scripts where everything listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What the file says. Names stay.
#[derive(Debug, Serialize)]
pub(crate) struct Ready<'a> {
    pub(crate) pid: u32,
    pub(crate) gateway: SocketAddr,
    pub(crate) graphql: String,
    pub(crate) operator: SocketAddr,
    pub(crate) agent: SocketAddr,
    pub(crate) store: &'a Path,
    /// The socket that `greenroom tasks` speaks to.
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
