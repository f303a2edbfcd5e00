//! How an agent fails.

use std::any::Any;
use std::fmt;

use greenroom_kernel::{ErrorCode, Failure};

/// Why an agent could not finish its task. Any error becomes one by `?`: a step's failure keeps its code (a model
/// that is not there stays UNAVAILABLE and names the remedy), all others are AGENT_FAILED with their causes.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentError(Failure);

impl AgentError {
    /// A failure of the agent's own (AGENT_FAILED).
    pub fn new(message: impl Into<String>) -> Self {
        Self(Failure::new(ErrorCode::AgentFailed, message))
    }

    /// The task's input is wrong (BAD_USER_INPUT).
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self(Failure::bad_input(message))
    }

    /// What kind of failure it is.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The failure, as the task's owner will see it.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// The failure, as the task's owner will see it.
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// The same error, marked as worth repeating.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self(self.0.retryable())
    }

    pub(crate) fn from_failure(failure: Failure) -> Self {
        Self(failure)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Not an `Error` itself: that is what lets every error convert.
impl<E: std::error::Error + 'static> From<E> for AgentError {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(failure) = any.downcast_ref::<Failure>() {
            return Self(failure.clone());
        }
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_code_and_any_other_error_names_its_causes() {
        let failure = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
        assert_eq!(*AgentError::from(failure.clone()).failure(), failure);

        let other = std::io::Error::other("disk on fire");
        let error = AgentError::from(other);
        assert_eq!(error.code(), ErrorCode::AgentFailed);
        assert_eq!(error.to_string(), "AGENT_FAILED: disk on fire");
    }
}
