//! What every request passes before it is answered: it gets its name, and has to be meant for us. And after: it is
//! counted.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use greenroom_kernel::{ErrorCode, Failure};

use crate::gateway::Inner;
use crate::http::{failure, failure_with};
use crate::origin;
use crate::request_id::{self, RequestId};
use crate::v1;

/// Where GraphQL is served.
pub(crate) const GRAPHQL: &str = "/graphql";
/// What requests are counted as that are about no field of the schema's.
pub(crate) const OTHER: &str = "other";

/// Counts an answered request.
pub(crate) fn count(inner: &Inner, operation: &str, response: &Response, began: Instant) {
    let status = response.status().as_u16();
    inner.metrics.http_request(operation, status, began.elapsed());
}

/// Names the request, refuses foreign ones, and echoes the name.
pub(crate) async fn guard(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    guarded(&inner, request, |request| next.run(request)).await
}

/// Answers what is below `/v1/`, past the router: a relayed call is short enough to feel it.
pub(crate) async fn v1(inner: Arc<Inner>, request: Request) -> Response {
    let door = Arc::clone(&inner);
    guarded(&inner, request, |request| v1::serve(door, request)).await
}

async fn guarded<F: Future<Output = Response>>(
    inner: &Inner,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let id = RequestId::of(request.headers(), &*inner.random);
    let foreign = match inner.config.loopback_only {
        true => origin::refuse_foreign(request.uri(), request.headers()),
        false => None,
    };
    let began = Instant::now();
    // Those that get there are counted there, where it is known what they ask for.
    let path = request.uri().path();
    let counted = foreign.is_none() && (path == GRAPHQL || v1::is_below(path));
    let mut response = match foreign {
        Some(why) if v1::is_below(path) => v1::foreign(inner, &request, why, &id),
        Some(why) => failure(Failure::new(ErrorCode::Forbidden, why), &id),
        None => {
            request.extensions_mut().insert(id.clone());
            answer(request).await
        }
    };
    if !counted {
        count(inner, OTHER, &response, began);
    }
    if let Some(value) = id.header() {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    response
}

/// Answers paths that don't exist.
pub(crate) async fn unknown_path(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let id = RequestId::of(request.headers(), &*inner.random);
    let id = request.extensions().get::<RequestId>().unwrap_or(&id);
    failure_with(http::StatusCode::NOT_FOUND, Failure::not_found("path"), id)
}
