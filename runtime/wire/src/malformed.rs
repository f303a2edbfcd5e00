//! Why a message from the wire makes no sense.

use greenroom_kernel::{ErrorCode, Failure};

/// A message that breaks the protocol. Whose fault that is depends on who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {field}: {reason}")]
pub struct Malformed {
    /// Which field, by its name in the `.proto` file.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Malformed {
    pub(crate) fn new(field: &'static str, reason: impl ToString) -> Self {
        Self {
            field,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn absent(field: &'static str) -> Self {
        Self::new(field, "it is absent or of an unknown kind")
    }

    /// The failure when a caller sent it.
    pub fn by_caller(&self) -> Failure {
        Failure::bad_input(self.to_string())
    }

    /// The failure when an agent sent it.
    pub fn by_agent(&self) -> Failure {
        Failure::new(
            ErrorCode::AgentFailed,
            format!("the agent broke the protocol: {self}"),
        )
    }

    /// The failure when another part of the system sent it, in answer to a call that may have had its effect: most
    /// likely another version of us, so repeating won't mend it.
    pub fn by_peer(&self) -> Failure {
        Failure::new(
            ErrorCode::Unavailable,
            format!("another process broke the protocol: {self}"),
        )
    }
}
