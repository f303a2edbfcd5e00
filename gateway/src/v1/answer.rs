//! Answers on their way out: bytes as they came, or events in the caller's words, at the caller's pace.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::ready as known;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{CallEvent, CallFailure, Served, ServedAnswer, ServedBy};
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::{Instant, sleep_until};

use super::held::{Hold, body};
use super::refusal::{Refused, json};
use super::relayed::Relayed;
use crate::gateway::Inner;

/// A comment: readers ignore it, proxies don't.
pub(super) const KEEP_ALIVE: &[u8] = b":\n\n";
/// How often it goes out at least where nothing else does. Readers and what lies between give up after less than what other
/// idle streams may take.
const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(10);
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

const PROVIDER: HeaderName = HeaderName::from_static("x-greenroom-provider");
const MODEL: HeaderName = HeaderName::from_static("x-greenroom-model");
const TRIES: HeaderName = HeaderName::from_static("x-greenroom-tries");

/// Who is answered, and to what.
pub(super) struct Caller {
    pub(super) inner: Arc<Inner>,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) body: Bytes,
    /// As the caller named it.
    pub(super) model: Option<String>,
    pub(super) stream: bool,
}

impl Caller {
    fn head(&self, served: &str) -> AnswerHead {
        let random = &self.inner.random;
        let created = self.inner.door.clock.now().as_millis();
        AnswerHead {
            id: format!("{:016x}{:016x}", random.next_u64(), random.next_u64()),
            model: self.model.clone().unwrap_or_else(|| served.to_owned()),
            created: Duration::from_millis(u64::try_from(created).unwrap_or(0)),
        }
    }

    /// How long nothing may go out in a stream.
    pub(super) fn keep_alive(&self) -> Duration {
        self.inner.config.keep_alive.min(KEPT_ALIVE_EVERY)
    }

    pub(super) fn writer(&self, served: &str) -> Box<dyn AnswerWriter> {
        self.dialect.writer(&self.body, self.head(served))
    }
}

/// The answer of a model.
pub(super) async fn of_model(caller: Caller, served: Served, hold: Hold) -> Result<Response, Refused> {
    let Served { by, answer } = served;
    let mut response = match answer {
        ServedAnswer::Whole { headers, body: whole } => headed(headers, Body::from(whole)),
        ServedAnswer::Relayed { headers, pieces } => {
            let relayed = Relayed::new(pieces, caller, Arc::clone(&by.model), &headers);
            let mut response = headed(headers, body(relayed, hold));
            unbuffered(response.headers_mut());
            response
        }
        ServedAnswer::Spoken(events) => spoken(caller, &by.model, events, hold).await?,
        ServedAnswer::Embedded { vectors } => {
            let head = caller.head(&by.model);
            json(caller.dialect.embeddings(&caller.body, &head, &vectors))
        }
    };
    tell(response.headers_mut(), &by);
    Ok(response)
}

fn headed(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

pub(super) fn tell(headers: &mut HeaderMap, by: &ServedBy) {
    for (name, value) in [(PROVIDER, &by.provider), (MODEL, &by.model)] {
        // A name that isn't one of a header's values is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(TRIES, HeaderValue::from(by.tries));
}

/// An answer of another family or of an agent, in the caller's words.
pub(super) async fn spoken(
    caller: Caller,
    served: &str,
    mut events: BoxStream<'static, Result<CallEvent, CallFailure>>,
    hold: Hold,
) -> Result<Response, Refused> {
    let mut writer = caller.writer(served);
    if !caller.stream {
        loop {
            match events.next().await {
                Some(Ok(CallEvent::End(answer))) => return Ok(json(writer.whole(&answer))),
                Some(Ok(_)) => {}
                Some(Err(failed)) => return Err(failed.into()),
                None => return Err(cut_short().into()),
            }
        }
    }
    // Until there is something to say the status waits too.
    let first = events.next().await.ok_or_else(cut_short)??;
    let mut out = Vec::new();
    writer.begin(&mut out);
    writer.event(&first, &mut out);
    let rest = match first {
        CallEvent::End(_) => None,
        _ => Some((events, writer)),
    };
    let rest = stream::unfold(rest, {
        let keep_alive = caller.keep_alive();
        move |rest| next(rest, keep_alive)
    });
    let pieces = stream::once(known(Bytes::from(out)))
        .chain(rest)
        .map(Ok::<_, Infallible>);
    let mut response = Response::new(body(pieces.boxed(), hold));
    response.headers_mut().insert(header::CONTENT_TYPE, EVENTS);
    unbuffered(response.headers_mut());
    Ok(response)
}

/// Keeps what lies between from holding a stream back.
fn unbuffered(headers: &mut HeaderMap) {
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
}

type Speaking = (
    BoxStream<'static, Result<CallEvent, CallFailure>>,
    Box<dyn AnswerWriter>,
);

/// What one event becomes, a comment where none comes for a while.
async fn next(speaking: Option<Speaking>, keep_alive: Duration) -> Option<(Bytes, Option<Speaking>)> {
    let (mut events, mut writer) = speaking?;
    let mut out = Vec::new();
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            () = sleep_until(Instant::now() + keep_alive) => {
                return Some((Bytes::from_static(KEEP_ALIVE), Some((events, writer))));
            }
        };
        let is_over = match event {
            Some(Ok(event)) => {
                writer.event(&event, &mut out);
                matches!(event, CallEvent::End(_))
            }
            Some(Err(failed)) => {
                writer.fail(&failed.into(), &mut out);
                true
            }
            None => {
                writer.fail(&cut_short(), &mut out);
                true
            }
        };
        if is_over {
            return Some((out.into(), None));
        }
        // A family may have no words for an event.
        if !out.is_empty() {
            return Some((out.into(), Some((events, writer))));
        }
    }
}

fn cut_short() -> EdgeError {
    EdgeError::new(
        ErrorKind::Upstream,
        "the answer ended before it was whole: ask again",
    )
}
