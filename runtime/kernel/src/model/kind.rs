//! What a try is to its call.

use serde::{Deserialize, Serialize};

/// Why a try was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryKind {
    /// The first of its call.
    #[default]
    First,
    /// At a target that was tried before.
    Retry,
    /// At the next target, after one that failed.
    Failover,
    /// Beside another that took long: whichever has content first goes on.
    Hedge,
    /// After the first content, to bring a broken answer to its end.
    Recovery,
    /// No try at all: the call shared the answer to an identical one.
    Joined,
}

impl TryKind {
    /// Its name in labels and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Failover => "failover",
            Self::Hedge => "hedge",
            Self::Recovery => "recovery",
            Self::Joined => "joined",
        }
    }
}
