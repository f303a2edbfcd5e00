//! The one vocabulary of failure that crosses component borders, and its one mapping to wire codes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{HostPort, NodeId};

/// The stable codes of INTERFACES: what a caller branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// Nobody known calls.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// No such thing, or not the caller's.
    NotFound,
    /// The caller's input is wrong.
    BadUserInput,
    /// Contradicts what is already there.
    Conflict,
    /// No capacity now; try again after the stated time.
    ResourceExhausted,
    /// A limit was reached: the task's own (steps, tokens, cost, depth), or a budget.
    LimitExceeded,
    /// The task's deadline passed.
    DeadlineExceeded,
    /// Something needed is not there now.
    Unavailable,
    /// The agent failed.
    AgentFailed,
    /// The model provider failed.
    ProviderFailed,
    /// Cancelled by its owner.
    Cancelled,
    /// An effect may or may not have happened.
    OutcomeUnknown,
    /// An agent's replay asked for other steps than its journal holds.
    NonDeterministic,
    /// A defect of ours.
    Internal,
}

impl ErrorCode {
    /// Every code, in the contract's order.
    pub const ALL: [ErrorCode; 15] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::Conflict,
        Self::ResourceExhausted,
        Self::LimitExceeded,
        Self::DeadlineExceeded,
        Self::Unavailable,
        Self::AgentFailed,
        Self::ProviderFailed,
        Self::Cancelled,
        Self::OutcomeUnknown,
        Self::NonDeterministic,
        Self::Internal,
    ];

    /// The code as it appears on every wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::AgentFailed => "AGENT_FAILED",
            Self::ProviderFailed => "PROVIDER_FAILED",
            Self::Cancelled => "CANCELLED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::NonDeterministic => "NON_DETERMINISTIC",
            Self::Internal => "INTERNAL",
        }
    }

    /// Reads a code as it appears on a wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// The HTTP status of the code (RFC 9110; 499 as proxies use it for a caller that left).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::BadUserInput => 400,
            Self::Conflict => 409,
            Self::ResourceExhausted | Self::LimitExceeded => 429,
            Self::DeadlineExceeded => 504,
            Self::Unavailable => 503,
            Self::AgentFailed | Self::ProviderFailed => 502,
            Self::Cancelled => 499,
            Self::OutcomeUnknown | Self::NonDeterministic | Self::Internal => 500,
        }
    }

    /// The gRPC status number of the code (grpc/grpc `statuscodes.md`).
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::Cancelled => 1,
            Self::OutcomeUnknown => 2,
            Self::BadUserInput => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::Forbidden => 7,
            Self::ResourceExhausted | Self::LimitExceeded => 8,
            Self::AgentFailed | Self::ProviderFailed | Self::NonDeterministic => 10,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as a caller sees it: data, serialisable, without its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// What kind.
    pub code: ErrorCode,
    /// What happened and how to mend it, for a person.
    pub message: String,
    /// Whether the same call may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// How long to wait before that, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Not here: the supervisor at that address may do it. Only processes of the same system tell each other; it is
    /// neither journaled nor shown to callers.
    #[serde(skip)]
    pub elsewhere: Option<Box<HostPort>>,
    /// What the supervisor at `elsewhere` is called, where it can't be reached from here by that address: who knows it by
    /// another may ask it there.
    #[serde(skip)]
    pub elsewhere_node: Option<Box<NodeId>>,
    /// Whether it is certain that nothing was begun: then even what must not happen twice may be asked for again. Only
    /// processes of the same system tell each other.
    #[serde(skip)]
    pub not_begun: bool,
}

impl Failure {
    /// A failure that repeating won't mend.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            retry_after_ms: None,
            elsewhere: None,
            elsewhere_node: None,
            not_begun: false,
        }
    }

    /// The same failure, marked as worth repeating.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same failure, worth repeating after `wait`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retryable = true;
        self.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The same failure of what was certainly not begun.
    #[must_use]
    pub fn not_begun(mut self) -> Self {
        self.not_begun = true;
        self
    }

    /// The caller's input is wrong.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    /// No such thing, or not the caller's.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("no such {what}"))
    }

    /// Something needed is not there now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message).retryable()
    }

    /// Another supervisor works on it, or should: ask there.
    pub fn elsewhere(at: HostPort) -> Self {
        Self {
            elsewhere: Some(Box::new(at)),
            ..Self::unavailable("another supervisor has this session: ask it, or ask again")
        }
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}

impl From<crate::InvalidId> for Failure {
    fn from(invalid: crate::InvalidId) -> Self {
        Self::bad_input(invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_own_text_and_has_an_error_status() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
            assert!((400..600).contains(&code.http_status()));
            assert!((1..=16).contains(&code.grpc_status()));
        }
    }
}
