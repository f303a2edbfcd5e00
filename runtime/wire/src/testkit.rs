//! A remote handle and its server joined in memory: all of gRPC but the socket, so that a paused clock runs only when
//! both ends wait, and so that a test can cut the line.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use greenroom_kernel::Supervisor;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::channel::endpoint;
use crate::{GrpcServer, GrpcSupervisor, InvalidEndpoint, supervisor_service};

/// No name is looked up: it is what failures name.
const ADDRESS: &str = "http://in-memory:1";
const PIPE_BYTES: usize = 64 * 1024;

/// A served supervisor and the lines to it. Dropped, all of it is gone at once, as a process is.
#[derive(Debug)]
pub struct InMemory {
    _server: JoinSet<()>,
    lines: Arc<Mutex<JoinSet<()>>>,
}

impl InMemory {
    /// Serves `supervisor`, and gives the handle that reaches it. Must be called within a tokio runtime.
    pub fn serve(supervisor: Arc<dyn Supervisor>) -> Result<(GrpcSupervisor, Self), InvalidEndpoint> {
        let (dialled, incoming) = mpsc::channel(16);
        let incoming = ReceiverStream::new(incoming).map(Ok::<_, Infallible>);
        let server = GrpcServer::new().service(supervisor_service(supervisor));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = server.serve_incoming(incoming, CancellationToken::new()).await {
                tracing::error!(%error, "the server in memory failed");
            }
        });
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        let laid = Arc::clone(&lines);
        let dial = tower::service_fn(move |_| {
            let (dialled, laid) = (dialled.clone(), Arc::clone(&laid));
            async move { connect(&dialled, &laid).await.map(TokioIo::new) }
        });
        let channel = endpoint(ADDRESS)?.connect_with_connector_lazy(dial);
        let served = Self {
            _server: tasks,
            lines,
        };
        Ok((GrpcSupervisor::over(ADDRESS, channel), served))
    }

    /// Cuts every connection in the middle of whatever it carries. The next call dials again.
    pub fn cut(&self) {
        self.lines.lock().abort_all();
    }
}

/// A line from a client to the server, through a task that is easy to end.
async fn connect(
    dialled: &mpsc::Sender<DuplexStream>,
    lines: &Mutex<JoinSet<()>>,
) -> io::Result<DuplexStream> {
    let (near, mut out) = duplex(PIPE_BYTES);
    let (mut inward, far) = duplex(PIPE_BYTES);
    dialled
        .send(far)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    lines.lock().spawn(async move {
        if let Err(error) = copy_bidirectional(&mut out, &mut inward).await {
            tracing::debug!(%error, "a line in memory broke");
        }
    });
    Ok(near)
}
