//! Configuration: `greenroom.toml`, then `GREENROOM__SECTION__KEY`, then flags; checked whole before anything starts.

mod agents;
mod discovery;
mod endpoint;
mod error;
mod fleet;
mod load;
mod mistake;
mod paths;
mod raw;
mod raw_agents;
mod raw_costs;
mod raw_facts;
mod raw_flow;
mod raw_models;
mod raw_pool;
mod raw_recover;
mod raw_routes;
mod stored;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_gateway::{GatewayConfig, QueryLimits};
use greenroom_kernel::{Budget, Limits};
use greenroom_models::{CapabilityTable, Deadlines, PriceTable, Recover, Route};
use greenroom_orchestrator::OrchestratorConfig;

pub(crate) use agents::AgentSettings;
pub(crate) use discovery::{DiscoverySettings, Place};
pub(crate) use error::ConfigError;
pub(crate) use fleet::{Berth, FleetSettings, RunAs};
pub(crate) use load::{Flags, Sources, load};
#[cfg(feature = "local-model")]
pub(crate) use paths::cache_folder;
pub(crate) use raw::{RawLog, RawLogFormat};
pub(crate) use raw_models::{RawLocal, RawOpenAiApi, RawProvider, RawProviderKind};
pub(crate) use stored::{DynamoSettings, StoreSettings};
#[cfg(feature = "secrets-manager")]
pub(crate) use tls::SecretSettings;
pub(crate) use tls::{TlsPlace, TlsSettings};

use raw::Raw;
use raw_costs::{RawRequests, budgets};
use raw_facts::{capabilities, prices};
use raw_models::RawModels;
use raw_recover::RawRecover;

/// Everything an operator can set, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) gateway: GatewayConfig,
    pub(crate) gateway_listen: SocketAddr,
    pub(crate) agent_listen: SocketAddr,
    pub(crate) agent_hosts: Vec<String>,
    pub(crate) fleet: FleetSettings,
    pub(crate) discovery: Option<DiscoverySettings>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) operator_listen: SocketAddr,
    pub(crate) store: StoreSettings,
    pub(crate) tasks: OrchestratorConfig,
    pub(crate) models: ModelPolicy,
    pub(crate) providers: Vec<(String, RawProvider)>,
    pub(crate) local: RawLocal,
    pub(crate) agents: AgentSettings,
    pub(crate) budgets: Vec<Budget>,
    /// Whether tries are billed, requests are logged and budgets hold.
    pub(crate) bills: bool,
    pub(crate) requests: RawRequests,
    /// For how long what is seen of agents is kept; none where it isn't.
    pub(crate) keep_history: Option<Duration>,
    pub(crate) log: RawLog,
    pub(crate) sample_ratio: f64,
    /// Whether requests, tries, tasks and steps are counted.
    pub(crate) counts: bool,
}

/// How model calls are bounded and routed, whoever provides them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelPolicy {
    pub(crate) deadlines: Deadlines,
    pub(crate) tries: u32,
    pub(crate) recover: Recover,
    pub(crate) routes: Vec<(String, Route)>,
    pub(crate) capabilities: CapabilityTable,
    pub(crate) prices: PriceTable,
}

