//! The caller's trace context, carried to the provider.

use opentelemetry::propagation::Injector;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

struct TraceHeaders(HeaderMap);

impl Injector for TraceHeaders {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Adds the current span's trace context, where telemetry has a propagator installed.
pub(crate) fn traced(call: RequestBuilder) -> RequestBuilder {
    let mut headers = TraceHeaders(HeaderMap::new());
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&opentelemetry::Context::current(), &mut headers);
    });
    call.headers(headers.0)
}
