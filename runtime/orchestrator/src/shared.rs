//! What every actor of this crate works with.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Clock, JournalKey, Models, Randomness, Store, TenantId, Writer};
use greenroom_telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::AgentDirectory;
use crate::config::OrchestratorConfig;
use crate::journals::Journals;
use crate::meter::Meters;
use crate::room::Room;

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

    /// A random wait of up to `bound`: full jitter.
    pub(crate) fn jitter(&self, bound: Duration) -> Duration {
        let share = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        bound.mul_f64(share)
    }
}
