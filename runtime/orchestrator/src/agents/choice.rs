//! Which instance runs an attempt.
//!
//! A task that has journaled steps stays with the version that asked for them, for only that one surely asks for the same
//! again: it is waited for a while, should it be away. When none of that version is left, another one replays, and is found
//! out where it asks for other steps. A task without steps goes to any version whose card takes its input.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{AgentName, Failure};
use tokio::time::Instant;

use super::{AgentDirectory, Lease, Queued};
use crate::instance::Instance;
use crate::schema::Contract;

/// How long the version that a task began with is waited for, where another could be had at once.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// A breaker half-opens by time alone, which nobody announces.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Which instances an attempt may run on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The version that the task began with.
    pub(crate) version: Option<Arc<str>>,
    /// Versions that don't take its input.
    pub(crate) unfit: Vec<Arc<str>>,
}

impl AgentDirectory {
    /// An instance for one attempt: the less loaded of two whose breaker admits, waiting up to `patience`.
    pub(crate) async fn lease(
        &self,
        name: &AgentName,
        wanted: &Wanted,
        patience: Duration,
    ) -> Result<Lease, Failure> {
        let begun = Instant::now();
        let (deadline, kept_until) = (begun + patience, begun + KEPT_FOR.min(patience / 2));
        let mut changes = self.changes();
        let mut queued = None;
        loop {
            let kept = wanted
                .version
                .as_deref()
                .filter(|version| Instant::now() < kept_until && self.stays_in(name, version));
            let fits = |instance: &Instance| {
                kept.is_none_or(|version| instance.is_of(version))
                    && !wanted.unfit.iter().any(|version| instance.is_of(version))
            };
            if let Some(lease) = self.try_lease(name, fits) {
                return Ok(lease);
            }
            if queued.is_some() && Instant::now() >= deadline {
                return Err(self.none(name));
            }
            queued.get_or_insert_with(|| Queued::new(self, name));
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep_until((Instant::now() + LOOK_AGAIN).min(deadline)) => {}
            }
        }
    }

    /// Whether an instance of that version is there to stay, reachable now or not.
    fn stays_in(&self, name: &AgentName, version: &str) -> bool {
        let agents = self.agents.read();
        let mut instances = agents.get(name).into_iter().flatten();
        instances.any(|instance| instance.stays() && instance.is_of(version))
    }

    /// What the cards of an agent's instances say of input and output, each version once.
    pub(super) fn contracts(&self, name: &AgentName) -> Vec<Option<Arc<Contract>>> {
        let agents = self.agents.read();
        let mut versions = Vec::new();
        let mut contracts = Vec::new();
        for instance in agents.get(name).into_iter().flatten() {
            let version = instance.version();
            if !versions.contains(&version) {
                versions.push(version);
                contracts.push(instance.contract());
            }
        }
        contracts
    }

    /// Whether instances of an agent differ in version, so that one may take what another doesn't.
    pub(crate) fn differs(&self, name: &AgentName) -> bool {
        let agents = self.agents.read();
        let mut instances = agents.get(name).into_iter().flatten();
        let Some(first) = instances.next() else {
            return false;
        };
        let version = first.version();
        instances.any(|instance| !instance.is_of(&version))
    }

    fn try_lease(&self, name: &AgentName, fits: impl Fn(&Instance) -> bool) -> Option<Lease> {
        let now = self.clock.monotonic();
        let (well, faltering) = {
            let agents = self.agents.read();
            let instances = agents.get(name)?;
            if let [only] = instances.as_slice() {
                return if fits(only) { self.admit(only) } else { None };
            }
            let taking = instances
                .iter()
                .filter(|instance| instance.takes_work() && fits(instance));
            taking.cloned().partition(|instance| !instance.faltered(now))
        };
        self.among(well).or_else(|| self.among(faltering))
    }

    fn among(&self, mut candidates: Vec<Arc<Instance>>) -> Option<Lease> {
        while !candidates.is_empty() {
            let a = self.pick(candidates.len());
            let b = self.pick(candidates.len());
            let chosen = if candidates[a].in_flight() <= candidates[b].in_flight() {
                a
            } else {
                b
            };
            let instance = candidates.swap_remove(chosen);
            if let Some(lease) = self.admit(&instance) {
                return Some(lease);
            }
        }
        None
    }

    fn admit(&self, instance: &Arc<Instance>) -> Option<Lease> {
        if !instance.takes_work() {
            return None;
        }
        let permit = instance.gate().admit().ok()?;
        instance.taken();
        let (instance, clock) = (Arc::clone(instance), Arc::clone(&self.clock));
        Some(Lease {
            instance,
            permit: Some(permit),
            begun: clock.monotonic(),
            clock,
        })
    }

    fn pick(&self, among: usize) -> usize {
        usize::try_from(self.random.next_u64() % among.max(1) as u64).unwrap_or(0)
    }

    /// A random wait of up to `bound`: full jitter.
    pub(crate) fn jitter(&self, bound: Duration) -> Duration {
        let share = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        bound.mul_f64(share)
    }
}
