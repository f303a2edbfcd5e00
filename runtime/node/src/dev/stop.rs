//! The end of a running `dev`: what runs is finished or parked, from the outside in.

use std::time::Duration;

use greenroom_kernel::Supervisor;

use super::run::Dev;
use crate::parts::{Books, Leave, Life, Role};

/// How long what runs may go on once the process was told to stop.
pub(super) const FINISH: Duration = Duration::from_secs(5);
/// How long everything may take altogether: what isn't finished is parked, and the next start goes on with it.
const STOP: Duration = Duration::from_secs(10);
/// How often it is looked whether something runs still.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Role for Dev {
    fn life(&mut self) -> &mut Life {
        &mut self.life
    }

    fn leave(&self) -> Leave {
        Leave::within(STOP)
    }

    fn books(&self) -> Books {
        self.books.clone()
    }

    async fn stop(mut self) {
        tracing::info!("stopping: what runs is finished or parked");
        self.life.close();
        self.life.closing.cancel();
        self.life.background.close();
        let _ = tokio::time::timeout(FINISH, self.idle()).await;
        self.orchestrator.stop().await;
        self.agents_closing.cancel();
        self.providers.stop().await;
        self.life.served().await;
        self.mutations.close();
        self.mutations.wait().await;
        self.books.close().await;
        self.life.background.wait().await;
        drop(self.orchestrator);
        // The last reference waits for what is queued to be written.
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || drop(store)).await;
    }
}

impl Dev {
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