impl Config {
    /// Checks what was written.
    fn of(raw: &Raw) -> Result<Self, ConfigError> {
        let gateway_listen = address("gateway.listen", &raw.gateway.listen)?;
        positive("gateway.max_connections", raw.gateway.max_connections as u64)?;
        positive("tasks.max_steps", raw.tasks.max_steps.into())?;
        positive("tasks.silence_ms", raw.tasks.silence_ms)?;
        positive("tasks.snapshot_every", raw.tasks.snapshot_every)?;
        positive("requests.keep_days", raw.requests.keep_days.into())?;
        if !raw.ledger.enabled && !raw.budgets.is_empty() {
            return Err(ConfigError::value(
                "ledger.enabled",
                "budgets are held against the ledger: switch it on, or take [[budgets]] out",
            ));
        }
        positive("models.tries", raw.models.tries.into())?;
        if !(0.0..=1.0).contains(&raw.trace.sample_ratio) {
            return Err(ConfigError::value(
                "trace.sample_ratio",
                "it must lie between 0 and 1",
            ));
        }
        for url in &raw.agent.join {
            agent_url(url)?;
        }
        Ok(Self {
            gateway: gateway(raw, gateway_listen),
            gateway_listen,
            agent_listen: address("agent.listen", &raw.agent.listen)?,
            agent_hosts: raw.agent.join.clone(),
            fleet: FleetSettings::of(raw)?,
            discovery: DiscoverySettings::of(&raw.discovery)?,
            tls: TlsSettings::of(&raw.tls)?,
            operator_listen: address("operator.listen", &raw.operator.listen)?,
            store: StoreSettings::of(&raw.store)?,
            tasks: tasks(raw),
            models: models(&raw.models)?,
            providers: providers(raw)?,
            local: raw.local.clone(),
            agents: AgentSettings::of(raw)?,
            budgets: budgets(&raw.budgets)?,
            bills: raw.ledger.enabled,
            requests: raw.requests.clone(),
            keep_history: raw.agent_history.keep()?,
            log: raw.log.clone(),
            sample_ratio: raw.trace.sample_ratio,
            counts: raw.metrics.enabled,
        })
    }
}

fn gateway(raw: &Raw, listen: SocketAddr) -> GatewayConfig {
    let (set, ours) = (&raw.gateway, GatewayConfig::default());
    GatewayConfig {
        loopback_only: listen.ip().is_loopback(),
        introspection: set.introspection,
        graphiql: set.graphiql,
        query: QueryLimits {
            depth: set.query_depth,
            complexity: set.query_complexity,
            aliases: set.query_aliases,
            batch: set.query_batch,
            ..ours.query
        },
        max_connections: set.max_connections,
        max_body_bytes: set.max_body_bytes,
        v1_max_body_bytes: set.v1_max_body_bytes,
        max_header_bytes: set.max_header_bytes,
        header_timeout: Duration::from_millis(set.header_timeout_ms),
        body_timeout: Duration::from_millis(set.body_timeout_ms),
        write_timeout: Duration::from_millis(set.write_timeout_ms),
        request_timeout: Duration::from_millis(set.request_timeout_ms),
        default_wait: Duration::from_millis(set.default_wait_ms),
        max_wait: Duration::from_millis(set.max_wait_ms),
        ..ours
    }
}

fn tasks(raw: &Raw) -> OrchestratorConfig {
    let set = &raw.tasks;
    OrchestratorConfig {
        default_agent: set.default_agent.clone(),
        limits: Limits {
            steps: set.max_steps,
            tokens: set.max_tokens,
            cost_usd: set.max_cost_usd,
            time_ms: set.max_time_ms,
            depth: set.max_depth,
        },
        silence_ms: set.silence_ms,
        instance_wait_ms: set.instance_wait_ms,
        idle_ms: set.idle_ms,
        scan_ms: set.scan_ms,
        snapshot_every: set.snapshot_every,
        live_journals: set.live_journals,
        in_flight: set.in_flight,
        ..OrchestratorConfig::default()
    }
}

fn models(raw: &RawModels) -> Result<ModelPolicy, ConfigError> {
    let mut routes = Vec::new();
    for (name, raw) in &raw.routes {
        let mut route = raw.route();
        if route.targets.is_empty() {
            return Err(ConfigError::value(
                &format!("models.routes.{name}"),
                "it has no targets",
            ));
        }
        let key = format!("models.routes.{name}.recover");
        route.recover = match raw.recover() {
            Some(raw) => Some(recover(&key, raw)?),
            None => None,
        };
        routes.push((name.clone(), route));
    }
    Ok(ModelPolicy {
        deadlines: Deadlines {
            connect: Duration::from_millis(raw.connect_ms),
            whole: Duration::from_millis(raw.whole_ms),
            first_token: Duration::from_millis(raw.first_token_ms),
            between_tokens: Duration::from_millis(raw.between_tokens_ms),
            total: Duration::from_millis(raw.total_ms),
            tokens_per_second: raw.tokens_per_second,
        },
        tries: raw.tries,
        recover: recover("models.recover", &raw.recover)?,
        routes,
        capabilities: capabilities(&raw.capabilities)?,
        prices: prices(&raw.prices)?,
    })
}

