//! The custom scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use greenroom_kernel::Timestamp;

/// A moment: RFC 3339, UTC, milliseconds.
pub(crate) struct DateTime(pub(crate) Timestamp);

/// A moment: RFC 3339, UTC, milliseconds, as in `2026-11-21T08:15:30.125Z`.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Timestamp::from_rfc3339(text)
                .map(DateTime)
                .ok_or_else(|| InputValueError::custom("expected RFC 3339, as in 2026-11-21T08:15:30Z")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Any JSON value.
pub(crate) struct Json(pub(crate) Value);

/// Any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

impl Json {
    /// The value as JSON text.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_else(|_| "null".to_owned())
    }

    /// From the value of another part of the system.
    pub(crate) fn from_plain(value: &serde_json::Value) -> Self {
        Self(Value::from_json(value.clone()).unwrap_or_default())
    }
}
