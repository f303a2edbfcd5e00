//! Trace context over process borders.
//!
//! The carriers are OpenTelemetry's own traits, so HTTP headers and gRPC metadata need no adapter from this crate:
//! a layer below it calls `opentelemetry::global::get_text_map_propagator` with the same effect. A context attached
//! by `opentelemetry::Context::attach` is the parent of the next root span, and inside an entered span
//! `opentelemetry::Context::current()` is that span's.

use std::collections::HashMap;

use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// A carrier with nothing but a `traceparent`.
struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Reads the caller's trace context; an absent or malformed one gives an empty context.
#[must_use]
pub fn extract(carrier: &dyn Extractor) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract_with_context(&Context::new(), carrier))
}

/// Writes `span`'s trace context into an outgoing call's carrier.
pub fn inject(span: &Span, carrier: &mut dyn Injector) {
    let context = span.context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, carrier));
}

/// Makes `span` a child of the caller's, when the carrier names one. To be called before the span is first entered;
/// a span that has begun keeps the parent it has.
pub fn continue_from(span: &Span, carrier: &dyn Extractor) {
    let context = extract(carrier);
    if context.has_active_span() {
        let trace = context.span().span_context().trace_id();
        if span.set_parent(context).is_err() {
            // Without a collector spans have no ids of their own: lines within it name the caller's trace.
            span.record("trace_id", tracing::field::display(trace));
        }
    }
}

/// As [`continue_from`], of a W3C `traceparent`.
pub fn continue_traceparent(span: &Span, traceparent: &str) {
    continue_from(span, &Parent(traceparent));
}

/// The W3C `traceparent` of `span`; without a collector spans have none.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    let context = span.context();
    if context.has_active_span() {
        global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    }
    carrier.remove(TRACEPARENT)
}

/// Runs `future` within the caller's trace, so that what it calls continues that trace even where spans have no ids.
pub fn within<F: Future>(traceparent: Option<&str>, future: F) -> WithContext<F> {
    let context = traceparent.map_or_else(Context::current, |text| extract(&Parent(text)));
    future.with_context(context)
}

/// As [`within`], of a place in a trace that is known already.
pub fn within_trace<F: Future>(place: SpanContext, future: F) -> WithContext<F> {
    future.with_context(Context::new().with_remote_span_context(place))
}
