//! Reading a request's body: within its bounds of size and time, and so that the sender sees the answer.

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use greenroom_kernel::{ErrorCode, Failure};
use http::{StatusCode, header};
use http_body_util::BodyExt;

use super::{Refused, negotiate};
use crate::gateway::Inner;

/// How much of a body that is too large is read and thrown away, so that its sender sees the answer.
const DRAIN_FACTOR: usize = 32;

/// The whole body of a JSON request.
pub(super) async fn read(inner: &Inner, request: Request) -> Result<Bytes, Refused> {
    let headers = request.headers();
    if !negotiate::is_json(headers) {
        let failure = Failure::bad_input("the body must be application/json in UTF-8");
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, failure));
    }
    let limit = inner.config.max_body_bytes;
    let too_large = || {
        let failure = Failure::bad_input(format!("the body is larger than {limit} bytes"));
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, failure)
    };
    let waits = headers.contains_key(header::EXPECT);
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let announced_too_large = announced.is_some_and(|length: u64| length > limit as u64);
    if announced_too_large && waits {
        return Err(too_large());
    }
    let reading = async {
        let mut body = request.into_body();
        let read = collect(&mut body, limit, announced_too_large).await;
        if matches!(read, Ok(None)) {
            drain(&mut body, limit.saturating_mul(DRAIN_FACTOR)).await;
        }
        read
    };
    match tokio::time::timeout(inner.config.body_timeout, reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(())) => Err(Refused::bad("the body ended before it was whole")),
        Err(_elapsed) if announced_too_large => Err(too_large()),
        Err(_elapsed) => {
            let failure = Failure::new(ErrorCode::DeadlineExceeded, "the body took too long to arrive");
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, failure))
        }
    }
}

/// The whole body; none when it is larger than the limit.
async fn collect(body: &mut Body, limit: usize, known_too_large: bool) -> Result<Option<Bytes>, ()> {
    if known_too_large {
        return Ok(None);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(drop)?.into_data() else {
            continue;
        };
        if whole.len() + data.len() > limit {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole.freeze()))
}

async fn drain(body: &mut Body, limit: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}
