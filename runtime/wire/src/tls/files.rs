//! An identity in files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{TlsError, TlsMaterial, TlsSource, TlsText};

/// Where a process's identity is. PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// The certificates of the authorities that others' certificates may come from.
    pub authority: PathBuf,
    /// The process's own certificate, followed by those between it and the authority, if there are any.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsPaths {
    /// Reads the files, blocking meanwhile.
    ///
    /// # Errors
    /// The first that can't be read.
    pub fn read(&self) -> Result<TlsMaterial, TlsError> {
        Ok(TlsMaterial {
            authority: read(&self.authority)?,
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
        })
    }
}

#[async_trait]
impl TlsSource for TlsPaths {
    async fn fetch(&self) -> Result<TlsMaterial, TlsError> {
        let paths = self.clone();
        let read = tokio::task::spawn_blocking(move || paths.read()).await;
        read.unwrap_or_else(|source| {
            Err(TlsError::Unreadable {
                from: self.certificate.display().to_string(),
                source: Box::new(source),
            })
        })
    }
}

fn read(path: &Path) -> Result<TlsText, TlsError> {
    let from = path.display().to_string();
    match std::fs::read(path) {
        Ok(pem) => Ok(TlsText { from, pem }),
        Err(source) => Err(TlsError::Unreadable {
            from,
            source: Box::new(source),
        }),
    }
}
