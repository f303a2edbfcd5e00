//! Which agents there are and which instance runs the next attempt.

mod choice;
mod leaving;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    AgentCard, AgentEndpoint, AgentInstance, AgentName, AgentStatus, BreakerState, CallOutcome, Clock,
    ErrorCode, Failure, Health, HostState, Randomness,
};
use greenroom_supervision::GatePermit;
use parking_lot::RwLock;
use tokio::sync::watch;

pub(crate) use choice::Wanted;

use crate::instance::Instance;
use crate::latency::percentile;
use crate::refused::RefusedCards;
use crate::schema::{Contract, Side};

/// Every agent known here, with its instances.
pub struct AgentDirectory {
    agents: RwLock<BTreeMap<AgentName, Vec<Arc<Instance>>>>,
    refused: RwLock<RefusedCards>,
    changed: watch::Sender<u64>,
    waiting: parking_lot::Mutex<BTreeMap<AgentName, u32>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    since: Duration,
}

/// The right to run one attempt on an instance: holds its place in flight and its breaker's permit.
pub(crate) struct Lease {
    instance: Arc<Instance>,
    permit: Option<GatePermit>,
    begun: Duration,
    clock: Arc<dyn Clock>,
}

impl Lease {
    pub(crate) fn endpoint(&self) -> &dyn AgentEndpoint {
        self.instance.endpoint()
    }

    /// What the instance's card says of its input and its output.
    pub(crate) fn contract(&self) -> Option<Arc<Contract>> {
        self.instance.contract()
    }

    /// Reports how the attempt ended.
    pub(crate) fn settle(mut self, outcome: CallOutcome, error: Option<String>) {
        let took = self.clock.monotonic().saturating_sub(self.begun);
        if let Some(permit) = self.permit.take() {
            // An attempt may wait for models and people: its length says nothing about the agent.
            permit.settle_after(outcome, Duration::ZERO);
        }
        let failed = error.is_some().then(|| self.clock.monotonic());
        self.instance.settled(took, error, failed);
    }

    /// The version of the agent that the attempt runs on.
    pub(crate) fn version(&self) -> Arc<str> {
        self.instance.version()
    }

    /// The instance began no run: it takes no work until a check finds it again. One that says it drains has not failed.
    pub(crate) async fn unreached(self, failure: Failure) {
        if let Ok(HostState::Draining) = self.instance.ask().await {
            // Dropped, the lease says nothing to the breaker.
            self.instance.checked(Ok(HostState::Draining));
            return;
        }
        self.instance.checked(Err(failure.clone()));
        self.settle(CallOutcome::Failure, Some(failure.message));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.instance.released();
    }
}

