//! Why no identity can be made of what there is.

/// Texts that no identity can be made of. `from` is where one is: a file, or a secret's member.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It can't be read.
    #[error("{from} can't be read")]
    Unreadable {
        /// Which.
        from: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It holds nothing of what it should.
    #[error("{from} holds no {what} in PEM form")]
    Empty {
        /// Which.
        from: String,
        /// What should be in it.
        what: &'static str,
    },
    /// Its content makes no sense.
    #[error("{from} holds no usable {what}: {why}")]
    Unusable {
        /// Which.
        from: String,
        /// What should be in it.
        what: &'static str,
        /// Why it can't be used.
        why: String,
    },
    /// They don't belong together.
    #[error("{certificate} and {key} don't belong together: {source}")]
    Mismatch {
        /// The certificate.
        certificate: String,
        /// The key.
        key: String,
        /// Why.
        source: rustls::Error,
    },
}
