//! GraphQL over HTTP, by the letter of the GraphQL-over-HTTP specification: media types, methods and status codes.

pub(crate) mod body;
mod negotiate;
mod params;
mod refused;
mod reply;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_graphql::{Name, ServerError};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use futures::future::{FutureExt, join_all};
use futures::stream::StreamExt;
use greenroom_kernel::{ErrorCode, Failure, Principal, Randomness};
use http::{HeaderMap, Method, StatusCode};

use crate::auth::Credentials;
use crate::engine::{Answer, Execution, Kind, Operation, Prepared};
use crate::errors::refusal;
use crate::gateway::Inner;
use crate::request_id::RequestId;
use crate::schema::Caller;
use crate::trace::Incoming;
use crate::{edge, page, sse, ws};

pub(crate) use negotiate::Media;
pub(crate) use reply::{failure, failure_with};

pub(crate) use params::JsonOperation;
use params::Params;
use refused::Refused;

/// Serves `/graphql`.
pub(crate) async fn graphql(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let request_id = request_id.unwrap_or_else(|| RequestId::of(request.headers(), &*inner.random));
    let began = Instant::now();
    let root = OnceLock::new();
    let response = if ws::is_upgrade(&request) {
        ws::upgrade(inner.clone(), request, request_id).await
    } else {
        match answer(&inner, request, &request_id, &root).await {
            Ok(response) => response,
            Err(refused) => refused.response(&request_id),
        }
    };
    let operation = root.get().map_or(edge::OTHER, Name::as_str);
    edge::count(&inner, operation, &response, began);
    response
}

/// The answer to a request; `root` is set to the root field that it is about, once that is known.
async fn answer(
    inner: &Arc<Inner>,
    request: Request,
    request_id: &RequestId,
    root: &OnceLock<Name>,
) -> Result<Response, Refused> {
    let is_get = match *request.method() {
        Method::GET => true,
        Method::POST => false,
        _ => return Err(Refused::method("use POST, or GET for queries", "GET, POST")),
    };
    let query = request.uri().query().filter(|query| !query.is_empty());
    let tries = query.is_none_or(|query| query == page::GRAPHIQL_ASKED);
    let browsable = inner.config.graphiql && is_get && tries;
    let media = negotiate::media(request.headers(), browsable).ok_or_else(|| {
        let message =
            "this endpoint answers application/graphql-response+json, application/json and text/event-stream";
        Refused::new(StatusCode::NOT_ACCEPTABLE, Failure::bad_input(message))
    })?;
    if media == Media::Html {
        return Ok(page::trying(request.uri().query(), request.headers()));
    }
    let peer = peer(&request);
    let who = authenticate(inner, request.headers(), peer)
        .await
        .map_err(|failure| Refused {
            media,
            ..Refused::new(status_of(failure.code), failure)
        })?;
    let incoming = Incoming::of(request.headers());
    let params = if is_get {
        Params::from_uri(request.uri()).map_err(Refused::bad)?
    } else {
        let (head, body) = request.into_parts();
        let body = body::read(&inner.config, inner.config.max_body_bytes, &head.headers, body).await?;
        Params::from_body(&body, inner.config.query.batch).map_err(Refused::bad)?
    };
    let context = Context {
        inner,
        request_id,
        root,
        who,
        incoming,
        media,
        is_get,
    };
    match params {
        Params::One(operation) => context.one(operation).await,
        Params::Batch(operations) => context.batch(operations).await,
    }
}

/// Who calls.
pub(crate) async fn authenticate(
    inner: &Inner,
    headers: &HeaderMap,
    peer: SocketAddr,
) -> Result<Arc<Principal>, Failure> {
    inner
        .authenticator
        .authenticate(Credentials { headers, peer })
        .await
}

/// Where a request comes from. Without a connection's word for it, from elsewhere.
pub(crate) fn peer<B>(request: &http::Request<B>) -> SocketAddr {
    let known = request.extensions().get::<ConnectInfo<SocketAddr>>();
    known.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.0)
}

pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

struct Context<'a> {
    inner: &'a Arc<Inner>,
    request_id: &'a RequestId,
    root: &'a OnceLock<Name>,
    who: Arc<Principal>,
    incoming: Incoming,
    media: Media,
    is_get: bool,
}

