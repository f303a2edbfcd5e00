//! GraphQL over server-sent events: graphql-sse, distinct connections
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>). Answers are pulled as the client reads.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::{HeaderName, HeaderValue, header};
use tokio::time::{Instant, sleep_until};

use crate::engine::Answer;
use crate::gateway::Inner;

const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";
/// A comment: readers ignore it, proxies don't.
const KEEP_ALIVE: &[u8] = b":\n\n";

/// A response that ends with its operation, or when the gateway shuts down.
pub(crate) fn response(inner: &Inner, answers: BoxStream<'static, Answer>) -> Response {
    let events = events(answers, inner.config.keep_alive)
        .map(Ok::<_, Infallible>)
        .take_until(inner.closing.clone().cancelled_owned());
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// Answers as events, a comment where none comes for a while, and the news that it was the last.
fn events(
    answers: BoxStream<'static, Answer>,
    keep_alive: Duration,
) -> impl futures::Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(answers), move |answers| async move {
        let mut answers = answers?;
        tokio::select! {
            biased;
            answer = answers.next() => Some(match answer {
                Some(answer) => (next(&answer), Some(answers)),
                None => (Bytes::from_static(COMPLETE), None),
            }),
            () = sleep_until(Instant::now() + keep_alive) => Some((Bytes::from_static(KEEP_ALIVE), Some(answers))),
        }
    })
}

fn next(answer: &Answer) -> Bytes {
    let mut event = b"event: next\ndata: ".to_vec();
    // JSON has no line break of its own, and writing an answer can't fail.
    let _ = serde_json::to_writer(&mut event, answer);
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_is_kept_alive() {
        let mut events = Box::pin(events(stream::pending().boxed(), Duration::from_secs(15)));
        let began = Instant::now();
        for n in 1..=3 {
            assert_eq!(events.next().await.unwrap(), KEEP_ALIVE);
            assert_eq!(began.elapsed(), Duration::from_secs(15) * n);
        }
    }
}
