//! W3C trace context on gRPC metadata, through OpenTelemetry's global propagator.

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, global};
use tonic::metadata::{KeyRef, MetadataKey, MetadataMap, MetadataValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACEPARENT: &str = "traceparent";

struct Outgoing<'a>(&'a mut MetadataMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (
            MetadataKey::from_bytes(key.as_bytes()),
            MetadataValue::try_from(value),
        ) {
            self.0.insert(key, value);
        }
    }
}

struct Incoming<'a> {
    metadata: &'a MetadataMap,
    fallback: Option<&'a str>,
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let sent = self.metadata.get(key).and_then(|value| value.to_str().ok());
        sent.or_else(|| self.fallback.filter(|_| key == TRACEPARENT))
    }

    fn keys(&self) -> Vec<&str> {
        let ascii = |key| match key {
            KeyRef::Ascii(key) => Some(key.as_str()),
            KeyRef::Binary(_) => None,
        };
        self.metadata.keys().filter_map(ascii).collect()
    }
}

/// Writes the current span's trace context into an outgoing call's metadata; where there is none, `fallback`
/// (a `traceparent`).
pub fn inject_trace(metadata: &mut MetadataMap, fallback: Option<&str>) {
    let context = Span::current().context();
    if context.has_active_span() {
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Outgoing(metadata));
        });
    }
    if let Some(value) = fallback.and_then(|text| MetadataValue::try_from(text).ok())
        && metadata.get(TRACEPARENT).is_none()
    {
        metadata.insert(TRACEPARENT, value);
    }
}

/// Makes `span` a child of the caller's, when the metadata or else `fallback` (a `traceparent`) names one. To be
/// called before the span is first entered.
pub fn continue_trace(span: &Span, metadata: &MetadataMap, fallback: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    let carrier = Incoming { metadata, fallback };
    let context = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &carrier)
    });
    if context.has_active_span() {
        // A span that has begun keeps its parent: nothing to mend here.
        drop(span.set_parent(context));
    }
}
