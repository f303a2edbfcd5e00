//! Requests that aren't executed.

use async_graphql::ServerError;
use axum::response::Response;
use greenroom_kernel::{ErrorCode, Failure};
use http::{StatusCode, header};

use super::body::Unread;
use super::{Media, reply};
use crate::engine::Answer;
use crate::errors::refusal;
use crate::request_id::RequestId;

/// Why a request isn't executed, and with which status.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) error: ServerError,
    pub(super) media: Media,
    pub(super) allow: Option<&'static str>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, failure: Failure) -> Self {
        Self {
            status,
            error: refusal(failure),
            media: Media::Json,
            allow: None,
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Failure::bad_input(message))
    }

    pub(super) fn method(message: &str, allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, Failure::bad_input(message))
        }
    }

    pub(super) fn response(self, request_id: &RequestId) -> Response {
        let answer = Answer::refused(self.error, request_id.as_str());
        let mut response = reply::answer(self.status, self.media, &answer);
        if let Some(allow) = self.allow {
            response
                .headers_mut()
                .insert(header::ALLOW, http::HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        let (status, code) = match unread {
            Unread::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::BadUserInput),
            Unread::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadUserInput),
            Unread::Cut => (StatusCode::BAD_REQUEST, ErrorCode::BadUserInput),
            Unread::Slow => (StatusCode::REQUEST_TIMEOUT, ErrorCode::DeadlineExceeded),
        };
        Self::new(status, Failure::new(code, unread.to_string()))
    }
}
