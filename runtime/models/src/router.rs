//! The kernel's port to model calls, over the providers of one process.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    CallContext, CallFailure, Clock, ContentPiece, ErrorCode, Failure, ModelAnswer, ModelListing,
    ModelRequest, Models, ProviderStatus, Randomness, RetryBudget, RetryPolicy, Served, TokenCount, Usage,
    WireCall, WireFamily,
};
use greenroom_supervision::SupervisorSpec;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::accounts::{Accounts, Outcome, Ticket};
use crate::asked::Asked;
use crate::call::{Call, Target};
use crate::capability::CapabilityTable;
use crate::config::{ModelsConfig, ModelsError};
use crate::deadlines::Deadlines;
use crate::estimate;
use crate::metrics::MetricsSink;
use crate::price::{PriceTable, priced};
use crate::provider::{ProviderGate, ProviderHandle, child};
use crate::recover::Recover;
use crate::route::{DEFAULT, Route, RouteFlow};
use crate::share::{Batches, Joins};
use crate::tries::Brought;

/// Most tries of one call, whatever is configured: those among them that run beside another, and that go on with what broke.
const TRIES_AT_MOST: u32 = 6;

/// How long a call waits to learn what the providers serve, when nobody has asked them yet.
const ACQUAINTANCE: Duration = Duration::from_secs(4);

/// How many targets are remembered that refused to go on from a text.
const REFUSED_AT_MOST: usize = 1_024;

/// What model calls need from outside.
#[derive(Clone)]
pub struct Ports {
    /// Tells how far a caller's deadline is.
    pub clock: Arc<dyn Clock>,
    /// Chooses the waits before retries.
    pub random: Arc<dyn Randomness>,
    /// Counts tries.
    pub metrics: Arc<dyn MetricsSink>,
    /// Who pays for them; none: nobody is told.
    pub accounts: Option<Arc<Accounts>>,
}

/// What every call of the process shares.
pub(crate) struct Shared {
    pub(crate) providers: Vec<Arc<ProviderGate>>,
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) capabilities: CapabilityTable,
    pub(crate) deadlines: Deadlines,
    pub(crate) retry: RetryPolicy,
    pub(crate) open_wait: Duration,
    pub(crate) held_wait: Duration,
    pub(crate) queue_wait: Duration,
    pub(crate) waiting: Semaphore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) metrics: Arc<dyn MetricsSink>,
    /// What may be tried once a reader has seen a part of an answer, where its route says nothing else.
    pub(crate) recover: Arc<Recover>,
    recovers: BTreeMap<String, Arc<Recover>>,
    /// Targets that refused to go on from a text, `provider/model`.
    unprefilled: Mutex<HashSet<String>>,
    pub(crate) prices: PriceTable,
    pub(crate) accounts: Arc<Accounts>,
    budget: Mutex<RetryBudget>,
    origin: Instant,
}

impl Shared {
    pub(crate) fn count_first_try(&self) {
        self.budget.lock().first_try(self.origin.elapsed());
    }

    pub(crate) fn may_retry(&self) -> bool {
        self.budget.lock().try_retry(self.origin.elapsed())
    }

    /// What calls of a name may do beside going from target to target.
    pub(crate) fn flow(&self, logical: Option<&str>) -> RouteFlow {
        let route = self.routes.get(logical.unwrap_or(DEFAULT));
        route.map(|route| route.flow).unwrap_or_default()
    }

    /// What may be tried once a reader has seen a part of an answer.
    pub(crate) fn recover(&self, logical: Option<&str>) -> &Arc<Recover> {
        let name = logical.unwrap_or(DEFAULT);
        self.recovers.get(name).unwrap_or(&self.recover)
    }

    /// A target refused to go on from a text: it isn't asked to again.
    pub(crate) fn refused_prefill(&self, target: &Target) {
        let mut refused = self.unprefilled.lock();
        if refused.len() >= REFUSED_AT_MOST {
            refused.clear();
        }
        refused.insert(format!("{}/{}", target.gate.name(), target.model));
    }

    pub(crate) fn has_refused_prefill(&self, target: &Target) -> bool {
        let name = format!("{}/{}", target.gate.name(), target.model);
        self.unprefilled.lock().contains(&name)
    }
}

/// Model calls over the providers of one process: routed, bounded, retried, failed over, priced.
pub struct ModelRouter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) joins: Arc<Joins>,
    pub(crate) batches: Batches,
    node: String,
    actors: Vec<ProviderHandle>,
}

impl ModelRouter {
    /// Makes the router, and the supervisor `providers` with one actor a provider, to be given to the tree. Calls
    /// work with or without it; what probes find doesn't. Must be made inside a tokio runtime.
    ///
    /// # Errors
    /// Two providers of one name, a route that leads nowhere, a breaker whose numbers contradict each other.
    pub fn build(config: ModelsConfig, ports: Ports) -> Result<(Self, SupervisorSpec), ModelsError> {
        config.validate()?;
        let mut supervisor = SupervisorSpec::new("providers");
        let (mut providers, mut actors) = (Vec::new(), Vec::new());
        for spec in config.providers {
            let provider = spec.backend.name().to_owned();
            let gate = ProviderGate::new(spec, config.deadlines, config.health)
                .map_err(|source| ModelsError::Breaker { provider, source })?;
            let gate = Arc::new(gate);
            let (actor, handle) = child(&gate, config.probe);
            supervisor = supervisor.child(actor);
            providers.push(gate);
            actors.push(handle);
        }
        let nobody = || Accounts::none(Arc::clone(&ports.clock), &*ports.random);
        let accounts = ports.accounts.clone().unwrap_or_else(nobody);
        let own = |(name, route): (&String, &Route)| {
            let recover = Arc::new(route.recover.clone()?);
            Some((name.clone(), recover))
        };
        let shared = Shared {
            accounts,
            providers,
            recover: Arc::new(config.recover),
            recovers: config.routes.iter().filter_map(own).collect(),
            unprefilled: Mutex::default(),
            routes: config.routes,
            capabilities: config.capabilities,
            deadlines: config.deadlines,
            retry: RetryPolicy {
                tries: config.retry.tries.min(TRIES_AT_MOST),
                ..config.retry
            },
            open_wait: config.open_wait,
            held_wait: config.held_wait,
            queue_wait: config.queue_wait,
            waiting: Semaphore::new(config.queue_limit.min(Semaphore::MAX_PERMITS)),
            clock: ports.clock,
            random: ports.random,
            metrics: ports.metrics,
            prices: config.prices,
            budget: Mutex::new(RetryBudget::new(config.retry_budget)),
            origin: Instant::now(),
        };
        let router = Self {
            shared: Arc::new(shared),
            joins: Arc::default(),
            batches: Batches::default(),
            node: config.node,
            actors,
        };
        Ok((router, supervisor))
    }

