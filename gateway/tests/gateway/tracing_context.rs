//! One trace from the caller through the request's span to the supervisor.

use std::sync::Arc;

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use parking_lot::Mutex;
use serde_json::json;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::client::start;
use crate::v1_fake::Does;

const QUERY: &str = r#"{"query":"mutation Said { sendChat(input: { content: \"x\" }) { cursor } }"}"#;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Keeps what it is given.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().extend(batch);
        Ok(())
    }
}

#[tokio::test]
async fn the_callers_trace_goes_on_through_the_requests_span() {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let gateway = start().await;
    // The span's callsite may have been met first by a test without a subscriber.
    gateway.post_raw(r#"{"query":"{ __typename }"}"#, &[]).await;
    tracing::callsite::rebuild_interest_cache();
    exporter.0.lock().clear();
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let reply = gateway
        .post_raw(QUERY, &[("traceparent", &parent), ("x-request-id", "r-1")])
        .await;
    assert!(reply.json().get("errors").is_none());
    let handed_on = gateway.fake.accepted.lock()[0].1.trace.clone().unwrap();
    let spans = exporter.0.lock().clone();
    let span = spans.iter().find(|span| span.name == "graphql").unwrap();
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(
        handed_on,
        format!("00-{TRACE}-{}-01", span.span_context.span_id())
    );
    let attribute = |key: &str| {
        let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
        found.map(|pair| pair.value.to_string()).unwrap_or_default()
    };
    assert_eq!(
        (
            attribute("request_id"),
            attribute("tenant"),
            attribute("operation")
        ),
        ("r-1".into(), "dev".into(), "Said".into())
    );
}

#[tokio::test]
async fn a_call_under_v1_is_made_within_the_request_s_span_which_lives_as_long_as_its_answer() {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let gateway = start().await;
    // As above: the callsite is met once before.
    gateway.models.will(Does::Whole("{}"));
    gateway.chat("{}").await;
    tracing::callsite::rebuild_interest_cache();
    gateway.models.forget();
    exporter.0.lock().clear();
    let pieces = gateway.models.relays();
    pieces.send(Ok("1".into())).await.unwrap();
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let headers = [("traceparent", parent.as_str()), ("x-request-id", "r-1")];
    let answer = gateway
        .open(gateway.v1("/v1/messages", r#"{"stream":true}"#, &headers))
        .await;
    let span = gateway.models.calls().pop().unwrap().span;
    let context = span.context().span().span_context().clone();
    assert_eq!(context.trace_id().to_string(), TRACE);
    drop(span);
    // The fake keeps the call, and the call the span.
    gateway.models.forget();
    let ended: Vec<_> = exporter.0.lock().iter().map(|span| span.name.clone()).collect();
    assert!(ended.is_empty(), "{ended:?}");
    drop((answer, pieces));
    crate::v1_fake::until(|| !exporter.0.lock().is_empty()).await;
    let span = exporter.0.lock()[0].clone();
    assert_eq!(
        (span.name.as_ref(), span.parent_span_id.to_string().as_str()),
        ("v1", "b7ad6b7169203331")
    );
    assert_eq!(span.span_context.span_id(), context.span_id());
    let operation = span
        .attributes
        .iter()
        .find(|pair| pair.key.as_str() == "operation");
    assert_eq!(operation.unwrap().value.to_string(), "/v1/messages");
}

#[tokio::test]
async fn without_an_exporter_the_callers_own_context_is_handed_on_or_a_new_one() {
    let gateway = start().await;
    let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
    gateway.post_raw(QUERY, &[("traceparent", &parent)]).await;
    gateway.post_raw(QUERY, &[("traceparent", "nonsense")]).await;
    gateway
        .data(
            "mutation { sendChat(input: { content: \"x\" }) { cursor } }",
            json!({}),
        )
        .await;
    let traces: Vec<_> = gateway
        .fake
        .accepted
        .lock()
        .iter()
        .map(|(_, request)| request.trace.clone())
        .collect();
    assert_eq!(traces[0].as_ref(), Some(&parent));
    for new in &traces[1..] {
        let new = new.as_deref().unwrap();
        assert!(
            new.starts_with("00-") && new.ends_with("-00") && new.len() == 55,
            "{new}"
        );
        assert!(!new.contains(TRACE), "{new}");
    }
    assert_ne!(traces[1], traces[2]);
}
