//! The connections: accepted within a bound, each with a time for its headers, and seen to their end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::FutureExt;
use futures::future::Either;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;

use crate::gateway::Inner;
use crate::patient::Patient;
use crate::{edge, v1};

/// How long to leave the listener alone after it failed to accept: out of file descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAX_H2_STREAMS: u32 = 200;
const H2_PING: Duration = Duration::from_secs(20);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
content-type: application/json; charset=utf-8\r\n\r\n\
{\"errors\":[{\"message\":\"too many connections\",\"extensions\":{\"code\":\"RESOURCE_EXHAUSTED\",\"retryable\":true,\"retryAfterMs\":1000}}]}\n";

/// Why a gateway can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is of no use.
    #[error("gateway: the listener has no address")]
    Listener(#[source] std::io::Error),
}

/// Serves until `shutdown` fires and open requests have ended or their time is over.
pub(crate) async fn serve(
    inner: Arc<Inner>,
    routes: Router,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    tracing::info!(%address, "gateway listens");
    let server = Arc::new(Server {
        permits: Arc::new(Semaphore::new(inner.config.max_connections)),
        builder: builder(&inner),
        header_timeout: inner.config.header_timeout,
        routes,
        inner: Arc::clone(&inner),
    });
    let connections = TaskTracker::new();
    let graceful = GracefulShutdown::new();
    // Dropped with this future: nothing outlives it.
    let abort = CancellationToken::new();
    let _abort = abort.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "gateway can't accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&server.permits).try_acquire_owned() else {
            // Best effort: the connection is closed either way.
            let _ = stream.try_write(FULL);
            continue;
        };
        let lease = Lease(Arc::new(Held {
            _permit: permit,
            _token: connections.token(),
            abort: abort.clone(),
        }));
        let connection = Arc::clone(&server).connection(stream, peer, graceful.watcher(), lease.clone());
        connections.spawn(async move { lease.until_abort(connection).await });
    }
    drop(listener);
    inner.closing.cancel();
    connections.close();
    let ended = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(inner.config.shutdown_timeout, ended)
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "gateway shuts down with connections open"
        );
        abort.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// A connection's place among those that are open, kept for as long as anything uses its socket. A WebSocket
/// outlives the HTTP connection it began as.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Held>);

struct Held {
    _permit: OwnedSemaphorePermit,
    _token: TaskTrackerToken,
    abort: CancellationToken,
}

impl Lease {
    /// Runs to the end, or until the server is out of patience.
    pub(crate) async fn until_abort(&self, run: impl Future<Output = ()>) {
        tokio::select! {
            () = run => {}
            () = self.0.abort.cancelled() => {}
        }
    }
}

struct Server {
    permits: Arc<Semaphore>,
    builder: auto::Builder<TokioExecutor>,
    header_timeout: Duration,
    routes: Router,
    inner: Arc<Inner>,
}

impl Server {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
        lease: Lease,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection without TCP_NODELAY");
        }
        let stream = Patient::new(stream, self.inner.config.write_timeout);
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let asked = Arc::clone(&asked);
            let routes = self.routes.clone();
            let inner = Arc::clone(&self.inner);
            move |request: http::Request<hyper::body::Incoming>| {
                asked.store(true, Ordering::Relaxed);
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(lease.clone());
                if v1::is_below(request.uri().path()) {
                    let answer = edge::v1(Arc::clone(&inner), request);
                    Either::Left(Box::pin(answer.map(Ok)))
                } else {
                    Either::Right(routes.clone().call(request))
                }
            }
        });
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = watcher.watch(connection.into_owned());
        let mut connection = std::pin::pin!(connection);
        // hyper times an HTTP/1 head, but neither the preface that tells the version nor an HTTP/2 handshake.
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = tokio::time::sleep(self.header_timeout) => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

fn builder(inner: &Inner) -> auto::Builder<TokioExecutor> {
    let config = &inner.config;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Of headers hyper takes 100 by itself. Told so, it would make room for them on the heap, with every request.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_header_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_H2_STREAMS)
        .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    builder
}
