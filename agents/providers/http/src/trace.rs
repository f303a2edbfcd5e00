//! The caller's trace context, carried to the provider (<https://www.w3.org/TR/trace-context/>).

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A `traceparent` without its digits.
const BLANK: [u8; 55] = *b"00-00000000000000000000000000000000-0000000000000000-00";

/// Adds the current span's place in its trace, where it has one.
pub(crate) fn trace(headers: &mut HeaderMap) {
    Context::map_current(|context| {
        let span = context.span();
        let place = span.span_context();
        if let Some(parent) = traceparent(place) {
            headers.insert(TRACEPARENT, parent);
            if let Some(state) = tracestate(place) {
                headers.insert(TRACESTATE, state);
            }
        }
    });
}

/// Written by hand: OpenTelemetry's propagator formats, and every relayed call would feel it.
fn traceparent(place: &SpanContext) -> Option<HeaderValue> {
    if !place.is_valid() {
        return None;
    }
    let mut text = BLANK;
    hex::encode_to_slice(place.trace_id().to_bytes(), text.get_mut(3..35)?).ok()?;
    hex::encode_to_slice(place.span_id().to_bytes(), text.get_mut(36..52)?).ok()?;
    let flags = (place.trace_flags() & TraceFlags::SAMPLED).to_u8();
    hex::encode_to_slice([flags], text.get_mut(53..55)?).ok()?;
    HeaderValue::from_bytes(&text).ok()
}

fn tracestate(place: &SpanContext) -> Option<HeaderValue> {
    let state = place.trace_state();
    if *state == opentelemetry::trace::TraceState::NONE {
        return None;
    }
    HeaderValue::try_from(state.header()).ok()
}
