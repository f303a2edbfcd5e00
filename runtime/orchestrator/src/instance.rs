//! Agent instances: one supervised actor each, which watches over an instance's health; and one a host, which
//! finds out which agents it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    AgentCard, AgentEndpoint, AgentInstance, BreakerConfig, Failure, Health, HealthThresholds, HostState,
};
use greenroom_supervision::{
    ActorError, AddError, Admission, ChildSpec, Context, Gate, Supervised, SupervisorHandle,
};
use parking_lot::Mutex;

use crate::agents::AgentDirectory;
use crate::latency::Latencies;
use crate::schema::Contract;

/// How often a host is asked whether it is well.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Within which time a host is dialled again that could not be.
const FIRST_AGAIN: Duration = Duration::from_millis(250);
/// How long an instance on which an attempt died is the second choice.
const FALTERS_FOR: Duration = Duration::from_secs(5);
/// How long it may take to say so.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// One instance of one agent. Lives outside its actor, so that a restart changes nothing of it.
pub(crate) struct Instance {
    id: String,
    card: Mutex<AgentCard>,
    contract: Mutex<Option<Arc<Contract>>>,
    endpoint: Arc<dyn AgentEndpoint>,
    gate: Arc<Gate>,
    reachable: AtomicBool,
    leaving: AtomicBool,
    /// It says that it takes nothing new.
    draining: AtomicBool,
    in_flight: AtomicU32,
    starts: AtomicU32,
    latencies: Mutex<Latencies>,
    last_error: Mutex<Option<String>>,
    failed_at: Mutex<Option<Duration>>,
}

impl Instance {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn endpoint(&self) -> &dyn AgentEndpoint {
        &*self.endpoint
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(crate) fn card(&self) -> AgentCard {
        self.card.lock().clone()
    }

