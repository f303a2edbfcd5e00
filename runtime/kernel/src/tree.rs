//! The supervision tree as data: what is running, in what state, and what happened to it last.

use serde::{Deserialize, Serialize};

use crate::breaker::BreakerState;
use crate::time::Timestamp;

/// Where a supervised actor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActorState {
    /// Known, and waiting for those started before it.
    Waiting,
    /// Being started.
    Starting,
    /// Takes messages.
    Running,
    /// Asked to stop, not gone yet.
    Stopping,
    /// Failed, and waiting for its restart.
    Backoff,
    /// Gone, and not coming back.
    Stopped,
    /// Failed, and not coming back.
    Failed,
}

impl ActorState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Backoff => "BACKOFF",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }
}

/// One actor of the tree, with those it supervises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorNode {
    /// The names from the root down, joined by `/`.
    pub path: String,
    /// What sort of actor it is.
    pub kind: String,
    /// Where it is in its life.
    pub state: ActorState,
    /// How often it was restarted.
    pub restarts: u32,
    /// Why it last ended.
    pub last_cause: Option<String>,
    /// Messages admitted and not done.
    pub mailbox: u32,
    /// The breaker in front of it, if there is one.
    pub breaker: Option<BreakerState>,
    /// Those it supervises.
    pub children: Vec<ActorNode>,
}

/// What happened to a supervised actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SupervisionChange {
    /// Runs for the first time.
    Started,
    /// Runs again.
    Restarted,
    /// Ended as it was meant to.
    Stopped,
    /// Ended by a panic, an error, a kill, a hang, or didn't start.
    Failed,
    /// Its supervisor gave up on it and fails itself.
    Escalated,
}

impl SupervisionChange {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Restarted => "RESTARTED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Escalated => "ESCALATED",
        }
    }
}

/// Something that happened to a supervised actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupervisionEvent {
    /// Which actor.
    pub path: String,
    /// What sort of actor it is.
    pub kind: String,
    /// What happened.
    pub what: SupervisionChange,
    /// Why, when it ended.
    pub cause: Option<String>,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_travels_by_its_public_names() {
        let node = ActorNode {
            path: "node/providers".into(),
            kind: "supervisor".into(),
            state: ActorState::Running,
            restarts: 1,
            last_cause: Some("panic: boom".into()),
            mailbox: 2,
            breaker: Some(BreakerState::HalfOpen),
            children: vec![],
        };
        let json = serde_json::json!({
            "path": "node/providers", "kind": "supervisor", "state": "RUNNING", "restarts": 1,
            "lastCause": "panic: boom", "mailbox": 2, "breaker": "HALF_OPEN", "children": [],
        });
        assert_eq!(serde_json::to_value(node).unwrap(), json);
    }

    #[test]
    fn states_and_changes_travel_by_their_public_names() {
        use ActorState::{Backoff, Failed, Running, Starting, Stopped, Stopping, Waiting};
        for state in [Waiting, Starting, Running, Stopping, Backoff, Stopped, Failed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        use SupervisionChange as Change;
        for what in [
            Change::Started,
            Change::Restarted,
            Change::Stopped,
            Change::Failed,
            Change::Escalated,
        ] {
            assert_eq!(serde_json::to_value(what).unwrap(), what.as_str());
        }
    }
}
