//! Why no identity can be made of what there is.

use greenroom_kernel::MemberRole;

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
    /// The certificate is another role's: others would take the process for what it names, or refuse it.
    #[error("{from} is a certificate for {named}, and this process is of the role {role}")]
    Role {
        /// Where the certificate is.
        from: String,
        /// The roles that it names, for people.
        named: String,
        /// The one that it has to name.
        role: MemberRole,
    },
}
