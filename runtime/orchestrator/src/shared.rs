//! What every actor of this crate works with.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Clock, JournalKey, Models, Randomness, Store, TenantId, Writer};
use greenroom_telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::AgentDirectory;
use crate::config::OrchestratorConfig;
use crate::history::HistoryParts;
use crate::journals::Journals;
use crate::membership::Fleet;
use crate::meter::Meters;
use crate::room::Room;

/// How often is scanned while another process lets go of what it has.
const OTHERS_LEAVE: Duration = Duration::from_secs(1);

/// The collaborators, handed over once at construction.
pub(crate) struct Shared {
    pub(crate) config: OrchestratorConfig,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) models: Arc<dyn Models>,
    pub(crate) agents: Arc<AgentDirectory>,
    pub(crate) journals: Journals,
    pub(crate) meters: Meters,
    /// Places for the tasks that callers bring.
    pub(crate) room: Arc<Room>,
    /// The others on the same store; none where this process has it to itself.
    pub(crate) fleet: Option<Arc<Fleet>>,
    /// Where what is seen of agents is kept; none where it isn't.
    pub(crate) history: Option<HistoryParts>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) writer: Writer,
    /// Fires when this process stops taking part: nobody waits here any longer.
    pub(crate) stopping: CancellationToken,
    /// Work that outlives the actor that began it.
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn now(&self) -> greenroom_kernel::Timestamp {
        self.clock.now()
    }

    pub(crate) fn key(&self, tenant: &TenantId, journal: &greenroom_kernel::SessionId) -> JournalKey {
        JournalKey {
            tenant: tenant.clone(),
            journal: journal.clone(),
        }
    }

    /// How long an actor without work stays: less once more than half of those that may live do, and not at all when nearly
    /// all do, so that sessions at rest keep nobody out.
    pub(crate) fn idle(&self) -> Duration {
        let (live, most) = (self.journals.live(), self.config.live_journals);
        let share = match most.saturating_sub(live).saturating_mul(16) / most.max(1) {
            8.. => 16,
            left => u32::try_from(left.saturating_sub(1)).unwrap_or(0),
        };
        self.config.idle() * share / 16
    }

    /// Waits for the next scan: for that long, unless journals move or somebody else is leaving.
    pub(crate) async fn between_scans(&self, pause: Duration) {
        let Some(fleet) = &self.fleet else {
            return tokio::time::sleep(pause).await;
        };
        let mut views = fleet.watch();
        let pause = match views.borrow_and_update().others_drain() {
            true => pause.min(OTHERS_LEAVE),
            false => pause,
        };
        // The sender lives as long as this does.
        let _ = tokio::time::timeout(pause, views.changed()).await;
    }

    /// A random wait of up to `bound`: full jitter.
    pub(crate) fn jitter(&self, bound: Duration) -> Duration {
        let share = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        bound.mul_f64(share)
    }
}
