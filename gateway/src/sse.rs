//! GraphQL over server-sent events: graphql-sse, distinct connections. Answers are pulled as the client reads.

use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use http::{HeaderName, HeaderValue, header};

use crate::engine::Answer;
use crate::gateway::Inner;

/// A response that ends with its operation, or when the gateway shuts down.
pub(crate) fn response(inner: &Inner, answers: BoxStream<'static, Answer>) -> Response {
    let closing = inner.closing.clone();
    let events = answers
        .map(|answer| {
            let event = Event::default().event("next");
            event.json_data(&answer).unwrap_or_else(|_| Event::default().event("next").data("{}"))
        })
        .chain(stream::once(async { Event::default().event("complete").data("") }))
        .map(Ok::<_, Infallible>)
        .take_until(closing.cancelled_owned());
    let keep_alive = KeepAlive::new().interval(inner.config.keep_alive);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
