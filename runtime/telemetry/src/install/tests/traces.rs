//! Trace context in and out.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::trace::TraceContextExt;
use tracing::{Span, info, info_span};

use super::{PARENT, TRACE, collected, json, lines, logged};
use crate::{continue_from, continue_traceparent, extract, inject, traceparent, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_in_by_one_carrier_and_out_by_another() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing = HashMap::new();
    let text = logged(collected(), || {
        let span = info_span!("request");
        continue_from(&span, &incoming);
        span.in_scope(|| {
            info_span!("call").in_scope(|| {
                info!("calling");
                inject(&Span::current(), &mut outgoing);
            })
        });
    });
    let sent = &outgoing["traceparent"];
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-01"),
        "{sent}"
    );
    assert!(
        !sent.contains("00f067aa0ba902b7"),
        "the caller's span is not the parent any more: {sent}"
    );
    let line = &lines(&text)[0];
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["span_id"], sent.split('-').nth(2).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_below_carries_the_trace_with_opentelemetry_alone() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing: HashMap<String, String> = HashMap::new();
    logged(collected(), || {
        let remote = extract(&incoming);
        let attached = remote.attach();
        let span = info_span!("served");
        drop(attached);
        span.in_scope(|| {
            let here = opentelemetry::Context::current();
            global::get_text_map_propagator(|propagator| propagator.inject_context(&here, &mut outgoing));
        });
    });
    assert!(
        outgoing["traceparent"].starts_with(&format!("00-{TRACE}-")),
        "{outgoing:?}"
    );
}

#[test]
fn a_malformed_parent_begins_a_new_trace() {
    for header in [
        "",
        "00-zz-11-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        let incoming = HashMap::from([("traceparent".to_owned(), header.to_owned())]);
        assert!(!extract(&incoming).has_active_span(), "{header}");
    }
}

#[test]
fn without_a_collector_lines_name_the_callers_trace_and_calls_hand_it_on() {
    let mut outgoing: HashMap<String, String> = HashMap::new();
    let text = logged(json(), || {
        let span = info_span!("request", trace_id = tracing::field::Empty);
        continue_traceparent(&span, PARENT);
        span.in_scope(|| {
            info!("here");
            assert_eq!(
                traceparent(&Span::current()),
                None,
                "spans have no ids of their own"
            );
        });
        let call = within(Some(PARENT), async {
            let here = opentelemetry::Context::current();
            global::get_text_map_propagator(|propagator| propagator.inject_context(&here, &mut outgoing));
        });
        at_once(call);
    });
    assert_eq!(lines(&text)[0]["trace_id"], TRACE);
    assert_eq!(outgoing["traceparent"], PARENT);
}

/// Polls what never waits.
fn at_once(future: impl Future<Output = ()>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(future).poll(&mut context).is_ready());
}
