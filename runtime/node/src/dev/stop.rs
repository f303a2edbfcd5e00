//! The end of a running `dev`: what runs is finished or parked, from the outside in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::Supervisor;

use super::run::Running;
use super::signals::Signals;
use crate::failed::{Failed, chain};

/// How long what runs may go on once the process was told to stop.
pub(super) const FINISH: Duration = Duration::from_secs(5);
/// How long everything may take from then on: what isn't finished is parked, and the next start goes on with it.
const STOP: Duration = Duration::from_secs(9);
/// How long the ledger's last rows may take where everything else took too long.
const LAST_ROWS: Duration = Duration::from_secs(1);
/// How often it is looked whether something runs still.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The exit status of a process that was interrupted twice.
const INTERRUPTED: i32 = 130;

impl Running {
    /// Serves until a signal, or until a server fails: then everything ends and the failure is told.
    pub(super) async fn until_stopped(mut self, mut signals: Signals) -> Result<(), Failed> {
        let failed = tokio::select! {
            () = signals.next() => None,
            Some(ended) = self.servers.join_next() => Some(failure_of(ended)),
        };
        let (accounts_closing, background) = (self.accounts_closing.clone(), self.background.clone());
        let second = async {
            signals.next().await;
            std::process::exit(INTERRUPTED);
        };
        tokio::select! {
            stopped = tokio::time::timeout(STOP, self.stop()) => {
                if stopped.is_err() {
                    tracing::warn!("not everything ended in time: it is parked, and the next start goes on with it");
                    accounts_closing.cancel();
                    background.close();
                    let _ = tokio::time::timeout(LAST_ROWS, background.wait()).await;
                }
            }
            () = second => {}
        }
        failed.map_or(Ok(()), Err)
    }

    /// Ends everything, from the outside in.
    async fn stop(mut self) {
        tracing::info!("stopping: what runs is finished or parked");
        self.draining.store(true, Ordering::Release);
        self.ready = None;
        self.closing.cancel();
        self.background.close();
        let _ = tokio::time::timeout(FINISH, self.idle()).await;
        self.orchestrator.stop().await;
        self.agents_closing.cancel();
        self.providers.stop().await;
        while let Some(ended) = self.servers.join_next().await {
            if let Ok(Err(failed)) = ended {
                tracing::warn!(%failed, "a server ended badly");
            }
        }
        self.mutations.close();
        self.mutations.wait().await;
        self.accounts_closing.cancel();
        self.background.wait().await;
        drop(self.orchestrator);
        // The last reference waits for what is queued to be written.
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }

    /// Waits until no agent runs anything.
    async fn idle(&self) {
        loop {
            let agents = self.orchestrator.agents().await.unwrap_or_default();
            if agents.iter().all(|agent| agent.in_flight == 0) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn failure_of(ended: Result<Result<(), Failed>, tokio::task::JoinError>) -> Failed {
    match ended {
        Ok(Ok(())) => Failed::because("a server ended by itself"),
        Ok(Err(failed)) => failed,
        Err(panicked) => Failed::because(chain(&panicked)),
    }
}
