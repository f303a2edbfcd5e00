//! The listening side: connections that have shown who they are.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use greenroom_kernel::MemberRole;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{TlsCaller, TlsIdentity};

/// How long a handshake may take, and how many may be under way: behind so many the oldest is given up for the newest. One
/// of ours takes milliseconds, so that strangers who say nothing only crowd out each other.
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
    /// Of a process that is there as `role`.
    pub(crate) fn new(listener: TcpListener, identity: Arc<TlsIdentity>, role: MemberRole) -> Self {
        let (to, connections) = mpsc::channel(HANDSHAKES_AT_ONCE);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, identity, role, to));
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

async fn accept(
    listener: TcpListener,
    identity: Arc<TlsIdentity>,
    role: MemberRole,
    to: mpsc::Sender<TlsConnection>,
) {
    let mut shaking = Shaking::default();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (acceptor, to) = (TlsAcceptor::from(identity.server(role)), to.clone());
        shaking.begin(async move {
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

/// The handshakes under way, the oldest first.
#[derive(Default)]
struct Shaking {
    tasks: JoinSet<()>,
    oldest: VecDeque<AbortHandle>,
}

impl Shaking {
    fn begin(&mut self, handshake: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        if self.oldest.len() >= HANDSHAKES_AT_ONCE {
            self.oldest.retain(|one| !one.is_finished());
        }
        while self.oldest.len() >= HANDSHAKES_AT_ONCE
            && let Some(oldest) = self.oldest.pop_front()
        {
            tracing::warn!(
                "the oldest of {HANDSHAKES_AT_ONCE} handshakes under way is given up for a new one"
            );
            oldest.abort();
        }
        self.oldest.push_back(self.tasks.spawn(handshake));
    }
}

/// One connection whose other end has shown its certificate.
pub(crate) struct TlsConnection(TlsStream<TcpStream>);

impl Connected for TlsConnection {
    type ConnectInfo = TlsCaller;

    fn connect_info(&self) -> TlsCaller {
        let (_, session) = self.0.get_ref();
        TlsCaller::of(session.peer_certificates().and_then(|chain| chain.first()))
    }
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