impl Context<'_> {
    async fn one(&self, operation: Operation) -> Result<Response, Refused> {
        let prepared = self
            .inner
            .engine
            .prepare(operation)
            .map_err(|error| self.unprepared(*error))?;
        if let Some(root) = prepared.root() {
            // Set here only.
            let _ = self.root.set(root.clone());
        }
        if self.is_get && prepared.has_effect() {
            let message = "what changes something is never done by GET: use POST";
            return Err(Refused {
                media: self.media,
                ..Refused::method(message, "POST")
            });
        }
        let execution = self.execution(&prepared);
        if self.media == Media::EventStream {
            let mut answers = self.inner.engine.stream(prepared, execution).peekable();
            // The document's own faults are known at once, before the stream begins.
            let first = Pin::new(&mut answers).peek().now_or_never().flatten();
            return match first {
                Some(refused) if refused.is_refused() => {
                    Ok(reply::answer(StatusCode::BAD_REQUEST, Media::Json, refused))
                }
                _ => Ok(sse::response(self.inner, answers.boxed())),
            };
        }
        if prepared.kind() == Kind::Subscription {
            let message = "a subscription needs a WebSocket, or Accept: text/event-stream";
            return Err(Refused {
                media: self.media,
                ..Refused::bad(message)
            });
        }
        let answer = self.execute(prepared, execution).await.map_err(|error| Refused {
            status: StatusCode::GATEWAY_TIMEOUT,
            error,
            media: self.media,
            allow: None,
        })?;
        let status = if answer.is_refused() {
            self.refused_status()
        } else {
            StatusCode::OK
        };
        Ok(reply::answer(status, self.media, &answer))
    }

    async fn batch(&self, operations: Vec<Operation>) -> Result<Response, Refused> {
        if self.media == Media::EventStream {
            return Err(Refused::bad("a batch is not answered as an event stream"));
        }
        let answers =
            operations
                .into_iter()
                .map(async |operation| match self.inner.engine.prepare(operation) {
                    Ok(prepared) => {
                        let execution = self.execution(&prepared);
                        let answer = self.execute(prepared, execution).await;
                        answer.unwrap_or_else(|error| Answer::refused(error, self.request_id.as_str()))
                    }
                    Err(error) => Answer::refused(*error, self.request_id.as_str()),
                });
        Ok(reply::batch(self.media, &join_all(answers).await))
    }

    /// Executes within the time a request has. What has an effect goes on without it: its outcome is not known.
    async fn execute(&self, prepared: Prepared, execution: Execution) -> Result<Answer, ServerError> {
        let limit = self.inner.config.request_timeout;
        let has_effect = prepared.has_effect();
        let answer = tokio::time::timeout(limit, self.inner.engine.execute(prepared, execution)).await;
        answer.map_err(|_elapsed| {
            refusal(match has_effect {
                true => Failure::unavailable("the request took too long; what it began goes on"),
                false => Failure::new(ErrorCode::DeadlineExceeded, "the request took too long"),
            })
        })
    }

    fn execution(&self, prepared: &Prepared) -> Execution {
        execution(
            &self.incoming,
            &self.who,
            self.request_id,
            prepared,
            &*self.inner.random,
        )
    }

    /// The old media type answers 200 whenever it was asked a well-formed question.
    fn refused_status(&self) -> StatusCode {
        if self.media == Media::Json {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        }
    }

    fn unprepared(&self, error: ServerError) -> Refused {
        Refused {
            status: self.refused_status(),
            error,
            media: self.media,
            allow: None,
        }
    }
}

/// An operation's place in the trace, and for whom it is.
pub(crate) fn execution(
    incoming: &Incoming,
    who: &Arc<Principal>,
    request_id: &RequestId,
    prepared: &Prepared,
    random: &dyn Randomness,
) -> Execution {
    let span = incoming.span(request_id, who, prepared.label());
    let trace = Some(incoming.handed_on(&span, random));
    Execution {
        caller: Caller {
            principal: Arc::clone(who),
            trace,
        },
        request_id: request_id.clone(),
        span,
    }
}
