//! Reading a request's body: within its bounds of size and time, and so that the sender sees the answer.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

use super::negotiate;
use crate::config::GatewayConfig;

/// How much of a body that is too large is read and thrown away, so that its sender sees the answer.
const DRAIN_FACTOR: usize = 32;
const DRAIN_AT_MOST: usize = 128 * 1024 * 1024;
/// How much room an announced length gets before anything of it has come.
const ROOM_AT_FIRST: usize = 1024 * 1024;

/// Why a body isn't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// It isn't JSON by its own word.
    #[error("the body must be application/json in UTF-8")]
    NotJson,
    /// It is over the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Its sender left.
    #[error("the body ended before it was whole")]
    Cut,
    /// Its sender took too long.
    #[error("the body took too long to arrive")]
    Slow,
}

/// The whole body of a JSON request, of at most `limit` bytes. What came in one piece is not copied.
pub(crate) async fn read(
    config: &GatewayConfig,
    limit: usize,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<Bytes, Unread> {
    if !negotiate::is_json(headers) {
        return Err(Unread::NotJson);
    }
    let waits = headers.contains_key(header::EXPECT);
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let announced_too_large = announced.is_some_and(|length: u64| length > limit as u64);
    if announced_too_large && waits {
        return Err(Unread::TooLarge(limit));
    }
    let room = announced.map_or(0, |length| usize::try_from(length).unwrap_or(0));
    let reading = async {
        let read = match announced_too_large {
            true => Ok(None),
            false => collect(&mut body, limit, room.min(ROOM_AT_FIRST)).await,
        };
        if matches!(read, Ok(None)) {
            drain(&mut body, limit.saturating_mul(DRAIN_FACTOR).min(DRAIN_AT_MOST)).await;
        }
        read
    };
    match tokio::time::timeout(config.body_timeout, reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(Unread::TooLarge(limit)),
        Ok(Err(())) => Err(Unread::Cut),
        Err(_elapsed) if announced_too_large => Err(Unread::TooLarge(limit)),
        Err(_elapsed) => Err(Unread::Slow),
    }
}

/// The whole body; none when it is larger than the limit.
async fn collect(body: &mut Body, limit: usize, room: usize) -> Result<Option<Bytes>, ()> {
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(drop)?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limit {
            return Ok(None);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(room.max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(if whole.is_empty() { first } else { whole.freeze() }))
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
