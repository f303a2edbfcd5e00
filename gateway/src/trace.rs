//! W3C trace context: one span a request, a child of the caller's, and handed on to the supervisor.

use greenroom_kernel::{Principal, Randomness};
use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::request_id::RequestId;

/// The caller's place in its trace, from `traceparent` (<https://www.w3.org/TR/trace-context/>).
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming(Option<SpanContext>);

impl Incoming {
    /// Reads the headers; a malformed or repeated header counts as none.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        let context = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse),
            _ => None,
        };
        Self(context)
    }

    /// Opens the request's span.
    pub(crate) fn span(&self, request_id: &RequestId, who: &Principal, operation: &str) -> Span {
        let span = tracing::info_span!(
            "graphql",
            otel.kind = "server",
            request_id = request_id.as_str(),
            tenant = who.tenant.as_str(),
            operation,
            trace_id = tracing::field::Empty,
        );
        self.attach(&span);
        span
    }

    /// Opens the span of a request under `/v1`.
    pub(crate) fn v1_span(&self, request_id: &RequestId, who: &Principal, operation: &str) -> Span {
        let span = tracing::info_span!(
            "v1",
            otel.kind = "server",
            request_id = request_id.as_str(),
            tenant = who.tenant.as_str(),
            operation,
            trace_id = tracing::field::Empty,
        );
        self.attach(&span);
        span
    }

    fn attach(&self, span: &Span) {
        if let Some(parent) = &self.0 {
            let parent = Context::new().with_remote_span_context(parent.clone());
            // Without an exporter there is nothing to attach to, and nothing is lost.
            let _ = span.set_parent(parent);
        }
    }

    /// The place in the trace to hand on: the span's own. Where spans aren't exported, the caller's, or that of a new
    /// trace which nobody samples; lines within the span name it.
    pub(crate) fn place(&self, span: &Span, random: &dyn Randomness) -> SpanContext {
        let context = span.context();
        let own = context.span().span_context().clone();
        if own.is_valid() {
            return own;
        }
        let place = self.0.clone().unwrap_or_else(|| begun(random));
        let mut trace = [0; 32];
        if hex::encode_to_slice(place.trace_id().to_bytes(), &mut trace).is_ok()
            && let Ok(trace) = std::str::from_utf8(&trace)
        {
            span.record("trace_id", trace);
        }
        place
    }

    /// The `traceparent` to hand on.
    pub(crate) fn handed_on(&self, span: &Span, random: &dyn Randomness) -> String {
        print(&self.place(span, random))
    }
}

/// A new trace, not sampled.
fn begun(random: &dyn Randomness) -> SpanContext {
    let [high, low, span] = [(); 3].map(|()| random.next_u64());
    SpanContext::new(
        TraceId::from_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()),
        SpanId::from_bytes(span.to_be_bytes()),
        TraceFlags::NOT_SAMPLED,
        false,
        TraceState::NONE,
    )
}

fn parse(text: &str) -> Option<SpanContext> {
    let lower_hex = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = version.len() == 2
        && version != "ff"
        && trace.len() == 32
        && span.len() == 16
        && flags.len() == 2
        && [version, trace, span, flags].into_iter().all(lower_hex)
        && (version != "00" || parts.next().is_none());
    if !fits {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

/// As a `traceparent`.
pub(crate) fn print(context: &SpanContext) -> String {
    format!(
        "00-{:032x}-{:016x}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags() & TraceFlags::SAMPLED
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_survives_parsing_and_printing_and_malformed_ones_are_none() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(print(&parse(text).unwrap()), text);
        let future = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(print(&parse(future).unwrap()), text);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
