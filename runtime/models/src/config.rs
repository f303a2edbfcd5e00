//! What the composition root decides.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Backoff, BreakerConfig, BreakerConfigError, HealthThresholds, ModelBackend, RetryBudgetConfig,
    RetryPolicy,
};

use crate::capability::CapabilityTable;
use crate::deadlines::Deadlines;
use crate::price::PriceTable;
use crate::route::Route;

/// One provider.
#[derive(Clone)]
pub struct ProviderSpec {
    /// Its adapter; its name is the provider's.
    pub backend: Arc<dyn ModelBackend>,
    /// How many calls may run at once, at least 1; more wait their turn, outside every deadline but the total.
    pub concurrency_limit: u32,
    /// When its breaker opens and for how long.
    pub breaker: BreakerConfig,
    /// Its own deadlines; none takes the common ones. `total` is always the common one.
    pub deadlines: Option<Deadlines>,
}

impl ProviderSpec {
    /// A provider that takes 64 calls at once, with the usual breaker and the common deadlines.
    pub fn new(backend: Arc<dyn ModelBackend>) -> Self {
        Self {
            backend,
            concurrency_limit: 64,
            breaker: BreakerConfig::default(),
            deadlines: None,
        }
    }
}

/// How providers are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeConfig {
    /// How often a provider that answered is asked again.
    pub interval: Duration,
    /// How often one that did not is.
    pub interval_failing: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            interval_failing: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Everything about model calls.
#[derive(Clone)]
pub struct ModelsConfig {
    /// This process, as statuses name it.
    pub node: String,
    /// The providers, the preferred first: that is the default route.
    pub providers: Vec<ProviderSpec>,
    /// Logical model names and their targets. The name `default` replaces the default route.
    pub routes: BTreeMap<String, Route>,
    /// The common deadlines.
    pub deadlines: Deadlines,
    /// How often and how long one call is tried. `tries` counts every try at every target.
    pub retry: RetryPolicy,
    /// How many second tries at the same target the whole process makes.
    pub retry_budget: RetryBudgetConfig,
    /// How long a call waits when every target is away by our own judgement: breakers open, allowances used up. What
    /// can't be waited for so is asked all the same, one call a second and provider.
    pub open_wait: Duration,
    /// How long a call under `/v1` waits when every target asked to be left alone. Others wait as long as they may retry.
    pub held_wait: Duration,
    /// How long a call waits when every provider has all it takes.
    pub queue_wait: Duration,
    /// How many calls may wait so at once.
    pub queue_limit: usize,
    /// How providers are probed.
    pub probe: ProbeConfig,
    /// What tokens cost.
    pub prices: PriceTable,
    /// What models can do.
    pub capabilities: CapabilityTable,
    /// Where the lines between the states of health are.
    pub health: HealthThresholds,
}

impl ModelsConfig {
    /// The usual numbers, without providers.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            providers: Vec::new(),
            routes: BTreeMap::new(),
            deadlines: Deadlines::default(),
            retry: RetryPolicy {
                tries: 6,
                backoff: Backoff {
                    base: Duration::from_millis(250),
                    at_most: Duration::from_secs(8),
                },
                within: Duration::from_secs(300),
            },
            retry_budget: RetryBudgetConfig::default(),
            open_wait: Duration::from_secs(2),
            held_wait: Duration::from_secs(10),
            queue_wait: Duration::from_secs(60),
            queue_limit: 256,
            probe: ProbeConfig::default(),
            prices: PriceTable::default(),
            capabilities: CapabilityTable::default(),
            health: HealthThresholds::default(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ModelsError> {
        let mut names = HashSet::new();
        for provider in &self.providers {
            let name = provider.backend.name();
            if name.is_empty() || name.contains('/') {
                return Err(ModelsError::ProviderName {
                    name: name.to_owned(),
                });
            }
            if !names.insert(name) {
                return Err(ModelsError::ProviderTwice {
                    name: name.to_owned(),
                });
            }
        }
        for (route, Route { targets, .. }) in &self.routes {
            if targets.is_empty() {
                return Err(ModelsError::EmptyRoute { route: route.clone() });
            }
            if let Some(unknown) = targets.iter().find(|t| !names.contains(t.provider.as_str())) {
                return Err(ModelsError::UnknownProvider {
                    route: route.clone(),
                    provider: unknown.provider.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Why a configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelsError {
    /// A provider's name can't be a place in the supervision tree.
    #[error("provider name `{name}`: it must not be empty nor hold a `/`")]
    ProviderName {
        /// The name.
        name: String,
    },
    /// Two providers have one name.
    #[error("two providers are named `{name}`: give one of them another name")]
    ProviderTwice {
        /// The name.
        name: String,
    },
    /// A route leads nowhere.
    #[error("route `{route}` has no targets")]
    EmptyRoute {
        /// The route.
        route: String,
    },
    /// A route names a provider there is not.
    #[error("route `{route}` names provider `{provider}`, which is not configured")]
    UnknownProvider {
        /// The route.
        route: String,
        /// The provider.
        provider: String,
    },
    /// A breaker's numbers contradict each other.
    #[error("the breaker of provider `{provider}` can't be made")]
    Breaker {
        /// The provider.
        provider: String,
        /// Why.
        #[source]
        source: BreakerConfigError,
    },
}
