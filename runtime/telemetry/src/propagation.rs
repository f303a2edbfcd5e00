//! Trace context over process borders.
//!
//! The carriers are OpenTelemetry's own traits, so HTTP headers and gRPC metadata need no adapter from this crate:
//! a layer below it calls `opentelemetry::global::get_text_map_propagator` with the same effect. A context attached
//! by `opentelemetry::Context::attach` is the parent of the next root span, and inside an entered span
//! `opentelemetry::Context::current()` is that span's.

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

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
    if opentelemetry::trace::TraceContextExt::has_active_span(&context) {
        let _ = span.set_parent(context);
    }
}
