//! A gRPC connection between two halves of one process: the same HTTP/2, frames and calls as between two, without
//! the operating system's sockets, whose syscalls cost more than the rest of a short call.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Bytes under way in one direction; a writer waits for its reader beyond them. A socket's usual buffer.
pub(crate) const PIPE_BYTES: usize = 256 * 1024;
/// Connections dialled and not yet accepted.
const BACKLOG: usize = 8;

/// The dialling side. Clones dial the same listener.
#[derive(Debug, Clone)]
pub struct InProcessDialer {
    accept: mpsc::Sender<DuplexStream>,
}

/// The listening side: connections in the order they were dialled. Dropping it refuses further ones.
#[derive(Debug)]
pub struct InProcessListener {
    dialled: mpsc::Receiver<DuplexStream>,
}

/// A listener and the way to it.
pub fn in_process() -> (InProcessDialer, InProcessListener) {
    let (accept, dialled) = mpsc::channel(BACKLOG);
    (InProcessDialer { accept }, InProcessListener { dialled })
}

impl InProcessDialer {
    /// Connects; waits while the backlog is full.
    ///
    /// # Errors
    /// `ConnectionRefused` when the listener is gone.
    pub(crate) async fn dial(self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let refused = |_| {
            io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "nothing in this process listens",
            )
        };
        self.accept.send(theirs).await.map_err(refused)?;
        Ok(ours)
    }
}

impl Stream for InProcessListener {
    type Item = io::Result<DuplexStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.dialled.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}
