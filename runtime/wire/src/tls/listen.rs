//! The listening side: connections that have shown who they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::TlsIdentity;

/// How long a handshake may take, and how many may be under way: those that come then are dropped at once.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
pub(super) const HANDSHAKES_AT_ONCE: usize = 256;
/// How long no connection is taken after one could not be: the process has no descriptors left, perhaps.
const PAUSE: Duration = Duration::from_millis(100);

/// A stream of connections; a stranger's is dropped, and holds up nobody.
pub(crate) struct TlsIncoming {
    connections: mpsc::Receiver<TlsConnection>,
    /// Ends with this.
    _accepting: JoinSet<()>,
}

impl TlsIncoming {
    pub(crate) fn new(listener: TcpListener, identity: Arc<TlsIdentity>) -> Self {
        let (to, connections) = mpsc::channel(HANDSHAKES_AT_ONCE);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, identity, to));
        Self {
            connections,
            _accepting: accepting,
        }
    }
}

impl Stream for TlsIncoming {
    type Item = io::Result<TlsConnection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections
            .poll_recv(cx)
            .map(|connection| connection.map(Ok))
    }
}

async fn accept(listener: TcpListener, identity: Arc<TlsIdentity>, to: mpsc::Sender<TlsConnection>) {
    let mut shaking = JoinSet::new();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while shaking.try_join_next().is_some() {}
        if shaking.len() >= HANDSHAKES_AT_ONCE {
            // Whoever is told so at once can come again; one that waits behind strangers learns nothing.
            tracing::warn!(%from, "a connection was refused: {HANDSHAKES_AT_ONCE} handshakes are under way");
            continue;
        }
        let (acceptor, to) = (TlsAcceptor::from(identity.server()), to.clone());
        shaking.spawn(async move {
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                // Nobody takes it where the server has ended.
                Ok(Ok(stream)) => drop(to.send(TlsConnection(stream)).await),
                Ok(Err(error)) => tracing::warn!(%from, %error, "a connection was refused"),
                Err(_) => tracing::warn!(%from, "a connection was refused: its handshake took too long"),
            }
        });
    }
}

/// One connection whose other end has shown its certificate.
pub(crate) struct TlsConnection(TlsStream<TcpStream>);

impl Connected for TlsConnection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        all: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
