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
        let trace = context.span().span_context().trace_id();
        if span.set_parent(context).is_err() {
            // Without a collector spans have no ids of their own: lines within it name the caller's trace.
            span.record("trace_id", tracing::field::display(trace));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{TraceId, TracerProvider as _};
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Traces into nowhere, so that spans have ids.
    fn traced(work: impl FnOnce()) {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    }

    fn trace_of(span: &Span) -> TraceId {
        span.context().span().span_context().trace_id()
    }

    #[test]
    fn a_call_made_within_a_span_is_continued_on_the_other_side() {
        traced(|| {
            let here = tracing::info_span!("here");
            let mut metadata = MetadataMap::new();
            here.in_scope(|| inject_trace(&mut metadata, Some(CALLER)));
            let there = tracing::info_span!("there");
            continue_trace(&there, &metadata, None);
            assert_ne!(trace_of(&here), TraceId::INVALID);
            assert_eq!(
                trace_of(&there),
                trace_of(&here),
                "the span goes before the fallback"
            );
        });
    }

    #[test]
    fn without_a_span_the_given_parent_travels_and_is_continued() {
        traced(|| {
            let mut metadata = MetadataMap::new();
            inject_trace(&mut metadata, Some(CALLER));
            assert_eq!(metadata.get(TRACEPARENT).unwrap(), CALLER);
            let caller = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap();
            for (metadata, fallback) in [(metadata, None), (MetadataMap::new(), Some(CALLER))] {
                let there = tracing::info_span!("there");
                continue_trace(&there, &metadata, fallback);
                assert_eq!(trace_of(&there), caller);
            }
        });
    }

    #[test]
    fn nonsense_from_a_caller_starts_a_trace_of_its_own() {
        traced(|| {
            let mut metadata = MetadataMap::new();
            metadata.insert(TRACEPARENT, MetadataValue::from_static("nonsense"));
            let there = tracing::info_span!("there");
            continue_trace(&there, &metadata, None);
            assert_ne!(trace_of(&there), TraceId::INVALID);
        });
    }
}
