//! Remote handles and their servers joined in memory: all of gRPC but the socket, so that a paused clock runs only when
//! both ends wait, and so that a test can cut the line.

mod fleet;

use std::io;
use std::sync::Arc;

use greenroom_kernel::{NodeId, Supervisor};
use parking_lot::Mutex;
use tokio::io::{DuplexStream, copy_bidirectional};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::channel::dial_by;
use crate::in_process::PIPE_BYTES;
use crate::supervisor::serve;
use crate::{GrpcServer, GrpcSupervisor, InProcessDialer, in_process};

pub use fleet::Fleet;

/// What failures name.
const ADDRESS: &str = "http://in-memory:1";

/// A served supervisor and the lines to it. Dropped, all of it is gone at once, as a process is.
#[derive(Debug)]
pub struct InMemory {
    _tasks: JoinSet<()>,
    line: Line,
}

impl InMemory {
    /// Serves `supervisor`, and gives the handle that reaches it. Must be called within a tokio runtime.
    pub fn serve(supervisor: Arc<dyn Supervisor>) -> (GrpcSupervisor, Self) {
        let served = Self::serve_as(None, supervisor);
        let line = served.line.clone();
        let handle = GrpcSupervisor::over(ADDRESS, line_channel(move || Ok(line.clone())));
        (handle, served)
    }

    fn serve_as(node: Option<&NodeId>, supervisor: Arc<dyn Supervisor>) -> Self {
        let (to_server, listener) = in_process();
        let server = GrpcServer::new().service(serve(node, supervisor));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let served = server.serve_in_process(listener, CancellationToken::new());
            if let Err(error) = served.await {
                tracing::error!(%error, "the server in memory failed");
            }
        });
        let line = Line {
            to_server,
            laid: Arc::default(),
        };
        Self { _tasks: tasks, line }
    }

    /// Cuts every connection in the middle of whatever it carries. The next call dials again.
    pub fn cut(&self) {
        self.line.laid.lock().abort_all();
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        self.cut();
    }
}

/// A way to a server, through tasks that are easy to end.
#[derive(Debug, Clone)]
struct Line {
    to_server: InProcessDialer,
    laid: Arc<Mutex<JoinSet<()>>>,
}

impl Line {
    fn connect(&self) -> DuplexStream {
        let (ours, near) = tokio::io::duplex(PIPE_BYTES);
        self.laid.lock().spawn(lay(near, self.to_server.clone()));
        ours
    }
}

/// A channel over whichever line `find` finds when one is dialled; none is a refused connection.
fn line_channel(find: impl Fn() -> io::Result<Line> + Send + 'static) -> Channel {
    dial_by(move || {
        let connected = find().map(|line| line.connect());
        std::future::ready(connected)
    })
}

async fn lay(mut near: DuplexStream, to_server: InProcessDialer) {
    let joined: io::Result<()> = async {
        let mut far = to_server.dial().await?;
        copy_bidirectional(&mut near, &mut far).await.map(drop)
    }
    .await;
    if let Err(error) = joined {
        tracing::debug!(%error, "a line in memory broke");
    }
}
