//! Errors as the caller's family words them.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use greenroom_kernel::{CallFailure, Failure, WireFamily};
use greenroom_provider_http::{Dialect, EdgeError, ErrorKind, NO_QUOTA};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::http::body::Unread;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request has no answer, and what it may be asked with instead.
#[derive(Debug)]
pub(super) struct Refused {
    error: Box<EdgeError>,
    allow: Option<&'static str>,
}

impl<E: Into<EdgeError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            error: Box::new(error.into()),
            allow: None,
        }
    }
}

impl Refused {
    /// An error that no try is to blame for.
    pub(super) fn failed(failure: Failure) -> Self {
        CallFailure::from(failure).into()
    }

    /// A body that wasn't read.
    pub(super) fn unread(unread: Unread) -> Self {
        let kind = match unread {
            Unread::NotJson => ErrorKind::UnsupportedMedia,
            Unread::TooLarge(_) => ErrorKind::TooLarge,
            Unread::Cut => ErrorKind::InvalidRequest,
            Unread::Slow => ErrorKind::Slow,
        };
        EdgeError::new(kind, unread.to_string()).into()
    }

    /// A method that a path doesn't take.
    pub(super) fn method(allow: &'static str) -> Self {
        let why = format!("this path takes {allow} alone");
        Self {
            allow: Some(allow),
            ..EdgeError::new(ErrorKind::MethodNotAllowed, why).into()
        }
    }

    /// What isn't found is the model.
    pub(super) fn no_model(why: impl Into<String>) -> Self {
        let error = EdgeError::new(ErrorKind::NotFound, why).coded("model_not_found");
        EdgeError {
            param: Some("model".to_owned()),
            ..error
        }
        .into()
    }

    /// The upstream's own answer where it is in the caller's words, else ours.
    pub(super) fn response(self, words: &dyn Dialect) -> Response {
        let Self { error, allow } = self;
        let (status, body) = match &error.answered {
            Some((status, body)) if *status >= 400 && is_worded(words.family(), body) => {
                (*status, body.clone())
            }
            _ => (words.status(&error), Bytes::from(words.error(&error))),
        };
        let mut response = json(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(wait) = error.retry_after {
            // A second more rather than one too early.
            let seconds = wait.as_millis().div_ceil(1_000);
            let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if error.code.as_deref() == Some(NO_QUOTA) {
            // The official SDKs would come back at once, and again.
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A JSON body.
pub(super) fn json(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error's body, as far as it tells whose words it is in.
#[derive(Deserialize)]
struct Worded<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    error: Option<IgnoredAny>,
}

/// Whether the body of an upstream's error is what a client of `family` reads: a call may have failed at a target of
/// another family.
fn is_worded(family: WireFamily, body: &[u8]) -> bool {
    let Ok(Worded { kind, error }) = serde_json::from_slice(body) else {
        return false;
    };
    let of_anthropic = kind == Some("error");
    error.is_some() && of_anthropic == (family == WireFamily::AnthropicMessages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_s_body_tells_whose_words_it_is_in() {
        let openai = br#"{"error": {"message": "no", "type": "invalid_request_error"}}"#;
        let anthropic = br#"{"type": "error", "error": {"type": "api_error", "message": "no"}}"#;
        assert!(is_worded(WireFamily::OpenAiResponses, openai));
        assert!(is_worded(WireFamily::AnthropicMessages, anthropic));
        assert!(!is_worded(WireFamily::OpenAiChat, anthropic));
        assert!(!is_worded(WireFamily::AnthropicMessages, openai));
        for other in [&b"{}"[..], b"no", b"[]", br#"{"message": "no"}"#] {
            assert!(!is_worded(WireFamily::OpenAiChat, other));
        }
    }
}
