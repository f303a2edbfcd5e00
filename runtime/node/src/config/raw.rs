//! The configuration as people write it: text and numbers, with every default filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use greenroom_gateway::GatewayConfig;
use greenroom_kernel::AgentName;
use greenroom_orchestrator::OrchestratorConfig;
use serde::{Deserialize, Serialize};

use super::discovery::RawDiscovery;
use super::endpoint::RawAws;
use super::raw_agents::{RawAgentHistory, RawAssistant, RawExtractor, RawResearcher, RawSummarizer};
use super::raw_costs::{RawBudget, RawLedger, RawRequests};
use super::raw_models::{RawLocal, RawModels, RawProvider};
use super::raw_pool::RawPool;
use super::tls::RawTls;

/// `greenroom.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) gateway: RawGateway,
    pub(crate) supervisor: RawSupervisor,
    pub(crate) agent: RawAgent,
    pub(crate) discovery: RawDiscovery,
    pub(crate) tls: RawTls,
    pub(crate) aws: RawAws,
    pub(crate) operator: RawOperator,
    pub(crate) store: RawStore,
    pub(crate) tasks: RawTasks,
    pub(crate) models: RawModels,
    pub(crate) local: RawLocal,
    pub(crate) assistant: RawAssistant,
    pub(crate) summarizer: RawSummarizer,
    pub(crate) extractor: RawExtractor,
    pub(crate) researcher: RawResearcher,
    pub(crate) log: RawLog,
    pub(crate) trace: RawTrace,
    pub(crate) metrics: RawMetrics,
    pub(crate) ledger: RawLedger,
    pub(crate) requests: RawRequests,
    pub(crate) agent_history: RawAgentHistory,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) budgets: Vec<RawBudget>,
    pub(crate) providers: BTreeMap<String, RawProvider>,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawGateway {
    pub(crate) listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) supervisors: Vec<String>,
    pub(crate) stop_ms: u64,
    pub(crate) introspection: bool,
    pub(crate) graphiql: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_body_bytes: usize,
    pub(crate) v1_max_body_bytes: usize,
    pub(crate) max_header_bytes: usize,
    pub(crate) header_timeout_ms: u64,
    pub(crate) body_timeout_ms: u64,
    pub(crate) write_timeout_ms: u64,
    pub(crate) request_timeout_ms: u64,
    pub(crate) default_wait_ms: u64,
    pub(crate) max_wait_ms: u64,
    pub(crate) query_depth: usize,
    pub(crate) query_complexity: usize,
    pub(crate) query_aliases: usize,
    pub(crate) query_batch: usize,
    pub(crate) pool: RawPool,
}

impl Default for RawGateway {
    fn default() -> Self {
        let ours = GatewayConfig::default();
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            advertise: None,
            supervisors: Vec::new(),
            stop_ms: STOP_MS,
            introspection: ours.introspection,
            graphiql: ours.graphiql,
            max_connections: ours.max_connections,
            max_body_bytes: ours.max_body_bytes,
            v1_max_body_bytes: ours.v1_max_body_bytes,
            max_header_bytes: ours.max_header_bytes,
            header_timeout_ms: millis(ours.header_timeout),
            body_timeout_ms: millis(ours.body_timeout),
            write_timeout_ms: millis(ours.write_timeout),
            request_timeout_ms: millis(ours.request_timeout),
            default_wait_ms: millis(ours.default_wait),
            max_wait_ms: millis(ours.max_wait),
            query_depth: ours.query.depth,
            query_complexity: ours.query.complexity,
            query_aliases: ours.query.aliases,
            query_batch: ours.query.batch,
            pool: RawPool::default(),
        }
    }
}

/// How long a process of its own may take to leave: Amazon ECS kills it after 30 s.
const STOP_MS: u64 = 25_000;

/// `[supervisor]`: a supervisor of its own process. `dev` has the supervisor in its own process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSupervisor {
    pub(crate) listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    pub(crate) stop_ms: u64,
    pub(crate) beat_ms: u64,
    pub(crate) patience: u32,
}

impl Default for RawSupervisor {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".to_owned(),
            advertise: None,
            stop_ms: STOP_MS,
            beat_ms: 1_000,
            patience: 5,
        }
    }
}

/// `[agent]`: where the agents of this process listen, and which other hosts are joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAgent {
    /// Any free port: 7071 is left to agent hosts of their own.
    pub(crate) listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    pub(crate) stop_ms: u64,
    pub(crate) join: Vec<String>,
}

impl Default for RawAgent {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            advertise: None,
            stop_ms: STOP_MS,
            join: Vec::new(),
        }
    }
}

/// `[operator]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOperator {
    pub(crate) listen: String,
}

impl Default for RawOperator {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".to_owned(),
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStore {
    /// None: the platform's data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
    pub(crate) kind: RawStoreKind,
    /// Of `dynamodb`: what its tables' names begin with.
    pub(crate) table_prefix: String,
    /// Of `dynamodb`. None: as the environment or the profile says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// Of `dynamodb`. None: `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL`, or the region's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// Of `dynamodb`. None: payloads above 4 MiB are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload_bucket: Option<String>,
    /// Of `dynamodb`: what the names of a bucket's objects begin with.
    pub(crate) payload_prefix: String,
    /// Of `dynamodb`. None: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the region's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload_endpoint: Option<String>,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            path: None,
            kind: RawStoreKind::Sqlite,
            table_prefix: "greenroom".to_owned(),
            region: None,
            endpoint: None,
            payload_bucket: None,
            payload_prefix: "greenroom/".to_owned(),
            payload_endpoint: None,
        }
    }
}

/// What keeps the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawStoreKind {
    /// A file of this machine.
    Sqlite,
    /// A table of Amazon DynamoDB.
    Dynamodb,
}

/// `[tasks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTasks {
    pub(crate) default_agent: AgentName,
    pub(crate) max_steps: u32,
    pub(crate) max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_cost_usd: Option<f64>,
    pub(crate) max_time_ms: u64,
    pub(crate) max_depth: u32,
    pub(crate) silence_ms: u64,
    pub(crate) instance_wait_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) scan_ms: u64,
    pub(crate) snapshot_every: u64,
    pub(crate) live_journals: usize,
    pub(crate) in_flight: usize,
}

impl Default for RawTasks {
    fn default() -> Self {
        let ours = OrchestratorConfig::default();
        Self {
            default_agent: ours.default_agent,
            max_steps: ours.limits.steps,
            max_tokens: ours.limits.tokens,
            max_cost_usd: ours.limits.cost_usd,
            max_time_ms: ours.limits.time_ms,
            max_depth: ours.limits.depth,
            silence_ms: ours.silence_ms,
            instance_wait_ms: ours.instance_wait_ms,
            idle_ms: ours.idle_ms,
            scan_ms: ours.scan_ms,
            snapshot_every: ours.snapshot_every,
            live_journals: ours.live_journals,
            in_flight: ours.in_flight,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// None: `RUST_LOG`, else a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<String>,
    pub(crate) format: RawLogFormat,
    pub(crate) content: bool,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawLogFormat {
    #[default]
    Auto,
    Json,
    Human,
}

/// `[trace]`: what the `OTEL_*` variables don't say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTrace {
    pub(crate) sample_ratio: f64,
}

impl Default for RawTrace {
    fn default() -> Self {
        Self { sample_ratio: 1.0 }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawMetrics {
    /// Whether requests, tries, tasks and steps are counted.
    pub(crate) enabled: bool,
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self { enabled: true }
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
