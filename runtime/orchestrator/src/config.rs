//! What an operator can set about sessions, tasks and agents.

use std::time::Duration;

use greenroom_kernel::{AgentName, Limits};
use serde::Deserialize;

/// Bounds and defaults of task policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrchestratorConfig {
    /// The agent that answers a chat that names none.
    pub default_agent: AgentName,
    /// What a task may spend, unless it inherits less.
    pub limits: Limits,
    /// How long an agent may be silent, in milliseconds, before its attempt counts as dead.
    pub silence_ms: u64,
    /// How long a task waits for an instance of its agent, in milliseconds, before it fails.
    pub instance_wait_ms: u64,
    /// How many commands of an agent may be unanswered at once.
    pub credit: u32,
    /// How long a session's actor stays without work, in milliseconds.
    pub idle_ms: u64,
    /// How often the store is scanned for work that nobody runs, in milliseconds.
    pub scan_ms: u64,
    /// How many slots lie between two snapshots of a session.
    pub snapshot_every: u64,
    /// How many journals may have a live actor at once; more is refused.
    pub live_journals: usize,
    /// How many tasks that callers brought may be at work at once, from their acceptance until they rest; more is refused.
    pub in_flight: usize,
}

impl Default for OrchestratorConfig {
    fn default() -> Self {
        Self {
            default_agent: default_agent(),
            limits: Limits::default(),
            silence_ms: 10_000,
            instance_wait_ms: 15_000,
            credit: 64,
            idle_ms: 30_000,
            scan_ms: 5_000,
            snapshot_every: 64,
            live_journals: 10_000,
            in_flight: 4_096,
        }
    }
}

#[allow(
    clippy::expect_used,
    reason = "the literal matches the pattern of agent names"
)]
fn default_agent() -> AgentName {
    AgentName::parse("assistant").expect("a valid name")
}

impl OrchestratorConfig {
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }

    pub(crate) fn instance_wait(&self) -> Duration {
        Duration::from_millis(self.instance_wait_ms)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}