    /// The actor of a provider.
    pub fn provider(&self, name: &str) -> Option<&ProviderHandle> {
        let at = self.shared.providers.iter().position(|p| &**p.name() == name)?;
        self.actors.get(at)
    }

    /// The targets of a call. One that has none is a request that has ended.
    pub(crate) async fn targets(&self, asked: &Asked, context: &CallContext) -> Result<Vec<Target>, Failure> {
        let targets = self.targets_of(asked, context).await;
        if let Err(failure) = &targets
            && let Some(ticket) = Ticket::of(&self.shared.accounts, context, asked, None)
        {
            ticket.ended(Outcome::Failed(failure.code));
        }
        targets
    }

    /// The targets of a name. A provider that was not met yet (the process has just started) is asked what it
    /// serves first; one that doesn't say is why the call fails.
    pub(crate) async fn targets_of(
        &self,
        asked: &Asked,
        context: &CallContext,
    ) -> Result<Vec<Target>, Failure> {
        let begun = Instant::now();
        loop {
            let failure = match self.order(asked, context) {
                Ok(targets) => return Ok(targets),
                Err(failure) => failure,
            };
            let strangers = self.strangers();
            if strangers.is_empty() || begun.elapsed() > ACQUAINTANCE {
                return Err(failure);
            }
            let mut met = true;
            for actor in strangers {
                match actor.probe().await {
                    Ok(()) => {}
                    // Its actor may be starting yet.
                    Err(_) if begun.elapsed() < ACQUAINTANCE / 4 => met = false,
                    // A reason against every target that is known is told before one that nobody has met.
                    Err(_) if failure.code == ErrorCode::BadUserInput => return Err(failure),
                    Err(fault) => return Err(Failure::from(fault)),
                }
            }
            if met {
                return self.order(asked, context);
            }
            tokio::time::sleep(ACQUAINTANCE / 80).await;
        }
    }

    /// Serves a call that joins no other: a request for vectors may be put together with others all the same.
    pub(crate) async fn apart(
        self: Arc<Self>,
        call: WireCall,
        context: CallContext,
    ) -> Result<Served, CallFailure> {
        let vectors = call.raw.family == WireFamily::OpenAiEmbeddings;
        let batch = self.shared.flow(call.model.as_deref()).batch;
        match batch.filter(|_| vectors) {
            Some(batch) => Box::pin(self.batched(call, context, batch)).await,
            None => self.alone(call, context).await,
        }
    }

    /// Serves a call by itself.
    pub(crate) async fn alone(&self, call: WireCall, context: CallContext) -> Result<Served, CallFailure> {
        let streamed = call.raw.stream;
        let asked = Asked::Wire(call);
        let targets = self.targets(&asked, &context).await?;
        let recover = self.shared.recover(asked.logical()).clone();
        let call = Call::new(&self.shared, asked, context, targets).recovering(&recover);
        call.served(streamed).await
    }

    /// The actors of providers of which no model is known.
    fn strangers(&self) -> Vec<&ProviderHandle> {
        let providers = self.shared.providers.iter().zip(&self.actors);
        providers
            .filter(|(gate, _)| gate.models().is_empty())
            .map(|(_, actor)| actor)
            .collect()
    }
}

#[async_trait]
impl Models for ModelRouter {
    async fn call(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        let asked = Asked::Spoken(Arc::new(request.clone()));
        let targets = self.targets(&asked, context).await?;
        let call = Call::new(&self.shared, asked, context.clone(), targets);
        call.told(on_content).await
    }

    fn estimate(&self, request: &ModelRequest) -> Usage {
        let asked = Asked::Spoken(Arc::new(request.clone()));
        let targets = self.order(&asked, &CallContext::default()).unwrap_or_default();
        let price = targets.first().and_then(|target| target.price);
        priced(
            price,
            estimate::usage(estimate::input(request), &Brought::default()),
        )
    }

    async fn serve(self: Arc<Self>, call: WireCall, context: CallContext) -> Result<Served, CallFailure> {
        if self.shared.flow(call.model.as_deref()).join {
            // Boxed: most calls have no use for its room.
            return Box::pin(self.joined(call, context)).await;
        }
        self.apart(call, context).await
    }

    async fn count_tokens(&self, call: WireCall, context: CallContext) -> Result<TokenCount, CallFailure> {
        self.counted(call, context).await
    }

    fn listing(&self) -> Vec<ModelListing> {
        self.names()
    }

    fn providers(&self) -> Vec<ProviderStatus> {
        self.shared
            .providers
            .iter()
            .map(|p| p.status(&self.node, self.shared.clock.now()))
            .collect()
    }
}
