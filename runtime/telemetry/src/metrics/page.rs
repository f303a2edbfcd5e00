//! Every metric with its name, help and bounds.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::buckets;
use super::labels::{
    Agent, AgentCode, Bounded, BreakerLabels, Build, ProviderLabel, Request, RequestStatus, Restart,
    StepLabels, TryLabels, WorkLabel,
};
use super::providers::ProviderGauges;

/// A histogram a label set, with a constructor that fixes the buckets.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub(super) struct Page {
    pub(super) agents: Bounded,
    pub(super) providers: Bounded,
    pub(super) operations: Bounded,
    pub(super) kinds: Bounded,
    pub(super) tasks_accepted: Family<Agent, Counter>,
    pub(super) tasks_completed: Family<Agent, Counter>,
    pub(super) tasks_failed: Family<AgentCode, Counter>,
    pub(super) steps: Family<StepLabels, Counter>,
    pub(super) provider_tries: Family<TryLabels, Counter>,
    pub(super) provider_try_seconds: Histograms<ProviderLabel>,
    pub(super) first_token_seconds: Histograms<ProviderLabel>,
    pub(super) journal_append_seconds: Histogram,
    pub(super) journal_group_appends: Histogram,
    pub(super) journal_sync_seconds: Histogram,
    pub(super) http_requests: Family<RequestStatus, Counter>,
    pub(super) http_request_seconds: Histograms<Request>,
    pub(super) in_flight: Family<WorkLabel, Gauge>,
    pub(super) in_flight_limit: Family<WorkLabel, Gauge>,
    pub(super) breaker_state: Family<BreakerLabels, Gauge>,
    pub(super) provider_gauges: ProviderGauges,
    pub(super) actor_restarts: Family<Restart, Counter>,
    pub(super) agent_history_records: Counter,
    pub(super) agent_history_lost: Counter,
    pub(super) registry: Registry,
}

impl Page {
    pub(super) fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("greenroom");
        let r = &mut registry;
        let build: Family<Build, Gauge> = Family::default();
        build
            .get_or_create(&Build {
                version: version.to_owned(),
            })
            .set(1);
        r.register("build_info", "The version that runs", build);
        Self {
            agents: Bounded::default(),
            providers: Bounded::default(),
            operations: Bounded::default(),
            kinds: Bounded::default(),
            tasks_accepted: register(r, "tasks_accepted", "Tasks accepted, by agent", Family::default()),
            tasks_completed: register(
                r,
                "tasks_completed",
                "Tasks completed, by agent",
                Family::default(),
            ),
            tasks_failed: register(
                r,
                "tasks_failed",
                "Tasks failed or cancelled, by agent and code",
                Family::default(),
            ),
            steps: register(
                r,
                "steps",
                "Steps finished, by kind and status",
                Family::default(),
            ),
            provider_tries: register(
                r,
                "provider_tries",
                "Tries at providers, by outcome class",
                Family::default(),
            ),
            provider_try_seconds: register(
                r,
                "provider_try_seconds",
                "How long a try took, to its last byte",
                Family::new_with_constructor(buckets::call as fn() -> Histogram),
            ),
            first_token_seconds: register(
                r,
                "provider_first_token_seconds",
                "From dispatch to the first content",
                Family::new_with_constructor(buckets::call as fn() -> Histogram),
            ),
            journal_append_seconds: register(
                r,
                "journal_append_seconds",
                "From handing an append to the writer to its being durable",
                buckets::disk(),
            ),
            journal_group_appends: register(
                r,
                "journal_group_appends",
                "Appends made durable by one sync",
                buckets::group(),
            ),
            journal_sync_seconds: register(
                r,
                "journal_sync_seconds",
                "How long one sync took",
                buckets::disk(),
            ),
            http_requests: register(
                r,
                "http_requests",
                "HTTP requests, by operation and status",
                Family::default(),
            ),
            http_request_seconds: register(
                r,
                "http_request_seconds",
                "How long a request took, by operation",
                Family::new_with_constructor(buckets::call as fn() -> Histogram),
            ),
            in_flight: register(r, "in_flight", "Work going on now", Family::default()),
            in_flight_limit: register(
                r,
                "in_flight_limit",
                "How much of it may go on at once",
                Family::default(),
            ),
            breaker_state: register(
                r,
                "breaker_state",
                "Breaker position: 0 closed, 1 half-open, 2 open",
                Family::default(),
            ),
            provider_gauges: ProviderGauges::register(r),
            actor_restarts: register(
                r,
                "actor_restarts",
                "Actors restarted, by kind",
                Family::default(),
            ),
            agent_history_records: register(
                r,
                "agent_history_records",
                "Records of what agents are like that were kept",
                Counter::default(),
            ),
            agent_history_lost: register(
                r,
                "agent_history_lost",
                "Records of what agents are like that could not be kept",
                Counter::default(),
            ),
            registry,
        }
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
