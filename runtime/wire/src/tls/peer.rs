//! Who may speak to whom: the names of roles in certificates.

use std::sync::Arc;

use greenroom_kernel::MemberRole;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// The name in the certificate of every process of a role.
pub fn tls_name(role: MemberRole) -> String {
    format!("{role}.greenroom.internal")
}

/// The roles that a process of a role lets in. An agent host runs agents for supervisors alone, and who runs agents has
/// nothing to ask of a supervisor: its callers' names are taken for true there.
pub fn tls_admits(role: MemberRole) -> &'static [MemberRole] {
    match role {
        MemberRole::Agent => &[MemberRole::Supervisor],
        MemberRole::Supervisor => &[MemberRole::Gateway, MemberRole::Supervisor],
        // Its callers are clients, who prove themselves in another way.
        MemberRole::Gateway => &[],
    }
}

/// Whether a certificate names a role.
pub(super) fn names(certificate: &CertificateDer<'_>, role: MemberRole) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return false;
    };
    let name = ServerName::try_from(tls_name(role));
    name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
}

/// What the certificate at the other end of a connection names: every call over it carries this.
#[derive(Debug, Clone)]
pub(crate) struct TlsCaller(Arc<[MemberRole]>);

impl TlsCaller {
    pub(super) fn of(certificate: Option<&CertificateDer<'_>>) -> Self {
        let all = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];
        let named = |role: &MemberRole| certificate.is_some_and(|certificate| names(certificate, *role));
        Self(all.into_iter().filter(named).collect())
    }

    pub(crate) fn is_of(&self, role: MemberRole) -> bool {
        self.0.contains(&role)
    }
}

/// Lets in whom the authority vouches for, and who has a role that is admitted. Within the handshake, so that whoever
/// is refused is told why.
#[derive(Debug)]
pub(super) struct Admitting {
    pub(super) vouched: Arc<dyn ClientCertVerifier>,
    pub(super) admits: &'static [MemberRole],
}

impl ClientCertVerifier for Admitting {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.vouched.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.vouched.verify_client_cert(end_entity, intermediates, now)?;
        match self.admits.iter().any(|role| names(end_entity, *role)) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.vouched.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.vouched.supported_verify_schemes()
    }
}
