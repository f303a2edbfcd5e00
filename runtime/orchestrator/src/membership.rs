//! This process among those that share its store: whom journals belong to, and what is asked of whoever has one.
//!
//! Courtesy alone. A wrong guess here costs a redirect or a replay, never a record: the log is the fence. Without
//! [`MembershipParts`] a process has its store to itself, and nothing of this is asked or awaited.

mod back;
mod beating;
mod fleet;
mod follow;
mod holders;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{HostPort, Nodes, Peers};
use serde::Deserialize;

pub(crate) use beating::MembershipActor;
pub(crate) use fleet::{Fleet, Way};
pub(crate) use follow::follow;
pub(crate) use holders::Kept;

/// What makes a process one of several on a store.
pub struct MembershipParts {
    /// Where each keeps its row.
    pub nodes: Arc<dyn Nodes>,
    /// The way to the others.
    pub peers: Arc<dyn Peers>,
    /// Where the others reach this one.
    pub address: HostPort,
    /// How often, and how long the others' silence is borne.
    pub config: MembershipConfig,
}

/// How a process tells that it lives, and when it takes others for dead.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembershipConfig {
    /// How often the own row is renewed and all rows are read, in milliseconds.
    pub beat_ms: u64,
    /// After how many of its own successful looks a process takes another for dead whose row stayed as it was, and after
    /// how many failed renewals of its own row it takes nothing any more.
    pub patience: u32,
}

impl Default for MembershipConfig {
    fn default() -> Self {
        Self {
            beat_ms: 1_000,
            patience: 5,
        }
    }
}

impl MembershipConfig {
    fn beat(&self) -> Duration {
        Duration::from_millis(self.beat_ms.max(10))
    }
}