fn recover(key: &str, raw: &RawRecover) -> Result<Recover, ConfigError> {
    raw.recover().map_err(|why| ConfigError::value(key, why))
}

fn providers(raw: &Raw) -> Result<Vec<(String, RawProvider)>, ConfigError> {
    for (name, provider) in &raw.providers {
        let key = format!("providers.{name}");
        if name == "local" {
            return Err(ConfigError::value(
                &key,
                "`local` is the model in this process: see [local]",
            ));
        }
        let ways = [
            ("api_key", provider.api_key.is_some()),
            ("api_key_env", provider.api_key_env.is_some()),
            ("api_keys", !provider.api_keys.is_empty()),
            ("api_key_envs", !provider.api_key_envs.is_empty()),
        ];
        let used: Vec<&str> = ways
            .iter()
            .filter(|(_, used)| *used)
            .map(|(way, _)| *way)
            .collect();
        if let [first, second, ..] = used[..] {
            let why = format!("it has both {first} and {second}: keep one");
            return Err(ConfigError::value(&key, &why));
        }
        let keyed = provider.base_url.is_some()
            || provider.api_key.is_some()
            || provider.api_key_env.is_some()
            || !provider.api_keys.is_empty()
            || !provider.api_key_envs.is_empty();
        let placed = provider.region.is_some() || provider.endpoint_url.is_some();
        match provider.kind {
            RawProviderKind::Bedrock if keyed => {
                return Err(ConfigError::value(
                    &key,
                    "Bedrock has a region and an endpoint_url instead of a base_url, and takes AWS credentials or \
                     AWS_BEARER_TOKEN_BEDROCK from the environment instead of an api_key",
                ));
            }
            RawProviderKind::OpenAi | RawProviderKind::Anthropic if placed => {
                return Err(ConfigError::value(
                    &key,
                    "only a provider of the kind bedrock has a region or an endpoint_url: the others have a base_url",
                ));
            }
            _ => {}
        }
        let goes_on = |(target, can): (&String, &raw_facts::RawCapabilities)| {
            let of = target.split_once('/').map(|(of, _)| of);
            of == Some(name.as_str()) && can.prefill == Some(true)
        };
        if provider.api == Some(RawOpenAiApi::Responses) && raw.models.capabilities.iter().any(goes_on) {
            return Err(ConfigError::value(
                &format!("models.capabilities.\"{name}/…\".prefill"),
                "no server goes on from a text over the Responses API: it answers anew, and two halves would be read as one \
                 answer. Take it out, or say api = \"chat\"",
            ));
        }
        if provider.api.is_some() && provider.kind != RawProviderKind::OpenAi {
            return Err(ConfigError::value(
                &format!("{key}.api"),
                "only a provider of kind \"openai\" has a choice of wires",
            ));
        }
        if provider.concurrency == Some(0) {
            return Err(ConfigError::value(
                &format!("{key}.concurrency"),
                "it must be at least 1",
            ));
        }
    }
    Ok(raw.providers.clone().into_iter().collect())
}

/// An `address:port`; `localhost` is this machine.
fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let numeric = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        let why = format!("`{text}` is no address:port such as 127.0.0.1:8080 or [::1]:8080");
        ConfigError::value(key, &why)
    })
}

fn agent_url(url: &str) -> Result<(), ConfigError> {
    let schemes = ["http://", "https://"];
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.unwrap_or(url).trim_end_matches('/');
    let port = rest
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) if !rest.contains("://") => Ok(()),
        _ => {
            let why = format!(
                "`{url}` is no agent host's URL such as http://127.0.0.1:7071 or https://10.0.0.7:7071"
            );
            Err(ConfigError::value("agent.join", &why))
        }
    }
}

fn positive(key: &str, value: u64) -> Result<(), ConfigError> {
    if value == 0 {
        return Err(ConfigError::value(key, "it must be at least 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
