//! Reads and checks the files.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use super::{Loaded, TlsPaths};

/// The application protocol of gRPC.
const HTTP2: &[u8] = b"h2";

/// Files that no identity can be made of.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path} can't be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds nothing of what it should.
    #[error("{path} holds no {what} in PEM form")]
    Empty {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// A file's content makes no sense.
    #[error("{path} holds no usable {what}: {why}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why it can't be used.
        why: String,
    },
    /// The files don't belong together.
    #[error("{certificate} and {key} don't belong together: {source}")]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

pub(super) fn load(paths: &TlsPaths) -> Result<Loaded, TlsError> {
    let [authority, certificate, key] =
        [&paths.authority, &paths.certificate, &paths.key].map(|path| read(path));
    let (authority, certificate, key) = (authority?, certificate?, key?);
    let mut hasher = DefaultHasher::new();
    (&authority, &certificate, &key).hash(&mut hasher);

    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates(&paths.authority, &authority, "authority's certificate")? {
        roots.add(root).map_err(|error| TlsError::Unusable {
            path: paths.authority.clone(),
            what: "authority's certificate",
            why: error.to_string(),
        })?;
    }
    let roots = Arc::new(roots);
    let chain = certificates(&paths.certificate, &certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::Empty {
        path: paths.key.clone(),
        what: "private key",
    })?;
    let mismatch = |source| TlsError::Mismatch {
        certificate: paths.certificate.clone(),
        key: paths.key.clone(),
        source,
    };
    let unusable = |why: String| TlsError::Unusable {
        path: paths.authority.clone(),
        what: "authority's certificate",
        why,
    };

    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(mismatch)?
        .with_client_cert_verifier(verifier.map_err(|error| unusable(error.to_string()))?)
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(mismatch)?;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(mismatch)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(mismatch)?;
    server.alpn_protocols = vec![HTTP2.to_vec()];
    client.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Loaded {
        server: Arc::new(server),
        client: Arc::new(client),
        fingerprint: hasher.finish(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn certificates(
    path: &Path,
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(TlsError::Empty {
            path: path.to_owned(),
            what,
        }),
    }
}
