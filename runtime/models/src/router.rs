//! The kernel's port to model calls, over the providers of one process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    CallContext, CallFailure, Clock, ContentPiece, ErrorCode, Failure, ModelAnswer, ModelListing,
    ModelRequest, Models, ProviderStatus, Randomness, RetryBudget, RetryPolicy, Served, Usage, WireCall,
};
use greenroom_supervision::SupervisorSpec;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::asked::Asked;
use crate::call::{Call, Target};
use crate::capability::CapabilityTable;
use crate::config::{ModelsConfig, ModelsError};
use crate::deadlines::Deadlines;
use crate::estimate;
use crate::metrics::MetricsSink;
use crate::price::{PriceTable, priced};
use crate::provider::{ProviderGate, ProviderHandle, child};
use crate::route::Route;
use crate::tries::Brought;

/// How long a call waits to learn what the providers serve, when nobody has asked them yet.
const ACQUAINTANCE: Duration = Duration::from_secs(4);

/// What model calls need from outside.
#[derive(Clone)]
pub struct Ports {
    /// Tells how far a caller's deadline is.
    pub clock: Arc<dyn Clock>,
    /// Chooses the waits before retries.
    pub random: Arc<dyn Randomness>,
    /// Counts tries.
    pub metrics: Arc<dyn MetricsSink>,
}

/// What every call of the process shares.
pub(crate) struct Shared {
    pub(crate) providers: Vec<Arc<ProviderGate>>,
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) capabilities: CapabilityTable,
    pub(crate) deadlines: Deadlines,
    pub(crate) retry: RetryPolicy,
    pub(crate) open_wait: Duration,
    pub(crate) queue_wait: Duration,
    pub(crate) waiting: Semaphore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) metrics: Arc<dyn MetricsSink>,
    pub(crate) prices: PriceTable,
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
}

/// Model calls over the providers of one process: routed, bounded, retried, failed over, priced.
pub struct ModelRouter {
    pub(crate) shared: Arc<Shared>,
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
        let shared = Shared {
            providers,
            routes: config.routes,
            capabilities: config.capabilities,
            deadlines: config.deadlines,
            retry: config.retry,
            open_wait: config.open_wait,
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

    /// The targets of a name. A provider that was not met yet (the process has just started) is asked what it
    /// serves first; one that doesn't say is why the call fails.
    async fn acquainted_targets(&self, asked: &Asked, context: &CallContext) -> Result<Vec<Target>, Failure> {
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
        let targets = self.acquainted_targets(&asked, context).await?;
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
        let streamed = call.raw.stream;
        let asked = Asked::Wire(call);
        let targets = self.acquainted_targets(&asked, &context).await?;
        let call = Call::new(&self.shared, asked, context, targets);
        call.served(streamed).await
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
