//! The HTTP client of one provider: hyper's, with its pool and nothing above it.
//!
//! Nothing follows redirects, which would carry a conversation to where nobody configured it to go, and nothing tries
//! again what was sent: resilience is decided above, and counted there.

mod connector;

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_util::sync::CancellationToken;

use crate::base_url::BaseUrl;
use connector::Connector;
pub use connector::ConnectorError;

/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// How often a connection of HTTP/2 is asked whether it still stands.
const H2_ALIVE: Duration = Duration::from_secs(15);

/// How long it may take to say so.
const H2_DEAD: Duration = Duration::from_secs(10);

/// How long a finished answer waits for its figures and `[DONE]`.
const LINGER: Duration = Duration::from_secs(2);

/// How long a body that is done waits for its last bytes, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(20);

/// Why a request brought no answer, or an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error(transparent)]
    Request(#[from] PoolError),
    #[error(transparent)]
    Body(#[from] hyper::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

impl TransportError {
    /// Whether there was no connection.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_connect())
    }
}

/// A pool of connections to one provider.
pub(crate) struct Client {
    pool: Pool<Connector, Full<Bytes>>,
    headers: HeaderMap,
}

impl Client {
    /// `headers` go with every request.
    pub(crate) fn new(
        base: &BaseUrl,
        mut headers: HeaderMap,
        connect_timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        let ours = concat!("greenroom/", env!("CARGO_PKG_VERSION"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(ours));
        headers.remove(HOST);
        let mut pool = Pool::builder(TokioExecutor::new());
        pool.pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // All calls share one connection of HTTP/2: that it is dead must be found out before the kernel does.
            .http2_keep_alive_interval(H2_ALIVE)
            .http2_keep_alive_timeout(H2_DEAD);
        Ok(Self {
            pool: pool.build(Connector::to(base, connect_timeout)?),
            headers,
        })
    }

    /// Sends a request. Dropping the future, or the answer's body, closes the call.
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, TransportError> {
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            // The request's own word goes first.
            headers.entry(name).or_insert_with(|| value.clone());
        }
        let answer = self.pool.request(request).await?;
        Ok(Answer(answer))
    }
}

/// An answer whose body is still on its way.
pub(crate) struct Answer(Response<Incoming>);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.0.status().is_success()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next bytes of the body, as [`Answer::chunk`] gives them; none at all when `cancel` fires first. Behind the
    /// `finished` answer of a model only figures are awaited, and not for long: silence is the body's end then.
    pub(crate) async fn chunk_unless(
        &mut self,
        cancel: &CancellationToken,
        finished: bool,
    ) -> Option<Result<Option<Bytes>, TransportError>> {
        let linger = async {
            if finished {
                tokio::time::sleep(LINGER).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            read = self.chunk() => Some(read),
            () = linger => Some(Ok(None)),
        }
    }

    /// Lets the body end, so that its connection can be used again: in a moment, or not at all. The answer is here either
    /// way.
    pub(crate) async fn drain(&mut self) {
        let _ = tokio::time::timeout(DRAIN, self.chunk()).await;
    }

    /// The next bytes of the body; none at its end. Cancel-safe.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        while let Some(frame) = self.0.body_mut().frame().await {
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
