//! TLS between our own processes: each proves by a certificate of one private authority which role it has, and asks the
//! other for the same.
//!
//! Addresses come from discovery and change; what a certificate names is the role. What an identity is read from may
//! change and is read again: new connections use what it holds then, open ones live on. What can't be used, or is of
//! another role, leaves what was read before in force; the log and [`TlsIdentity::complaint`] say so.

mod dial;
mod error;
mod files;
mod listen;
mod loaded;
mod material;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
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
    /// What the certificate has to name, now and whenever it is read again.
    role: Option<MemberRole>,
    loaded: ArcSwap<Loaded>,
    /// Why what was read last is not in force.
    complaint: ArcSwapOption<String>,
}

impl TlsIdentity {
    /// Reads files, as a process of `role`. Blocks while they are read.
    ///
    /// # Errors
    /// What is wrong with which file; [`TlsError::Role`] where the certificate is another role's.
    pub fn load(paths: TlsPaths, role: MemberRole) -> Result<Arc<Self>, TlsError> {
        let material = paths.read()?;
        Self::of(&material, Arc::new(paths), Some(role))
    }

    /// Reads from wherever it is, as a process of `role`.
    ///
    /// # Errors
    /// As the source's, and what is wrong with which text, as [`Self::load`].
    pub async fn open(source: Arc<dyn TlsSource>, role: MemberRole) -> Result<Arc<Self>, TlsError> {
        let material = source.fetch().await?;
        Self::of(&material, source, Some(role))
    }

    /// Reads from wherever it is, whatever its role: for who examines an identity, not for who has it.
    ///
    /// # Errors
    /// As the source's, and what is wrong with which text.
    pub async fn examine(source: Arc<dyn TlsSource>) -> Result<Arc<Self>, TlsError> {
        let material = source.fetch().await?;
        Self::of(&material, source, None)
    }

    fn of(
        material: &TlsMaterial,
        source: Arc<dyn TlsSource>,
        role: Option<MemberRole>,
    ) -> Result<Arc<Self>, TlsError> {
        let loaded = ArcSwap::from_pointee(loaded::load(material, role)?);
        Ok(Arc::new(Self {
            source,
            role,
            loaded,
            complaint: ArcSwapOption::empty(),
        }))
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

    /// The roles that the certificate names, for people.
    pub fn roles(&self) -> String {
        self.loaded.load().roles()
    }

    /// Why what was read last is not in force, and what was read before still is. None where all is well.
    pub fn complaint(&self) -> Option<String> {
        self.complaint.load().as_deref().cloned()
    }

    /// Reads it again. Tells whether it holds anything else than before.
    ///
    /// # Errors
    /// As [`Self::open`], of the same role; what was read before stays in force.
    pub async fn reload(&self) -> Result<bool, TlsError> {
        let reloaded = self.renew().await;
        let complaint = reloaded.as_ref().err().map(|error| Arc::new(error.to_string()));
        self.complaint.store(complaint);
        reloaded
    }

    async fn renew(&self) -> Result<bool, TlsError> {
        let material = self.source.fetch().await?;
        if material.fingerprint() == self.loaded.load().fingerprint {
            return Ok(false);
        }
        self.loaded.store(Arc::new(loaded::load(&material, self.role)?));
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
                        refused(&error);
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

fn refused(error: &TlsError) {
    match error {
        // No half of a file names another role: somebody put it there.
        TlsError::Role { .. } => {
            tracing::error!(%error, "a new certificate is refused: the one read before stays in force");
        }
        _ => tracing::warn!(%error, "certificates can't be read: those read before stay in force"),
    }
}

#[cfg(test)]
mod tests;
