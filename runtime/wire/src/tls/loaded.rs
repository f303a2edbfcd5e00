//! Checks texts and makes of them what connections need.

use std::sync::Arc;

use greenroom_kernel::MemberRole;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use super::peer::{Admitting, names, tls_admits};
use super::{TlsError, TlsMaterial, TlsText};

/// The application protocol of gRPC.
const HTTP2: &[u8] = b"h2";
const AUTHORITY: &str = "authority's certificate";

/// An identity as it was read last.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Of an agent host, and of a supervisor: they admit others.
    servers: [Arc<ServerConfig>; 2],
    pub(super) client: Arc<ClientConfig>,
    /// What is shown, the own certificate first.
    chain: Vec<CertificateDer<'static>>,
    vouching: Arc<dyn ClientCertVerifier>,
    pub(super) fingerprint: u64,
}

impl Loaded {
    pub(super) fn server(&self, role: MemberRole) -> Arc<ServerConfig> {
        let [agent, supervisor] = &self.servers;
        Arc::clone(match role {
            MemberRole::Agent => agent,
            MemberRole::Supervisor | MemberRole::Gateway => supervisor,
        })
    }

    pub(super) fn is_of(&self, role: MemberRole) -> bool {
        self.chain.first().is_some_and(|own| names(own, role))
    }

    pub(super) fn roles(&self) -> String {
        let all = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];
        let of: Vec<&str> = all
            .into_iter()
            .filter(|role| self.is_of(*role))
            .map(MemberRole::as_str)
            .collect();
        match of.is_empty() {
            true => "no role of Greenroom's".to_owned(),
            false => of.join(" and "),
        }
    }

    /// Why those who trust the same authorities would refuse it now, whatever its role.
    pub(super) fn vouched(&self) -> Result<(), rustls::Error> {
        let Some((own, between)) = self.chain.split_first() else {
            return Err(rustls::Error::NoCertificatesPresented);
        };
        let verified = self.vouching.verify_client_cert(own, between, UnixTime::now());
        verified.map(drop)
    }
}

/// Of one that has to name `role`, if there is one.
pub(super) fn load(material: &TlsMaterial, role: Option<MemberRole>) -> Result<Loaded, TlsError> {
    let loaded = read(material)?;
    match role.filter(|role| !loaded.is_of(*role)) {
        None => Ok(loaded),
        Some(role) => Err(TlsError::Role {
            from: material.certificate.from.clone(),
            named: loaded.roles(),
            role,
        }),
    }
}

fn read(material: &TlsMaterial) -> Result<Loaded, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |why: String| TlsError::Unusable {
        from: material.authority.from.clone(),
        what: AUTHORITY,
        why,
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(&material.authority, AUTHORITY)? {
        roots.add(root).map_err(|error| unusable(error.to_string()))?;
    }
    let roots = Arc::new(roots);
    let chain = certificates(&material.certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&material.key.pem).map_err(|_| TlsError::Empty {
        from: material.key.from.clone(),
        what: "private key",
    })?;
    let mismatch = |source| TlsError::Mismatch {
        certificate: material.certificate.from.clone(),
        key: material.key.from.clone(),
        source,
    };

    let vouching: Arc<dyn ClientCertVerifier> =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
    let serving = |role: MemberRole| {
        let admitting = Admitting {
            vouched: Arc::clone(&vouching),
            admits: tls_admits(role),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(mismatch)?
            .with_client_cert_verifier(Arc::new(admitting))
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(mismatch)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(config))
    };
    let servers = [serving(MemberRole::Agent)?, serving(MemberRole::Supervisor)?];
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(mismatch)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.clone(), key)
        .map_err(mismatch)?;
    client.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Loaded {
        servers,
        client: Arc::new(client),
        chain,
        vouching,
        fingerprint: material.fingerprint(),
    })
}

fn certificates(text: &TlsText, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text.pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(TlsError::Empty {
            from: text.from.clone(),
            what,
        }),
    }
}
