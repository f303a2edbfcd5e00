//! Agents and providers as they are now.

use async_graphql::{ID, Object, SimpleObject};

use super::enums::{BreakerState, Health};
use super::reach::int;
use super::scalars::DateTime;

/// An agent as it is now.
pub(crate) struct AgentStatus(pub(super) greenroom_kernel::AgentStatus);

/// An agent as it is now.
#[Object]
impl AgentStatus {
    /// Its name.
    async fn name(&self) -> &str {
        self.0.card.name.as_str()
    }

    /// Its version.
    async fn version(&self) -> &str {
        &self.0.card.version
    }

    /// What it does.
    async fn description(&self) -> &str {
        &self.0.card.description
    }

    /// The best of its instances' health.
    async fn health(&self) -> Health {
        self.0.health.into()
    }

    /// Open when every instance's is.
    async fn breaker(&self) -> BreakerState {
        self.0.breaker.into()
    }

    /// Its instances.
    async fn instances(&self) -> Vec<AgentInstance> {
        self.0.instances.iter().map(AgentInstance::of).collect()
    }

    /// Attempts that run.
    async fn in_flight(&self) -> i32 {
        int(self.0.in_flight)
    }

    /// Tasks that wait for an instance.
    async fn queued(&self) -> i32 {
        int(self.0.queued)
    }

    /// The last failure of any instance.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// Median duration of an attempt, milliseconds.
    #[graphql(name = "latencyMsP50")]
    async fn latency_ms_p50(&self) -> Option<i32> {
        self.0.latency_ms_p50.map(int)
    }

    /// 99th percentile of it.
    #[graphql(name = "latencyMsP99")]
    async fn latency_ms_p99(&self) -> Option<i32> {
        self.0.latency_ms_p99.map(int)
    }

    /// When this was true.
    async fn checked_at(&self) -> DateTime {
        DateTime(self.0.checked_at)
    }
}

/// One instance of an agent.
#[derive(SimpleObject)]
pub(crate) struct AgentInstance {
    /// Its id.
    id: ID,
    /// The process it is in.
    node: String,
    /// Its version.
    version: String,
    /// Its health.
    health: Health,
    /// Its breaker.
    breaker: BreakerState,
    /// Attempts that run on it.
    in_flight: i32,
    /// How often its actor was restarted.
    restarts: i32,
    /// Its last failure.
    last_error: Option<String>,
}

impl AgentInstance {
    fn of(instance: &greenroom_kernel::AgentInstance) -> Self {
        Self {
            id: ID(instance.id.clone()),
            node: instance.node.clone(),
            version: instance.version.clone(),
            health: instance.health.into(),
            breaker: instance.breaker.into(),
            in_flight: int(instance.in_flight),
            restarts: int(instance.restarts),
            last_error: instance.last_error.clone(),
        }
    }
}

/// A model provider as one process sees it.
#[derive(SimpleObject)]
pub(crate) struct ProviderStatus {
    /// Its configured name.
    name: String,
    /// The process that holds this view.
    node: String,
    /// Its health.
    health: Health,
    /// Its breaker.
    breaker: BreakerState,
    /// How many calls may run at once now: it adapts, below its ceiling.
    concurrency_limit: i32,
    /// How many calls may run at once at most, as configured.
    concurrency_ceiling: i32,
    /// How many do.
    in_flight: i32,
    /// Share of failed calls in the window, 0 to 1.
    error_rate: f64,
    /// Median duration of a call, milliseconds.
    #[graphql(name = "latencyMsP50")]
    latency_ms_p50: Option<i32>,
    /// Median time to the first content, milliseconds.
    #[graphql(name = "ttftMsP50")]
    ttft_ms_p50: Option<i32>,
    /// Average time to the first content of late, milliseconds.
    ttft_ms_average: Option<i32>,
    /// Average speed of answers of late, in tokens of output a second.
    tokens_per_second: Option<f64>,
    /// Left alone until then: it asked for that, or its allowance is used up.
    held_until: Option<DateTime>,
    /// Credentials that are not refused at present; null where it needs none.
    credentials_usable: Option<i32>,
    /// All its credentials.
    credentials_total: Option<i32>,
    /// Requests left of its allowance, as it said last.
    requests_left: Option<i32>,
    /// Tokens left of it.
    tokens_left: Option<i32>,
    /// When all of it is there again.
    quota_resets_at: Option<DateTime>,
    /// The last fault.
    last_error: Option<String>,
}

impl From<greenroom_kernel::ProviderStatus> for ProviderStatus {
    fn from(status: greenroom_kernel::ProviderStatus) -> Self {
        Self {
            name: status.name,
            node: status.node,
            health: status.health.into(),
            breaker: status.breaker.into(),
            concurrency_limit: int(status.concurrency_limit),
            concurrency_ceiling: int(status.concurrency_ceiling),
            in_flight: int(status.in_flight),
            error_rate: status.error_rate,
            latency_ms_p50: status.latency_ms_p50.map(int),
            ttft_ms_p50: status.ttft_ms_p50.map(int),
            ttft_ms_average: status.ttft_ms_average.map(int),
            tokens_per_second: status.tokens_per_second,
            held_until: status.held_until.map(DateTime),
            credentials_usable: status.credentials.map(|of| int(of.usable)),
            credentials_total: status.credentials.map(|of| int(of.total)),
            requests_left: status.requests_left.map(int),
            tokens_left: status.tokens_left.map(int),
            quota_resets_at: status.quota_resets_at.map(DateTime),
            last_error: status.last_error,
        }
    }
}