impl AgentDirectory {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Randomness>) -> Arc<Self> {
        let since = clock.monotonic();
        Arc::new(Self {
            since,
            agents: RwLock::default(),
            refused: RwLock::default(),
            changed: watch::Sender::new(0),
            waiting: parking_lot::Mutex::default(),
            clock,
            random,
        })
    }

    /// Adds an instance, or replaces the one with the same id.
    pub(crate) fn put(&self, name: AgentName, instance: Arc<Instance>) {
        let mut agents = self.agents.write();
        let instances = agents.entry(name).or_default();
        instances.retain(|other| other.id() != instance.id());
        instances.push(instance);
        drop(agents);
        self.change();
    }

    /// Something about an instance changed.
    pub(crate) fn change(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A card of the host at `address` can't be used: no work goes to the instance `id` by it. Of more than the map
    /// takes, the reason is only in the log.
    pub(crate) fn refuse(&self, id: String, address: String, card: &AgentCard, why: String) {
        self.refused.write().add(id, address, card, why);
        self.change();
    }

    /// The host at `address` has these cards now, or none, being away: its others are no longer refused.
    pub(crate) fn offers(&self, address: &str, cards: &[AgentCard]) {
        if !self.refused.read().is_empty() {
            self.refused.write().keep(address, cards);
        }
    }

    /// An instance's card can be used.
    pub(crate) fn accept(&self, id: &str) {
        self.refused.write().remove(id);
    }

    /// Whether this very card was refused before.
    pub(crate) fn has_refused(&self, id: &str, card: &AgentCard) -> bool {
        self.refused.read().has(id, card)
    }

    /// Why the cards of an agent are refused, if one is.
    fn refusal(&self, name: &AgentName) -> Option<String> {
        self.refused.read().why(name)
    }

    /// Refuses an input that no card of an agent admits: instances may be of several versions.
    async fn takes(&self, name: &AgentName, input: &str) -> Result<(), Failure> {
        let mut refused = None;
        for contract in self.contracts(name) {
            let Some(contract) = contract else {
                return Ok(());
            };
            match contract.check(Side::Input, input).await {
                Ok(()) => return Ok(()),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            None => Ok(()),
            Some(why) => Err(Failure::bad_input(format!(
                "the input is not what agent {name} takes (see its card): {why}"
            ))),
        }
    }

    /// Refuses an agent nobody ever heard of, and an input that its card doesn't admit. In the first moments of a
    /// process an agent is waited for, up to `patience`.
    pub(crate) async fn admits(
        &self,
        name: &AgentName,
        input: &str,
        patience: Duration,
    ) -> Result<(), Failure> {
        self.known_soon(name, patience).await?;
        self.takes(name, input).await
    }

    /// Refuses the name of an agent nobody ever heard of.
    pub(crate) fn known(&self, name: &AgentName) -> Result<(), Failure> {
        if self.agents.read().contains_key(name) {
            return Ok(());
        }
        if let Some(why) = self.refusal(name) {
            let message = format!("agent {name} is there, but can't be used: {why}");
            return Err(Failure::new(ErrorCode::NotFound, message));
        }
        let agents = self.agents.read();
        let present = agents.iter().filter(|(_, instances)| !instances.is_empty());
        let names: Vec<String> = present.map(|(name, _)| name.to_string()).collect();
        drop(agents);
        let known = if names.is_empty() {
            "none is there".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        Err(Failure::new(
            ErrorCode::NotFound,
            format!("no such agent: {known}"),
        ))
    }

    /// Refuses the name of an agent nobody ever heard of; in the first moments of a process, when its hosts are
    /// still being met, only after `patience`.
    pub(crate) async fn known_soon(&self, name: &AgentName, patience: Duration) -> Result<(), Failure> {
        if self.known(name).is_ok() {
            return Ok(());
        }
        let mut changes = self.changes();
        let age = self.clock.monotonic().saturating_sub(self.since);
        let until = tokio::time::Instant::now() + patience.saturating_sub(age);
        loop {
            let known = self.known(name);
            if known.is_ok() || self.refusal(name).is_some() || tokio::time::Instant::now() >= until {
                return known;
            }
            let _ = tokio::time::timeout_at(until, changes.changed()).await;
        }
    }

    fn none(&self, name: &AgentName) -> Failure {
        let last = self
            .agents
            .read()
            .get(name)
            .and_then(|all| all.iter().find_map(|instance| instance.last_error()));
        let why = last
            .map(|error| format!(", the last error was: {error}"))
            .unwrap_or_default();
        Failure::unavailable(format!("no instance of agent {name} takes work now{why}"))
            .retry_after(Duration::from_secs(5))
    }

    /// One agent's state.
    pub(crate) fn status(&self, name: &AgentName) -> Option<AgentStatus> {
        let instances = self.agents.read().get(name)?.clone();
        self.status_of(name, &instances)
    }

    /// Every agent's state, by name.
    pub(crate) fn statuses(&self) -> Vec<AgentStatus> {
        let agents = self.agents.read().clone();
        agents
            .iter()
            .filter_map(|(name, instances)| self.status_of(name, instances))
            .collect()
    }

    /// Every agent that is remembered, by name, with the instances that it has now.
    pub(crate) fn seen(&self) -> Vec<(AgentName, Vec<AgentInstance>)> {
        let agents = self.agents.read().clone();
        let views = |instances: Vec<Arc<Instance>>| instances.iter().map(|one| one.view()).collect();
        agents
            .into_iter()
            .map(|(name, instances)| (name, views(instances)))
            .collect()
    }

    fn status_of(&self, name: &AgentName, instances: &[Arc<Instance>]) -> Option<AgentStatus> {
        let card: AgentCard = instances.first()?.card();
        let views: Vec<_> = instances.iter().map(|instance| instance.view()).collect();
        let best = |rank: fn(&Health) -> u8| views.iter().map(|view| view.health).min_by_key(rank);
        let health = best(|health| match health {
            Health::Healthy => 0,
            Health::Degraded => 1,
            Health::Draining => 2,
            Health::Unhealthy => 3,
        });
        let breaker = if views.iter().any(|view| view.breaker == BreakerState::Closed) {
            BreakerState::Closed
        } else if views.iter().any(|view| view.breaker == BreakerState::HalfOpen) {
            BreakerState::HalfOpen
        } else {
            BreakerState::Open
        };
        let latencies: Vec<u64> = instances
            .iter()
            .flat_map(|instance| instance.latencies())
            .collect();
        Some(AgentStatus {
            card,
            health: health.unwrap_or(Health::Unhealthy),
            breaker,
            in_flight: views.iter().map(|view| view.in_flight).sum(),
            queued: self.waiting.lock().get(name).copied().unwrap_or(0),
            last_error: views.iter().find_map(|view| view.last_error.clone()),
            latency_ms_p50: percentile(latencies.clone(), 50),
            latency_ms_p99: percentile(latencies, 99),
            checked_at: self.clock.now(),
            instances: views,
        })
    }
}

/// A task that waits for an instance, counted while it does.
struct Queued<'a> {
    directory: &'a AgentDirectory,
    name: &'a AgentName,
}

impl<'a> Queued<'a> {
    fn new(directory: &'a AgentDirectory, name: &'a AgentName) -> Self {
        *directory.waiting.lock().entry(name.clone()).or_default() += 1;
        directory.change();
        Self { directory, name }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.directory.waiting.lock().get_mut(self.name) {
            *count = count.saturating_sub(1);
        }
    }
}
