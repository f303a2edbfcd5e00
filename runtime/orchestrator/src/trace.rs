//! The trace of a task: continued from the call that accepted it, in every attempt.

use tracing::Span;

/// Makes `span` a child of the W3C `traceparent` of the call that accepted the task.
pub(crate) fn continue_from(span: &Span, accepting: Option<&str>) {
    if let Some(accepting) = accepting {
        greenroom_telemetry::continue_traceparent(span, accepting);
    }
}

/// The `traceparent` of `span`, for whoever continues it; without a collector that of the call that accepted the
/// task.
pub(crate) fn traceparent(span: &Span, accepting: Option<&str>) -> Option<String> {
    greenroom_telemetry::traceparent(span).or_else(|| accepting.map(str::to_owned))
}
