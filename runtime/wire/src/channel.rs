//! One HTTP/2 connection to another process, kept for good: dialled when first needed, dialled again when it broke.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{ErrorCode, Failure, HostPort, MemberRole};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tonic::transport::{Channel, Endpoint};

use crate::tls::dial_tls;
use crate::{InProcessDialer, Links, TlsIdentity, tls_name};

/// How long a connection may take until it can be used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer whose machine vanished is noticed within the sum of these.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Flow control windows, fixed: large enough that a run's frames never wait for an update. Adaptive windows would
/// ping with the data of every small stream.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// A text is no address that can be dialled.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint:?} can't be dialled: give an address like http://127.0.0.1:7071")]
pub struct InvalidEndpoint {
    endpoint: String,
    #[source]
    source: Option<tonic::transport::Error>,
}

impl InvalidEndpoint {
    /// The same of what somebody wrote.
    pub(crate) fn naming(self, endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            ..self
        }
    }
}

pub(crate) fn dial_lazily(address: &str) -> Result<Channel, InvalidEndpoint> {
    let endpoint = endpoint(address)?.connect_timeout(CONNECT_TIMEOUT);
    Ok(endpoint.connect_lazy())
}

/// As [`dial_lazily`], to a process that has a role and proves it.
pub(crate) fn dial_with_tls(
    address: &str,
    identity: Arc<TlsIdentity>,
    role: MemberRole,
) -> Result<Channel, InvalidEndpoint> {
    let endpoint = endpoint(address)?;
    let expected = ServerName::try_from(tls_name(role)).map_err(|_| InvalidEndpoint {
        endpoint: address.to_owned(),
        source: None,
    })?;
    Ok(dial_tls(endpoint, identity, expected))
}

/// As [`dial_lazily`], to another process of the system wherever a directory or one of its own says it is: by TLS where
/// this process has an identity, else only on loopback.
///
/// # Errors
/// UNAVAILABLE, not worth repeating: nothing but another configuration mends it.
pub(crate) fn dial_process(
    address: &HostPort,
    role: MemberRole,
    tls: Option<&Arc<TlsIdentity>>,
) -> Result<Channel, Failure> {
    let dialled = Links::new(tls.cloned()).dial(&address.to_string(), role);
    dialled.map_err(|error| Failure::new(ErrorCode::Unavailable, error.to_string()))
}

/// How `address` is dialled, and its connection kept.
fn endpoint(address: &str) -> Result<Endpoint, InvalidEndpoint> {
    let invalid = |source| InvalidEndpoint {
        endpoint: address.to_owned(),
        source,
    };
    let uri = match address.split_once("://") {
        Some(("http", _)) => address.to_owned(),
        Some(_) => return Err(invalid(None)),
        None => format!("http://{address}"),
    };
    let endpoint = Endpoint::from_shared(uri).map_err(|e| invalid(Some(e)))?;
    if endpoint
        .uri()
        .authority()
        .is_none_or(|authority| authority.port().is_none())
    {
        return Err(invalid(None));
    }
    Ok(kept(endpoint).tcp_nodelay(true))
}

/// As [`dial_lazily`], to a listener of this process.
pub(crate) fn dial_in_process(dialer: InProcessDialer) -> Channel {
    dial_by(move || dialer.clone().dial())
}

/// As [`dial_lazily`], over what `connect` gives.
pub(crate) fn dial_by<F>(connect: impl Fn() -> F + Send + 'static) -> Channel
where
    F: Future<Output = io::Result<DuplexStream>> + Send + 'static,
{
    // Never resolved: HTTP/2 wants an authority all the same.
    let endpoint = kept(Endpoint::from_static("http://in.process"));
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let connected = connect();
        async move { in_time(connected).await.map(TokioIo::new) }
    }))
}

/// Bounds a connector of our own. The endpoint's bound would fail outside of what connecting failed with, where nothing
/// tells it from a connection that fell silent with a call on it.
pub(crate) async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await?
}

fn kept(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Streams that both sides end at once are no attack between our own processes.
        .http2_max_local_error_reset_streams(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_that_cannot_be_dialled_are_refused_by_name() {
        for good in ["http://127.0.0.1:7071", "localhost:7071", "http://[::1]:7071"] {
            assert!(dial_lazily(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "host",
            "http://host",
            "https://host:1",
            "unix:///x",
            "http://a b:1",
        ] {
            let error = dial_lazily(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} can't be dialled")), "{error}");
        }
    }

    #[tokio::test]
    async fn what_leaves_the_machine_is_not_said_in_plaintext() {
        let dial = |address: &str| dial_process(&address.parse().unwrap(), MemberRole::Supervisor, None);
        for near in ["127.0.0.1:7070", "127.8.9.1:7070", "[::1]:7070", "localhost:7070"] {
            assert!(dial(near).is_ok(), "{near}");
        }
        for far in [
            "10.0.0.7:7070",
            "0.0.0.0:7070",
            "localhost.example:7070",
            "supervisor:7070",
        ] {
            let failure = dial(far).unwrap_err();
            assert!(!failure.retryable, "{far}");
            assert!(
                failure.message.contains(far) && failure.message.contains("[tls]"),
                "{failure}"
            );
        }
    }
}
