//! This process as one of several: joining, being asked for journals, leaving.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    Failure, FleetView, Holder, Holding, JournalKey, NodeState, Principal, TaskId, TaskRow,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Orchestrator;

/// How often actors are reminded that the process leaves: some were busy, some began meanwhile.
const REMIND: Duration = Duration::from_millis(100);
/// How long actors have to end that were told to let go where they stand.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// How long readers have to hear that they are sent on.
const PARTING: Duration = Duration::from_millis(500);
/// How long the word that this process has left may take to be kept. Without it the others notice its silence.
const FAREWELL: Duration = Duration::from_secs(3);

impl Orchestrator {
    /// Waits until this process has its place among the others: before, it takes nothing. At once where it has the
    /// store to itself.
    ///
    /// # Errors
    /// UNAVAILABLE when that takes longer than `patience`.
    pub async fn joined(&self, patience: Duration) -> Result<(), Failure> {
        let Some(fleet) = &self.shared.fleet else {
            return Ok(());
        };
        let mut views = fleet.watch();
        match timeout(patience, views.wait_for(|view| view.has_its_place())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                let why = "this supervisor's row could not be kept in the store, or not be read back";
                Err(Failure::unavailable(why))
            }
        }
    }

    /// What this process believes of the others, as it changes; none where it has the store to itself.
    pub fn fleet(&self) -> Option<watch::Receiver<Arc<FleetView>>> {
        self.shared.fleet.as_ref().map(|fleet| fleet.watch())
    }

    /// Leaves the others: takes nothing new, sends callers to them, lets go of each journal at its next step boundary,
    /// sends readers on when the others have seen that it leaves, and then says that it has left, which frees what it had. What can't end within `patience` is ended where it
    /// stands. [`Orchestrator::stop`] is for afterwards.
    ///
    /// Takes `patience` at most, or four seconds if that is less. Dropped, the process goes on as a leaving one. Does nothing
    /// where this process has the store to itself.
    pub async fn drain(&self, patience: Duration) {
        let Some(fleet) = &self.shared.fleet else {
            return;
        };
        let (journals, until) = (
            &self.shared.journals,
            Instant::now() + patience.saturating_sub(FAREWELL + LAST_MOMENT),
        );
        fleet.become_state(NodeState::Draining);
        let mut sent_on = None;
        let mut seen = pin!(fleet.is_seen_leaving());
        loop {
            journals.release_all();
            let left = until.saturating_duration_since(Instant::now());
            // One that reads too slowly to hear that it is sent on isn't waited for.
            let parted = sent_on.is_some_and(|at: Instant| at.elapsed() >= PARTING);
            let let_go = journals.live() == 0 && (parted || !fleet.has_readers());
            if let_go || left.is_zero() {
                break;
            }
            tokio::select! {
                () = &mut seen, if sent_on.is_none() => sent_on = Some(Instant::now()),
                () = sleep(REMIND.min(left)) => {}
            }
        }
        fleet.let_readers_go();
        let unfinished = journals.live();
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                "some sessions could not be let go of in time: they are ended where they stand"
            );
            journals.leave_all();
            let ended = async {
                while journals.live() > 0 {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            let _ = timeout(LAST_MOMENT, ended).await;
        }
        fleet.become_state(NodeState::Left);
        if timeout(FAREWELL, fleet.has_told(NodeState::Left)).await.is_err() {
            tracing::warn!(
                "the others could not be told that this supervisor has left: they will notice its silence"
            );
        }
    }
}

#[async_trait]
impl Holder for Orchestrator {
    async fn release(&self, key: &JournalKey) -> Holding {
        self.shared.journals.release(key).await
    }

    async fn holds(&self, key: &JournalKey) -> Holding {
        self.shared.journals.holds(key)
    }

    async fn kill(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        // A caller that left must not leave half of it done.
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move { Self::kill(&this, &who, &id).await })
            .await
    }
}
