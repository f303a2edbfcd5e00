//! The life of a process in a role: it starts, serves until it is told to stop or a server fails, and ends in order
//! within a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom_models::Accounts;
use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::leave::Leave;
use super::ready::ReadyFile;
use super::signals::Signals;
use super::telemetry;
use crate::config::Config;
use crate::failed::{Failed, chain};
use crate::output;

/// How long a start that failed may take to leave.
const AFTER_A_START: Duration = Duration::from_secs(5);
/// The exit status of a process that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// What runs in every role.
pub(crate) struct Life {
    /// Those that end only when they are told to.
    pub(crate) servers: JoinSet<Result<(), Failed>>,
    /// What accompanies them.
    pub(crate) background: TaskTracker,
    /// Set once the process takes no new work: it is not ready any more.
    pub(crate) draining: Arc<AtomicBool>,
    /// Fires when no new work is taken any more.
    pub(crate) closing: CancellationToken,
    /// The file that says that it serves.
    pub(crate) ready: Option<ReadyFile>,
}

impl Life {
    /// Nothing runs yet.
    pub(crate) fn new() -> Self {
        Self {
            servers: JoinSet::new(),
            background: TaskTracker::new(),
            draining: Arc::default(),
            closing: CancellationToken::new(),
            ready: None,
        }
    }

    /// Runs a server.
    pub(crate) fn serve<E: std::error::Error>(
        &mut self,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.servers
            .spawn(async move { server.await.map_err(Failed::from) });
    }

    /// Says that no new work is taken any more.
    pub(crate) fn close(&mut self) {
        self.draining.store(true, Ordering::Release);
        self.ready = None;
    }

    /// Waits for the servers, which were told to end.
    pub(crate) async fn served(&mut self) {
        while let Some(ended) = self.servers.join_next().await {
            if let Ok(Err(failed)) = ended {
                tracing::warn!(%failed, "a server ended badly");
            }
        }
    }
}

/// The accounts of a process: what is left to be written when everything else has ended, or has not.
#[derive(Clone)]
pub(crate) struct Books {
    /// Fires when nothing is left that could cost something.
    closing: CancellationToken,
    writing: TaskTracker,
}

impl Books {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            closing: CancellationToken::new(),
            writing: TaskTracker::new(),
        }
    }

    /// Writes what these accounts hold, from now on.
    pub(crate) fn keep(&self, accounts: &Arc<Accounts>) {
        self.writing.spawn(Arc::clone(accounts).run(self.closing.clone()));
    }

    /// Writes what is left.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.writing.close();
        self.writing.wait().await;
    }
}

/// A process in a role, as it runs.
pub(crate) trait Role {
    /// What runs in it.
    fn life(&mut self) -> &mut Life;

    /// How its time to leave is divided.
    fn leave(&self) -> Leave;

    /// Its accounts.
    fn books(&self) -> Books;

    /// Ends everything, from the outside in, within [`Leave::order`].
    async fn stop(self);
}

/// Runs a role until it is told to stop. `local` says that the model of this process is among its providers.
pub(crate) fn run<R: Role>(
    config: Config,
    local: bool,
    start: impl AsyncFnOnce(Config) -> Result<R, Failed>,
) -> Result<(), Failed> {
    #[cfg(feature = "local-model")]
    if local {
        super::local::restart_with_thread_variables();
    }
    if !local {
        small_pages();
    }
    let runtime = Runtime::new()?;
    let mut leave = Leave::within(AFTER_A_START);
    let done = runtime.block_on(async {
        let telemetry = telemetry::start(&config)?;
        let done = live(start(config), &mut leave).await;
        telemetry.shutdown(leave.lines).await;
        done
    });
    runtime.shutdown_timeout(leave.runtime);
    done
}

/// Huge pages pay for a model's weights. Without one they only keep four times the memory that is used.
fn small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        output::complaint(&format!("greenroom: huge pages stay on: {error}"));
    }
}

async fn live<R: Role>(
    start: impl Future<Output = Result<R, Failed>>,
    leave: &mut Leave,
) -> Result<(), Failed> {
    let mut signals = Signals::new()?;
    let mut role = tokio::select! {
        role = start => role?,
        // Nothing was accepted yet.
        () = signals.next() => return Ok(()),
    };
    let failed = tokio::select! {
        () = signals.next() => None,
        Some(ended) = role.life().servers.join_next() => Some(failure_of(ended)),
    };
    let books = role.books();
    *leave = role.leave();
    if let Err(error) = leave.enforce() {
        tracing::warn!(%error, "nobody watches that the process ends in time");
    }
    let second = async {
        signals.next().await;
        std::process::exit(INTERRUPTED);
    };
    tokio::select! {
        stopped = tokio::time::timeout(leave.order, role.stop()) => {
            if stopped.is_err() {
                tracing::warn!("not everything ended in time: it is parked, and goes on at the next start or elsewhere");
                let _ = tokio::time::timeout(leave.rows, books.close()).await;
            }
        }
        () = second => {}
    }
    failed.map_or(Ok(()), Err)
}

fn failure_of(ended: Result<Result<(), Failed>, JoinError>) -> Failed {
    match ended {
        Ok(Ok(())) => Failed::because("a server ended by itself"),
        Ok(Err(failed)) => failed,
        Err(panicked) => Failed::because(chain(&panicked)),
    }
}
