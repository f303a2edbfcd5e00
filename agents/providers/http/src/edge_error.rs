//! Why a caller of a wire family gets no answer, before it is put into the family's shape.

use std::time::Duration;

use bytes::Bytes;
use greenroom_kernel::{CallFailure, ErrorCode, FaultClass, ProviderFault, Unreadable};

/// What clients of OpenAI know a used up budget by, or a limit: they don't ask again.
pub const NO_QUOTA: &str = "insufficient_quota";

/// Kinds of errors, as every family tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong.
    InvalidRequest,
    /// Nobody knows who calls.
    Unauthenticated,
    /// The caller may not.
    Forbidden,
    /// No such model, or no such path.
    NotFound,
    /// This path doesn't take this method.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// The body isn't JSON by its own word.
    UnsupportedMedia,
    /// The request took too long to arrive.
    Slow,
    /// Too many requests, or no allowance left.
    RateLimited,
    /// Nobody can take the call now.
    Overloaded,
    /// The upstream failed.
    Upstream,
    /// It took too long.
    Timeout,
    /// Our fault.
    Internal,
}

impl ErrorKind {
    /// Its HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Slow => 408,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }
}

/// An error on its way to a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EdgeError {
    /// Its kind.
    pub kind: ErrorKind,
    /// What happened and how to mend it.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The upstream's own code, or ours, such as `context_length_exceeded` or `model_not_found`.
    pub code: Option<String>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// The upstream's own answer and its status: for callers of the same family.
    pub answered: Option<(u16, Bytes)>,
}

impl EdgeError {
    /// An error without further detail.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            answered: None,
        }
    }

    /// With a code.
    #[must_use]
    pub fn coded(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl From<Unreadable> for EdgeError {
    fn from(wrong: Unreadable) -> Self {
        Self {
            param: wrong.param,
            ..Self::new(ErrorKind::InvalidRequest, wrong.message)
        }
    }
}

impl From<CallFailure> for EdgeError {
    fn from(failed: CallFailure) -> Self {
        let CallFailure { failure, fault } = failed;
        let kind = match &fault {
            Some(fault) => of_fault(fault, failure.code),
            None => of_code(failure.code),
        };
        let answered = fault.and_then(|fault| fault.answered);
        let (code, answered) = match answered {
            Some(answer) => (answer.code, answer.body.map(|body| (answer.status, body))),
            // A budget, or a limit of the call's own: asking again at once changes nothing.
            None if failure.code == ErrorCode::LimitExceeded => (Some(NO_QUOTA.to_owned()), None),
            None => (None, None),
        };
        Self {
            code,
            answered,
            retry_after: failure.retry_after_ms.map(Duration::from_millis),
            ..Self::new(kind, failure.message)
        }
    }
}

/// What the last try failed of says more than what the call came to, save that its own time may have been up.
fn of_fault(fault: &ProviderFault, code: ErrorCode) -> ErrorKind {
    let status = fault.answered.as_ref().map(|answer| answer.status);
    match (code, fault.class, status) {
        (ErrorCode::DeadlineExceeded | ErrorCode::Cancelled, ..) => of_code(code),
        (_, FaultClass::Throttled, _) => ErrorKind::RateLimited,
        (_, FaultClass::Overloaded, _) => ErrorKind::Overloaded,
        (_, FaultClass::BadRequest, Some(404)) | (_, FaultClass::HardDown, Some(404)) => ErrorKind::NotFound,
        (_, FaultClass::BadRequest, Some(413)) => ErrorKind::TooLarge,
        (_, FaultClass::BadRequest | FaultClass::ContextLength | FaultClass::ContentFilter, _) => {
            ErrorKind::InvalidRequest
        }
        (_, FaultClass::HardDown, Some(401)) => ErrorKind::Unauthenticated,
        (_, FaultClass::HardDown, Some(403)) => ErrorKind::Forbidden,
        (_, FaultClass::HardDown, Some(402 | 429)) => ErrorKind::RateLimited,
        (_, FaultClass::HardDown | FaultClass::Transient | FaultClass::Cancelled, _) => ErrorKind::Upstream,
    }
}

fn of_code(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::Unauthenticated => ErrorKind::Unauthenticated,
        ErrorCode::Forbidden => ErrorKind::Forbidden,
        ErrorCode::NotFound => ErrorKind::NotFound,
        ErrorCode::BadUserInput | ErrorCode::Conflict | ErrorCode::NonDeterministic => {
            ErrorKind::InvalidRequest
        }
        ErrorCode::ResourceExhausted | ErrorCode::LimitExceeded => ErrorKind::RateLimited,
        ErrorCode::DeadlineExceeded => ErrorKind::Timeout,
        ErrorCode::Unavailable => ErrorKind::Overloaded,
        ErrorCode::AgentFailed | ErrorCode::ProviderFailed => ErrorKind::Upstream,
        ErrorCode::Cancelled | ErrorCode::OutcomeUnknown | ErrorCode::Internal => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{ErrorAnswer, Failure};

    use super::*;

    fn failed(class: FaultClass, status: u16) -> EdgeError {
        let fault = ProviderFault {
            answered: Some(Box::new(ErrorAnswer {
                status,
                code: Some("c".to_owned()),
                body: Some(Bytes::from_static(b"{}")),
            })),
            ..ProviderFault::new("p", class, "m")
        };
        EdgeError::from(CallFailure {
            failure: Failure::from(fault.clone()),
            fault: Some(Box::new(fault)),
        })
    }

    #[test]
    fn the_last_fault_tells_the_kind_and_brings_the_upstream_s_own_answer() {
        for (class, status, kind) in [
            (FaultClass::BadRequest, 400, ErrorKind::InvalidRequest),
            (FaultClass::BadRequest, 413, ErrorKind::TooLarge),
            (FaultClass::HardDown, 401, ErrorKind::Unauthenticated),
            (FaultClass::HardDown, 403, ErrorKind::Forbidden),
            (FaultClass::HardDown, 404, ErrorKind::NotFound),
            (FaultClass::HardDown, 429, ErrorKind::RateLimited),
            (FaultClass::Throttled, 429, ErrorKind::RateLimited),
            (FaultClass::Overloaded, 529, ErrorKind::Overloaded),
            (FaultClass::Transient, 500, ErrorKind::Upstream),
        ] {
            let error = failed(class, status);
            assert_eq!(error.kind, kind, "{class:?} {status}");
            assert_eq!(error.answered, Some((status, Bytes::from_static(b"{}"))));
            assert_eq!(error.code.as_deref(), Some("c"));
        }
    }

    #[test]
    fn a_limit_is_an_insufficient_quota_whether_it_begins_anew_or_not() {
        let own = Failure::new(ErrorCode::LimitExceeded, "no price is known for b/m");
        let used_up = Failure {
            retry_after_ms: Some(9_000),
            ..own.clone()
        };
        for (failure, retry_after) in [(own, None), (used_up, Some(Duration::from_secs(9)))] {
            let error = EdgeError::from(CallFailure::from(failure));
            assert_eq!(
                (error.kind.status(), error.code.as_deref(), error.retry_after),
                (429, Some(NO_QUOTA), retry_after)
            );
        }
    }

    #[test]
    fn without_a_fault_the_failure_s_code_tells_it() {
        let error = EdgeError::from(CallFailure::from(
            Failure::unavailable("later").retry_after(Duration::from_secs(3)),
        ));
        assert_eq!(
            (error.kind, error.retry_after),
            (ErrorKind::Overloaded, Some(Duration::from_secs(3)))
        );
        let error = EdgeError::from(CallFailure::from(Failure::bad_input("no")));
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
    }
}
