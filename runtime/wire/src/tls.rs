//! TLS between our own processes: each proves by a certificate of one private authority which role it has, and asks the
//! other for the same.
//!
//! Addresses come from discovery and change; what a certificate names is the role. Files that change are read again: new
//! connections use what they hold then, open ones live on. A file that can't be used leaves what was read before in
//! force, and the log says so.

mod dial;
mod files;
mod listen;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use greenroom_kernel::MemberRole;
use rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;

pub use files::TlsError;

pub(crate) use dial::dial_tls;
pub(crate) use listen::TlsIncoming;

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

/// The name in the certificate of every process of a role.
pub fn tls_name(role: MemberRole) -> String {
    format!("{role}.greenroom.internal")
}

/// What the files held when they were last read.
#[derive(Debug)]
struct Loaded {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    fingerprint: u64,
}

/// A process's identity, kept up to date with its files.
#[derive(Debug)]
pub struct TlsIdentity {
    paths: TlsPaths,
    loaded: ArcSwap<Loaded>,
}

impl TlsIdentity {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(paths: TlsPaths) -> Result<Arc<Self>, TlsError> {
        let loaded = ArcSwap::from_pointee(files::load(&paths)?);
        Ok(Arc::new(Self { paths, loaded }))
    }

    /// Reads the files again. Tells whether they hold anything else than before.
    ///
    /// # Errors
    /// What is wrong with which file; what was read before stays in force.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let fresh = files::load(&self.paths)?;
        let news = fresh.fingerprint != self.loaded.load().fingerprint;
        if news {
            self.loaded.store(Arc::new(fresh));
        }
        Ok(news)
    }

    /// Reads the files again and again, until `until` fires.
    pub async fn watch(self: Arc<Self>, every: Duration, until: CancellationToken) {
        let mut complaint = None;
        while until
            .run_until_cancelled(tokio::time::sleep(every))
            .await
            .is_some()
        {
            let this = Arc::clone(&self);
            let Ok(reloaded) = tokio::task::spawn_blocking(move || this.reload()).await else {
                continue;
            };
            match reloaded {
                Ok(true) => tracing::info!("new certificates are in force"),
                Ok(false) => {}
                // Half written, perhaps: told once, and tried again.
                Err(error) => {
                    let said = error.to_string();
                    if complaint.as_ref() != Some(&said) {
                        tracing::warn!(%error, "certificates can't be read: those read before stay in force");
                    }
                    complaint = Some(said);
                    continue;
                }
            }
            complaint = None;
        }
    }

    fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.load().server)
    }

    fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.loaded.load().client)
    }
}

#[cfg(test)]
mod tests;
