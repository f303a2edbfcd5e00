//! The caller's trace context, carried to the provider.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Injector;

struct TraceHeaders<'a>(&'a mut HeaderMap);

impl Injector for TraceHeaders<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Adds the current span's trace context, where telemetry has a propagator installed.
pub(crate) fn trace(headers: &mut HeaderMap) {
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&opentelemetry::Context::current(), &mut TraceHeaders(headers));
    });
}
