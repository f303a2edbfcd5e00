//! A remote handle and its server joined in memory: all of gRPC but the socket, so that a paused clock runs only when
//! both ends wait, and so that a test can cut the line.

use std::io;
use std::sync::Arc;

use futures::StreamExt as _;
use greenroom_kernel::Supervisor;
use parking_lot::Mutex;
use tokio::io::{DuplexStream, copy_bidirectional};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channel::dial_in_process;
use crate::{GrpcServer, GrpcSupervisor, InProcessDialer, in_process, supervisor_service};

/// What failures name.
const ADDRESS: &str = "http://in-memory:1";

/// A served supervisor and the lines to it. Dropped, all of it is gone at once, as a process is.
#[derive(Debug)]
pub struct InMemory {
    _tasks: JoinSet<()>,
    lines: Arc<Mutex<JoinSet<()>>>,
}

impl InMemory {
    /// Serves `supervisor`, and gives the handle that reaches it. Must be called within a tokio runtime.
    pub fn serve(supervisor: Arc<dyn Supervisor>) -> (GrpcSupervisor, Self) {
        let (to_server, listener) = in_process();
        let server = GrpcServer::new().service(supervisor_service(supervisor));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let served = server.serve_in_process(listener, CancellationToken::new());
            if let Err(error) = served.await {
                tracing::error!(%error, "the server in memory failed");
            }
        });
        let (dialer, mut dialled) = in_process();
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        let laid = Arc::clone(&lines);
        tasks.spawn(async move {
            while let Some(Ok(near)) = dialled.next().await {
                laid.lock().spawn(lay(near, to_server.clone()));
            }
        });
        let served = Self { _tasks: tasks, lines };
        (GrpcSupervisor::over(ADDRESS, dial_in_process(dialer)), served)
    }

    /// Cuts every connection in the middle of whatever it carries. The next call dials again.
    pub fn cut(&self) {
        self.lines.lock().abort_all();
    }
}

/// A line from a client to the server, in a task that is easy to end.
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
