//! TLS between our own processes: each proves by a certificate of one private authority which role it has, and asks the
//! other for the same.
//!
//! Addresses come from discovery and change; what a certificate names is the role. What an identity is read from may
//! change and is read again: new connections use what it holds then, open ones live on. What can't be used leaves what
//! was read before in force, and the log says so.

mod dial;
mod error;
mod files;
mod listen;
mod loaded;
mod material;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use greenroom_kernel::MemberRole;
use rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;

pub use error::TlsError;
pub use files::TlsPaths;
pub use material::{TlsMaterial, TlsSource, TlsText};
pub use peer::{tls_admits, tls_name};

pub(crate) use dial::dial_tls;
pub(crate) use listen::TlsIncoming;
pub(crate) use peer::TlsCaller;

use loaded::Loaded;

/// A process's identity, kept up to date with what it is read from.
#[derive(Debug)]
pub struct TlsIdentity {
    source: Arc<dyn TlsSource>,
    loaded: ArcSwap<Loaded>,
}

impl TlsIdentity {
    /// Reads files. Blocks while they are read.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(paths: TlsPaths) -> Result<Arc<Self>, TlsError> {
        let material = paths.read()?;
        Self::of(&material, Arc::new(paths))
    }

    /// Reads from wherever it is.
    ///
    /// # Errors
    /// As the source's, and what is wrong with which text.
    pub async fn open(source: Arc<dyn TlsSource>) -> Result<Arc<Self>, TlsError> {
        let material = source.fetch().await?;
        Self::of(&material, source)
    }

    fn of(material: &TlsMaterial, source: Arc<dyn TlsSource>) -> Result<Arc<Self>, TlsError> {
        let loaded = ArcSwap::from_pointee(loaded::load(material)?);
        Ok(Arc::new(Self { source, loaded }))
    }

    /// Whether the certificate is one of this role: others take the process for what it names.
    pub fn is_of(&self, role: MemberRole) -> bool {
        self.loaded.load().is_of(role)
    }

    /// Whether those who trust the same authorities would take the certificate now, by its issuer and its dates.
    ///
    /// # Errors
    /// Why they wouldn't.
    pub fn vouched(&self) -> Result<(), String> {
        let vouched = self.loaded.load().vouched();
        vouched.map_err(|error| error.to_string())
    }

    /// Reads it again. Tells whether it holds anything else than before.
    ///
    /// # Errors
    /// As [`Self::open`]; what was read before stays in force.
    pub async fn reload(&self) -> Result<bool, TlsError> {
        let material = self.source.fetch().await?;
        if material.fingerprint() == self.loaded.load().fingerprint {
            return Ok(false);
        }
        self.loaded.store(Arc::new(loaded::load(&material)?));
        Ok(true)
    }

    /// Reads it again and again, until `until` fires.
    pub async fn watch(self: Arc<Self>, every: Duration, until: CancellationToken) {
        let mut complaint = None;
        while until
            .run_until_cancelled(tokio::time::sleep(every))
            .await
            .is_some()
        {
            let Some(reloaded) = until.run_until_cancelled(self.reload()).await else {
                return;
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

    fn server(&self, role: MemberRole) -> Arc<ServerConfig> {
        self.loaded.load().server(role)
    }

    fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.loaded.load().client)
    }
}

#[cfg(test)]
mod tests;
