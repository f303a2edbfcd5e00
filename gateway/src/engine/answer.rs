//! What an operation came to.

use async_graphql::{ServerError, Value};
use serde::Serialize;

use crate::errors;

/// The answer to one operation, as every transport sends it.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
    /// Absent when nothing was executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip)]
    retry_after_ms: Option<u64>,
}

impl Answer {
    /// An answer, its errors given the contract's extensions.
    pub(super) fn new(data: Option<Value>, mut errors: Vec<ServerError>, request_id: &str) -> Self {
        let retry_after_ms = errors.iter().filter_map(errors::retry_after_ms).max();
        for error in &mut errors {
            errors::dress(error, request_id);
        }
        Self {
            errors,
            data,
            retry_after_ms,
        }
    }

    /// Nothing was executed, for this reason.
    pub(crate) fn refused(error: ServerError, request_id: &str) -> Self {
        Self::new(None, vec![error], request_id)
    }

    /// Executing failed as a whole.
    pub(super) fn failed(error: ServerError, request_id: &str) -> Self {
        Self::new(Some(Value::Null), vec![error], request_id)
    }

    /// Whether nothing was executed.
    pub(crate) fn is_refused(&self) -> bool {
        self.data.is_none()
    }

    /// Whether it has errors and no data: of a subscription nothing follows.
    pub(crate) fn is_final(&self) -> bool {
        !self.errors.is_empty() && matches!(self.data, None | Some(Value::Null))
    }

    /// How long the caller should stay away, when there was no capacity.
    pub(crate) fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after_ms
    }

    /// The errors alone, as a WebSocket's `error` message carries them.
    pub(crate) fn errors(&self) -> &[ServerError] {
        &self.errors
    }
}
