//! How a try fails.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Failure};

/// Fault classes of a try. Only provider faults move a breaker; client faults are never retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// A passing fault: reset, 5xx, truncation, stall.
    Transient,
    /// 429 and its kin.
    Throttled,
    /// The provider says it is overloaded.
    Overloaded,
    /// Wrong credentials, wrong configuration, not loaded.
    HardDown,
    /// The request is at fault.
    BadRequest,
    /// The conversation does not fit the model.
    ContextLength,
    /// Refused by a content filter.
    ContentFilter,
    /// The caller left.
    Cancelled,
}

impl FaultClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Transient,
        Self::Throttled,
        Self::Overloaded,
        Self::HardDown,
        Self::BadRequest,
        Self::ContextLength,
        Self::ContentFilter,
        Self::Cancelled,
    ];

    /// The class as labels, spans and rows name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::HardDown => "hard_down",
            Self::BadRequest => "bad_request",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::Cancelled => "cancelled",
        }
    }

    /// The class of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Whether the provider, not the caller, is at fault.
    pub const fn is_provider_fault(self) -> bool {
        matches!(
            self,
            Self::Transient | Self::Throttled | Self::Overloaded | Self::HardDown
        )
    }

    /// Whether the same try may succeed on the same target later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::Overloaded)
    }
}

/// How a try failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider {provider}: {message}")]
pub struct ProviderFault {
    /// Which provider.
    pub provider: String,
    /// Which kind of fault.
    pub class: FaultClass,
    /// What happened and how to mend it.
    pub message: String,
    /// The provider's own word on when to come back.
    pub retry_after: Option<Duration>,
    /// The provider's answer, where it gave one: for callers who speak its wire family.
    pub answered: Option<Box<ErrorAnswer>>,
}

/// An error as the provider answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The provider's own code or type for it, such as `context_length_exceeded`.
    pub code: Option<String>,
    /// The body, where it is fit to be shown to the caller as it is: JSON without secrets.
    pub body: Option<Bytes>,
}

impl ProviderFault {
    /// A fault of which no answer tells more.
    pub fn new(provider: impl Into<String>, class: FaultClass, message: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            class,
            message: message.into(),
            retry_after: None,
            answered: None,
        }
    }
}

impl From<ProviderFault> for Failure {
    fn from(fault: ProviderFault) -> Self {
        let code = match fault.class {
            FaultClass::Transient => ErrorCode::ProviderFailed,
            FaultClass::Throttled | FaultClass::Overloaded => ErrorCode::ResourceExhausted,
            FaultClass::HardDown => ErrorCode::Unavailable,
            FaultClass::BadRequest | FaultClass::ContextLength => ErrorCode::BadUserInput,
            FaultClass::ContentFilter => ErrorCode::ProviderFailed,
            FaultClass::Cancelled => ErrorCode::Cancelled,
        };
        let retryable = fault.class.is_retryable() || fault.class == FaultClass::HardDown;
        let failure = Failure {
            retryable,
            ..Failure::new(code, fault.to_string())
        };
        match fault.retry_after {
            Some(wait) if retryable => failure.retry_after(wait),
            _ => failure,
        }
    }
}

/// Why a whole call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallFailure {
    /// What callers who know nothing of providers are told.
    pub failure: Failure,
    /// The fault of the last try, if a try was made.
    pub fault: Option<Box<ProviderFault>>,
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, fault: None }
    }
}

impl From<CallFailure> for Failure {
    fn from(failed: CallFailure) -> Self {
        failed.failure
    }
}
