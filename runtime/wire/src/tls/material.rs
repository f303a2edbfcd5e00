//! What an identity is made of, and where it comes from.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use async_trait::async_trait;

use super::TlsError;

/// A text in PEM form. Never shown: it may be a key.
#[derive(Clone, Hash)]
pub struct TlsText {
    /// Where it is, for people: a file, or a secret's member.
    pub from: String,
    /// What it says.
    pub pem: Vec<u8>,
}

impl fmt::Debug for TlsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsText")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// What an identity is made of.
#[derive(Debug, Clone, Hash)]
pub struct TlsMaterial {
    /// The certificates of the authorities that others' certificates may come from.
    pub authority: TlsText,
    /// The process's own certificate, followed by those between it and the authority, if there are any.
    pub certificate: TlsText,
    /// Its private key.
    pub key: TlsText,
}

impl TlsMaterial {
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Where an identity is read from, again and again.
#[async_trait]
pub trait TlsSource: fmt::Debug + Send + Sync + 'static {
    /// Reads it. May be dropped at any time.
    ///
    /// # Errors
    /// [`TlsError::Unreadable`], saying what can't be read and why.
    async fn fetch(&self) -> Result<TlsMaterial, TlsError>;
}
