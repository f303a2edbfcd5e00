//! Connections to one provider: straight, or through the proxy that the environment names for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::base_url::BaseUrl;

/// How long a connection may be silent before the network is asked whether it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why no connection can be made to a provider, wherever it is.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// TLS has no certificates to begin from.
    #[error("TLS can't be set up: does this machine have root certificates?")]
    Tls(#[from] rustls::Error),
    /// The proxy of the environment is of a kind that isn't known.
    #[error(
        "the proxy for it is of the kind `{scheme}`: only http proxies are known; see HTTPS_PROXY and NO_PROXY"
    )]
    Proxy {
        /// Its URL's scheme.
        scheme: String,
    },
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
enum Way {
    Straight(HttpsConnector<HttpConnector>),
    /// Through a proxy, asked for a tunnel for http and https alike.
    Tunnel(HttpsConnector<Tunnel<HttpConnector>>),
}

/// Makes connections, each within a time.
#[derive(Clone)]
pub(super) struct Connector {
    way: Way,
    timeout: Duration,
}

impl Connector {
    pub(super) fn to(base: &BaseUrl, timeout: Duration) -> Result<Self, ConnectorError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_connect_timeout(Some(timeout));
        let tls = tls(base)?;
        let way = match proxy(base)? {
            None => Way::Straight(https(tls).wrap_connector(http)),
            Some((at, auth)) => {
                let tunnel = Tunnel::new(at, http);
                let tunnel = match auth {
                    Some(auth) => tunnel.with_auth(auth),
                    None => tunnel,
                };
                Way::Tunnel(https(tls).wrap_connector(tunnel))
            }
        };
        Ok(Self { way, timeout })
    }
}

type Builder = HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols3>;

fn https(tls: ClientConfig) -> Builder {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
}

/// The machine's root certificates; none where none is ever checked, so that none is missed.
fn tls(base: &BaseUrl) -> Result<ClientConfig, ConnectorError> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = if base.is_https() {
        config.with_platform_verifier()?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

type Proxy = (Uri, Option<http::HeaderValue>);

/// The proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name for a provider. None is asked for servers of
/// this machine.
fn proxy(base: &BaseUrl) -> Result<Option<Proxy>, ConnectorError> {
    if base.is_loopback() {
        return Ok(None);
    }
    let Some(found) = Matcher::from_env().intercept(&base.join("")) else {
        return Ok(None);
    };
    match found.uri().scheme_str() {
        Some("http") | None => Ok(Some((found.uri().clone(), found.basic_auth().cloned()))),
        Some(other) => Err(ConnectorError::Proxy {
            scheme: other.to_owned(),
        }),
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.way {
            Way::Straight(connector) => connector.poll_ready(context),
            Way::Tunnel(connector) => connector.poll_ready(context),
        }
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting: Self::Future = match &mut self.way {
            Way::Straight(connector) => Box::pin(connector.call(to)),
            Way::Tunnel(connector) => Box::pin(connector.call(to)),
        };
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_elapsed) => Err(format!("not connected within {} ms", timeout.as_millis()).into()),
            }
        })
    }
}