    /// What its card says of its input and its output; none where it says nothing.
    pub(crate) fn contract(&self) -> Option<Arc<Contract>> {
        self.contract.lock().clone()
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Whether an attempt may begin on it.
    pub(crate) fn takes_work(&self) -> bool {
        self.is_reachable() && self.stays()
    }

    /// Whether it is worth waiting for, should it be away now.
    pub(crate) fn stays(&self) -> bool {
        !self.is_leaving() && !self.draining.load(Ordering::Relaxed)
    }

    /// The version of its agent.
    pub(crate) fn version(&self) -> Arc<str> {
        self.card.lock().version.as_str().into()
    }

    pub(crate) fn is_of(&self, version: &str) -> bool {
        self.card.lock().version == version
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// It takes no work from now on. Tells whether that is news.
    pub(crate) fn leave(&self) -> bool {
        !self.leaving.swap(true, Ordering::Relaxed)
    }

    /// It takes work again. Tells whether that is news.
    pub(crate) fn stay(&self) -> bool {
        self.leaving.swap(false, Ordering::Relaxed)
    }

    /// The name of its actor.
    pub(crate) fn actor(&self) -> String {
        self.id.replace('/', "_")
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn taken(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn released(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether an attempt died on it a moment ago: the next one is better off elsewhere.
    pub(crate) fn faltered(&self, now: Duration) -> bool {
        let failed_at = *self.failed_at.lock();
        failed_at.is_some_and(|at| now.saturating_sub(at) < FALTERS_FOR)
    }

    pub(crate) fn settled(&self, took: Duration, error: Option<String>, failed_at: Option<Duration>) {
        *self.failed_at.lock() = failed_at;
        self.latencies.lock().add(took);
        if error.is_some() {
            *self.last_error.lock() = error;
        }
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    pub(crate) fn latencies(&self) -> Vec<u64> {
        self.latencies.lock().values().collect()
    }

    /// The instance as others see it.
    pub(crate) fn view(&self) -> AgentInstance {
        let status = self.gate.status();
        let health = match (self.is_reachable(), self.stays()) {
            (false, _) => Health::Unhealthy,
            (true, false) => Health::Draining,
            (true, true) => status.health,
        };
        AgentInstance {
            id: self.id.clone(),
            node: self.endpoint.address(),
            version: self.card.lock().version.clone(),
            health,
            breaker: status.breaker,
            in_flight: self.in_flight(),
            restarts: self.starts.load(Ordering::Relaxed).saturating_sub(1),
            last_error: self.last_error(),
        }
    }

    /// Notes what a check said. Tells whether that is news.
    pub(crate) fn checked(&self, checked: Result<HostState, Failure>) -> bool {
        let reachable = checked.is_ok();
        let draining = match checked {
            Ok(state) => state == HostState::Draining,
            Err(failure) => {
                *self.last_error.lock() = Some(failure.message);
                false
            }
        };
        let other_state = self.draining.swap(draining, Ordering::Relaxed) != draining;
        self.reachable.swap(reachable, Ordering::Relaxed) != reachable || other_state
    }

    /// Asks it how it is.
    pub(crate) async fn ask(&self) -> Result<HostState, Failure> {
        let asked = tokio::time::timeout(CHECK_WITHIN, self.endpoint.check()).await;
        asked.unwrap_or_else(|_| Err(Failure::unavailable("the agent host does not answer")))
    }
}

/// Watches over one instance: checks it, and tells the directory when its health or breaker changes.
pub(crate) struct InstanceActor {
    instance: Arc<Instance>,
    directory: Arc<AgentDirectory>,
}

impl InstanceActor {
    async fn watch(instance: Arc<Instance>, directory: Arc<AgentDirectory>) {
        let mut gate = instance.gate.subscribe();
        loop {
            if instance.checked(instance.ask().await) {
                directory.change();
            }
            tokio::select! {
                () = tokio::time::sleep(CHECK_EVERY) => {}
                _ = gate.changed() => directory.change(),
            }
        }
    }
}

impl Supervised for InstanceActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        self.instance.starts.fetch_add(1, Ordering::Relaxed);
        ctx.spawn(Self::watch(
            Arc::clone(&self.instance),
            Arc::clone(&self.directory),
        ));
        Ok(())
    }

    async fn handle(&mut self, _: &Context<()>, (): (), _: Admission) -> Result<(), ActorError> {
        Ok(())
    }
}

/// Finds out which agents a host serves, and again after it was away.
pub(crate) struct HostActor {
    pub(crate) endpoint: Arc<dyn AgentEndpoint>,
    pub(crate) directory: Arc<AgentDirectory>,
    pub(crate) agents: SupervisorHandle,
}

impl HostActor {
    async fn watch(
        endpoint: Arc<dyn AgentEndpoint>,
        directory: Arc<AgentDirectory>,
        agents: SupervisorHandle,
    ) {
        let mut failures = 0;
        loop {
            match tokio::time::timeout(CHECK_WITHIN, endpoint.describe()).await {
                Ok(Ok(cards)) => {
                    failures = 0;
                    directory.offers(&endpoint.address(), &cards);
                    for card in cards {
                        meet(&endpoint, &directory, &agents, card).await;
                    }
                    tokio::time::sleep(CHECK_EVERY).await;
                }
                Ok(Err(failure)) => {
                    tracing::debug!(host = %endpoint.address(), %failure, "an agent host does not describe itself");
                    directory.offers(&endpoint.address(), &[]);
                    tokio::time::sleep(directory.jitter(meet_again(failures))).await;
                    failures += 1;
                }
                Err(_) => directory.offers(&endpoint.address(), &[]),
            }
        }
    }
}

/// Within which time a host is dialled again that failed so often before: hosts and supervisors that come back together
/// find each other soon, and don't dial in step.
fn meet_again(failures: u32) -> Duration {
    FIRST_AGAIN.saturating_mul(1 << failures.min(10)).min(CHECK_EVERY)
}

/// Makes an instance of what a host said of itself, or brings the known one up to date.
async fn meet(
    endpoint: &Arc<dyn AgentEndpoint>,
    directory: &Arc<AgentDirectory>,
    agents: &SupervisorHandle,
    card: AgentCard,
) {
    let name = card.name.clone();
    let id = format!("{name}@{}", endpoint.address());
    let known = directory.stays(&name, &id);
    if known.as_ref().is_some_and(|known| *known.card.lock() == card) || directory.has_refused(&id, &card) {
        return;
    }
    let contract = match Contract::compiled(&card).await {
        Ok(contract) => contract,
        Err(why) => {
            tracing::error!(agent = %name, host = %endpoint.address(), %why, "an agent's card is refused");
            return directory.refuse(id, endpoint.address(), &card, why);
        }
    };
    directory.accept(&id);
    if let Some(known) = known {
        *known.contract.lock() = contract;
        *known.card.lock() = card;
        return directory.change();
    }
    let gate = match Gate::new(BreakerConfig::default(), HealthThresholds::default()) {
        Ok(gate) => gate,
        Err(error) => return tracing::error!(%error, "the default breaker configuration is wrong"),
    };
    let instance = Arc::new(Instance {
        id: id.clone(),
        card: Mutex::new(card),
        contract: Mutex::new(contract),
        endpoint: Arc::clone(endpoint),
        gate: Arc::clone(&gate),
        reachable: AtomicBool::new(true),
        leaving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        in_flight: AtomicU32::new(0),
        starts: AtomicU32::new(0),
        latencies: Mutex::default(),
        last_error: Mutex::default(),
        failed_at: Mutex::default(),
    });
    let (held, told) = (Arc::clone(&instance), Arc::clone(directory));
    let spec = ChildSpec::new(instance.actor(), "agent", move || InstanceActor {
        instance: Arc::clone(&held),
        directory: Arc::clone(&told),
    });
    match agents.add(spec.gate(gate)).await {
        Ok(_) => directory.put(name, instance),
        // Nobody knows that one any more: its host left in between. The next round has the name.
        Err(AddError::NameTaken { name }) => {
            let _ = agents.remove(name).await;
        }
        Err(error) => tracing::warn!(%error, "an agent instance was not started"),
    }
}

impl Supervised for HostActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        let (endpoint, directory) = (Arc::clone(&self.endpoint), Arc::clone(&self.directory));
        ctx.spawn(Self::watch(endpoint, directory, self.agents.clone()));
        Ok(())
    }

    async fn handle(&mut self, _: &Context<()>, (): (), _: Admission) -> Result<(), ActorError> {
        Ok(())
    }
}
