//! The dialling side.

use std::io;
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::TlsIdentity;
use crate::channel::in_time;

/// As dialled without TLS, to a process whose certificate names `expected`, whatever its address.
pub(crate) fn dial_tls(
    endpoint: Endpoint,
    identity: Arc<TlsIdentity>,
    expected: ServerName<'static>,
) -> Channel {
    endpoint.connect_with_connector_lazy(tower::service_fn(move |uri: Uri| {
        let (identity, expected) = (Arc::clone(&identity), expected.clone());
        async move { in_time(shake(&uri, &identity, expected)).await.map(TokioIo::new) }
    }))
}

async fn shake(
    uri: &Uri,
    identity: &TlsIdentity,
    expected: ServerName<'static>,
) -> io::Result<TlsStream<TcpStream>> {
    let unusable = || io::Error::new(io::ErrorKind::InvalidInput, "the address has no host and port");
    let host = uri.host().ok_or_else(unusable)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().ok_or_else(unusable)?;
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(identity.client())
        .connect(expected, stream)
        .await
}
