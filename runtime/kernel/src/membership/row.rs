//! What a process says of itself in the store.

use std::fmt;
use std::str::FromStr;

use crate::{HostPort, NodeId, Writer};

/// One process's own row: written by it alone, read by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Which process.
    pub node: NodeId,
    /// Which start of it: a newer one ends every older one.
    pub incarnation: u64,
    /// Whether it takes work.
    pub state: NodeState,
    /// Where others reach its supervisor.
    pub address: HostPort,
    /// Grows by one with each renewal. Only whether it moved means anything.
    pub beat: u64,
}

impl NodeRow {
    /// The start of the process that this row is of, as slots name it.
    pub fn writer(&self) -> Writer {
        Writer {
            node: self.node.clone(),
            incarnation: self.incarnation,
        }
    }
}

/// Whether a process takes work, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It does.
    Serving,
    /// It takes no more and lets go of what it has; what it holds is still its own.
    Draining,
    /// It has let go of everything: what it held is free.
    Left,
}

impl NodeState {
    /// As stores keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::Draining => "DRAINING",
            Self::Left => "LEFT",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is no state of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a node: SERVING, DRAINING or LEFT")]
pub struct UnknownNodeState(String);

impl FromStr for NodeState {
    type Err = UnknownNodeState;

    fn from_str(text: &str) -> Result<Self, UnknownNodeState> {
        [Self::Serving, Self::Draining, Self::Left]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownNodeState(text.to_owned()))
    }
}
