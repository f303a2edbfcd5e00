//! Failures as GraphQL errors: one mapping, for every transport.

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use greenroom_kernel::{ErrorCode, Failure, IdempotencyKey};

/// A call whose outcome is not known: the caller repeats it with this key.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub(crate) struct Unanswered {
    /// Why no answer came.
    pub(crate) failure: Failure,
    /// What the call was named.
    pub(crate) key: IdempotencyKey,
}

/// A request error of ours, before anything was executed.
pub(crate) fn refusal(failure: Failure) -> ServerError {
    let mut error = ServerError::new(failure.message.clone(), None);
    error.source = Some(std::sync::Arc::new(failure));
    error
}

/// Gives an error the extensions of the contract. Errors without a cause of ours come from the executor's own
/// checks of the document and its arguments: they are the caller's.
pub(crate) fn dress(error: &mut ServerError, request_id: &str) {
    let (failure, key) = if let Some(failure) = error.source::<Failure>() {
        (failure.clone(), None)
    } else if let Some(unanswered) = error.source::<Unanswered>() {
        (unanswered.failure.clone(), Some(unanswered.key.clone()))
    } else {
        (Failure::bad_input(std::mem::take(&mut error.message)), None)
    };
    if failure.code == ErrorCode::Internal {
        tracing::error!(request_id, path = ?error.path, message = failure.message, "internal error");
    }
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", failure.code.as_str());
    extensions.set("retryable", failure.retryable);
    extensions.set(
        "retryAfterMs",
        failure.retry_after_ms.map_or(Value::Null, Value::from),
    );
    extensions.set("requestId", request_id);
    if let Some(key) = key {
        extensions.set("idempotencyKey", key.as_str());
    }
    error.message = failure.message;
    error.extensions = Some(extensions);
}

/// How long the caller should stay away, when an error says there is no capacity.
pub(crate) fn retry_after_ms(error: &ServerError) -> Option<u64> {
    let failure = match error.source::<Failure>() {
        Some(failure) => failure,
        None => &error.source::<Unanswered>()?.failure,
    };
    (failure.code == ErrorCode::ResourceExhausted).then_some(failure.retry_after_ms.unwrap_or(1_000))
}

/// What a resolver's panic looks like from outside.
pub(crate) fn panicked() -> ServerError {
    refusal(Failure::internal(
        "the operation failed unexpectedly; the log names the cause",
    ))
}
