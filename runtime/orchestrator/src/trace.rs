//! The trace of a task: continued from the call that accepted it, in every attempt.

use std::collections::HashMap;

use tracing::Span;

/// Makes `span` a child of the W3C `traceparent` of the call that accepted the task.
pub(crate) fn continue_from(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        greenroom_telemetry::continue_from(span, &carrier);
    }
}

/// The `traceparent` of `span`, for whoever continues it.
pub(crate) fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    greenroom_telemetry::inject(span, &mut carrier);
    carrier.remove("traceparent")
}
