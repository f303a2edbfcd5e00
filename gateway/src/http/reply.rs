//! Writing answers.

use axum::body::Body;
use axum::response::Response;
use greenroom_kernel::Failure;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Media, status_of};
use crate::engine::Answer;
use crate::errors::refusal;
use crate::request_id::RequestId;

/// One answer.
pub(super) fn answer(status: StatusCode, media: Media, answer: &Answer) -> Response {
    let mut response = json(status, media, answer);
    set_retry_after(&mut response, answer.retry_after_ms());
    response
}

/// Several answers, in the order asked.
pub(super) fn batch(media: Media, answers: &[Answer]) -> Response {
    let mut response = json(StatusCode::OK, media, answers);
    set_retry_after(
        &mut response,
        answers.iter().filter_map(Answer::retry_after_ms).max(),
    );
    response
}

/// A failure outside of GraphQL, in GraphQL's shape, with its code's own status.
pub(crate) fn failure(failure: Failure, request_id: &RequestId) -> Response {
    let status = status_of(failure.code);
    failure_with(status, failure, request_id)
}

/// A failure outside of GraphQL, in GraphQL's shape.
pub(crate) fn failure_with(status: StatusCode, failure: Failure, request_id: &RequestId) -> Response {
    answer(
        status,
        Media::Json,
        &Answer::refused(refusal(failure), request_id.as_str()),
    )
}

fn json<T: Serialize + ?Sized>(status: StatusCode, media: Media, body: &T) -> Response {
    let content_type = match media {
        Media::GraphQl => "application/graphql-response+json; charset=utf-8",
        Media::Json | Media::EventStream | Media::Html => "application/json; charset=utf-8",
    };
    // An answer is made of strings, numbers and maps with text keys: writing it can't fail.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn set_retry_after(response: &mut Response, retry_after_ms: Option<u64>) {
    if let Some(ms) = retry_after_ms {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
    }
}
