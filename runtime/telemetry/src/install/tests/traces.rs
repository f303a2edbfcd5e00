//! Trace context in and out.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::trace::TraceContextExt;
use tracing::{Span, info, info_span};

use super::{PARENT, TRACE, json, lines, logged};
use crate::{continue_from, extract, inject};

#[test]
fn a_trace_goes_in_by_one_carrier_and_out_by_another() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing = HashMap::new();
    let text = logged(json(), || {
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

#[test]
fn a_layer_below_carries_the_trace_with_opentelemetry_alone() {
    let incoming = HashMap::from([("traceparent".to_owned(), PARENT.to_owned())]);
    let mut outgoing: HashMap<String, String> = HashMap::new();
    logged(json(), || {
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
fn without_a_collector_nothing_is_sampled_and_ids_exist_all_the_same() {
    let mut outgoing = HashMap::new();
    logged(json(), || {
        info_span!("request").in_scope(|| inject(&Span::current(), &mut outgoing))
    });
    assert!(outgoing["traceparent"].ends_with("-00"), "{outgoing:?}");
}
