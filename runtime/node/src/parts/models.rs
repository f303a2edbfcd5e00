//! Builds the providers that were chosen and the router over them.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::TryKind;
use greenroom_models::{Accounts, MetricsSink, ModelRouter, ModelsConfig, Ports, ProviderSpec, TryRecord};
use greenroom_provider_anthropic::MessagesDialect;
use greenroom_provider_http::Dialect;
use greenroom_provider_openai::{ChatDialect, EmbeddingsDialect, ResponsesDialect};
use greenroom_supervision::{Environment, Root, SupervisorSpec};
use greenroom_telemetry::Metrics;

use super::providers::Choice;
use super::world::World;
use crate::config::Config;
use crate::failed::Failed;

/// A call waits for its turn at the local model inside it, where a long answer holds up the next.
#[cfg(feature = "local-model")]
const LOCAL_CONNECT: Duration = Duration::from_secs(600);

/// The router and what belongs to it.
pub(crate) struct BuiltModels {
    pub(crate) router: Arc<ModelRouter>,
    pub(crate) supervisor: SupervisorSpec,
    /// As the banner names them.
    pub(crate) names: Vec<String>,
    #[cfg(feature = "local-model")]
    pub(crate) local: Option<super::local::Watched>,
}

/// Everything unstarted, save the local model, which begins to load. `node` is what the process is called.
pub(crate) fn build(
    config: &Config,
    choice: &Choice,
    world: &World,
    accounts: &Arc<Accounts>,
    node: &str,
) -> Result<BuiltModels, Failed> {
    let ports = Ports {
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        metrics: Arc::new(CountTries(world.metrics.clone())),
        accounts: Some(Arc::clone(accounts)),
    };
    let (mut specs, mut names) = (Vec::new(), Vec::new());
    for (remote, concurrency) in &choice.remote {
        names.push(match remote.models().first() {
            Some(model) => format!("{} ({})", remote.name(), model.name),
            None => remote.name().to_owned(),
        });
        let mut spec = ProviderSpec::new(remote.backend(Arc::clone(&ports.clock))?);
        spec.concurrency_limit = concurrency.unwrap_or(spec.concurrency_limit);
        specs.push(spec);
    }
    #[cfg(feature = "local-model")]
    let local = match choice.local {
        true => {
            let local = super::local::start(&config.local)?;
            names.push(format!("local ({})", local.model));
            specs.push(ProviderSpec {
                concurrency_limit: local.at_once,
                deadlines: Some(greenroom_models::Deadlines {
                    connect: LOCAL_CONNECT.max(config.models.deadlines.connect),
                    ..config.models.deadlines
                }),
                ..ProviderSpec::new(local.backend.clone())
            });
            Some(local)
        }
        false => None,
    };
    let mut models = ModelsConfig::new(node);
    models.providers = specs;
    models.routes = config.models.routes.iter().cloned().collect();
    models.recover = config.models.recover.clone();
    models.capabilities = config.models.capabilities.clone();
    models.prices = config.models.prices.clone();
    models.deadlines = config.models.deadlines;
    models.retry.tries = config.models.tries;
    models.retry.within = models.retry.within.min(Duration::from_secs(600));
    let (router, supervisor) = ModelRouter::build(models, ports)?;
    Ok(BuiltModels {
        router: Arc::new(router),
        supervisor,
        names,
        #[cfg(feature = "local-model")]
        local,
    })
}

/// Starts the providers' actors.
///
/// # Errors
/// Why they did not start.
pub(crate) fn start(environment: &Environment, providers: SupervisorSpec) -> Result<Root, Failed> {
    Root::start(environment, providers)
        .map_err(|cause| Failed::because(format!("the providers' supervisor did not start: {cause}")))
}

/// The wire families that `/v1` speaks.
pub(crate) fn dialects() -> Vec<Arc<dyn Dialect>> {
    vec![
        Arc::new(ChatDialect),
        Arc::new(ResponsesDialect),
        Arc::new(EmbeddingsDialect),
        Arc::new(MessagesDialect),
    ]
}

/// Counts tries on the operator's page.
struct CountTries(Metrics);

impl MetricsSink for CountTries {
    fn tried(&self, record: &TryRecord<'_>) {
        // Which is no try.
        if record.kind == TryKind::Joined {
            return;
        }
        self.0.provider_try(record.provider, record.class(), record.took);
        if let Some(after) = record.first_content {
            self.0.first_token(record.provider, after);
        }
    }
}
