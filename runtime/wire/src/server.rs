//! What every gRPC server of ours has in common: health, reflection, HTTP/2 settings, an orderly end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use greenroom_kernel::MemberRole;
use greenroom_proto::v1::FILE_DESCRIPTOR_SET;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::{Connected, Server, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder as Reflection;

use crate::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::tls::TlsIncoming;
use crate::{InProcessListener, TlsIdentity};

/// More calls at once than a fleet's busiest pair of processes makes. (The default, 200, would queue runs unseen.)
const MAX_STREAMS: u32 = 10_000;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections may linger once nothing new is taken: health watchers never leave by themselves.
const LINGER: Duration = Duration::from_secs(2);

/// A server could not be built or broke.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors for reflection make no sense.
    #[error("gRPC reflection could not be set up")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Tells health checks whether the server takes work.
#[derive(Debug, Clone)]
pub struct ServingState {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl ServingState {
    /// Says whether the server takes work, for all its services.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in std::iter::once("").chain(self.names.iter().copied()) {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// A gRPC server in the making.
#[derive(Debug, Default)]
pub struct GrpcServer {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    reporter: HealthReporter,
    in_process: Option<InProcessListener>,
    tls: Option<(Arc<TlsIdentity>, MemberRole)>,
}

impl GrpcServer {
    /// A server with nothing but health and reflection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Takes connections of this process too, beside the port's.
    #[must_use]
    pub fn in_process(mut self, listener: InProcessListener) -> Self {
        self.in_process = Some(listener);
        self
    }

    /// Takes only connections at the port whose other end shows a certificate of a role that one of `role` lets in
    /// ([`tls_admits`](crate::tls_admits)), and shows its own. Connections of this process need none.
    #[must_use]
    pub fn tls(mut self, identity: Arc<TlsIdentity>, role: MemberRole) -> Self {
        self.tls = Some((identity, role));
        self
    }

    /// The switch that health checks follow; serving from the start.
    pub fn serving_state(&self) -> ServingState {
        ServingState {
            reporter: self.reporter.clone(),
            names: self.names.clone(),
        }
    }

    /// Serves on `listener` until `shutdown` fires; then takes no further connection or call, lets open calls end
    /// and returns when all are over, or shortly after at the latest.
    ///
    /// Cancel-safety: dropping the future closes the listener; open connections live on.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let (in_process, tls) = (self.in_process.take(), self.tls.take());
        let routes = self.into_routes().await?;
        let at_port = routes.clone();
        let port = async {
            match tls {
                Some((identity, role)) => {
                    serve_until(&shutdown, at_port, TlsIncoming::new(listener, identity, role)).await
                }
                None => {
                    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                    serve_until(&shutdown, at_port, incoming).await
                }
            }
        };
        let served = async {
            match in_process {
                Some(within) => {
                    let pipe = serve_until(&shutdown, routes, within);
                    tokio::try_join!(port, pipe).map(drop)
                }
                None => port.await,
            }
        };
        within_linger(&shutdown, served).await
    }

    /// The same without a port: for connections of this process alone.
    pub async fn serve_in_process(
        self,
        listener: InProcessListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let routes = self.into_routes().await?;
        within_linger(&shutdown, serve_until(&shutdown, routes, listener)).await
    }

    async fn into_routes(self) -> Result<Routes, ServeError> {
        self.serving_state().set_serving(true).await;
        let mut routes = self.routes;
        routes
            .add_service(HealthServer::new(HealthService::from_health_reporter(
                self.reporter,
            )))
            .add_service(reflection(&self.names).build_v1()?)
            .add_service(reflection(&self.names).build_v1alpha()?);
        Ok(routes.routes())
    }
}

async fn serve_until<I, C, E>(
    shutdown: &CancellationToken,
    routes: Routes,
    incoming: I,
) -> Result<(), tonic::transport::Error>
where
    I: Stream<Item = Result<C, E>>,
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        // Runs that are cancelled in a burst, or that both sides end at once, are no attack: callers are our own
        // processes.
        .http2_max_pending_accept_reset_streams(Some(MAX_STREAMS as usize))
        .http2_max_local_error_reset_streams(None)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned())
        .await
}

/// Waits for `served`, but for connections that linger after `shutdown` no longer than [`LINGER`].
async fn within_linger(
    shutdown: &CancellationToken,
    served: impl Future<Output = Result<(), tonic::transport::Error>>,
) -> Result<(), ServeError> {
    let lingered = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = served => served?,
        () = lingered => tracing::debug!("connections that did not end in time are left to their peers"),
    }
    Ok(())
}

/// Names what is served here, not everything the contracts define.
fn reflection(names: &[&'static str]) -> Reflection<'static> {
    let common = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    let described = Reflection::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let names = names.iter().copied().chain(common);
    names.fold(described, |described, name| described.with_service_name(name))
}
