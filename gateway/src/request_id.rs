//! The name of one request in answers and logs.

use std::sync::Arc;

use greenroom_kernel::Randomness;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What clients of Anthropic call it.
pub(crate) const ANTHROPIC_HEADER: HeaderName = HeaderName::from_static("request-id");

const MAX_BYTES: usize = 128;

/// A request's id: the client's own if it is one, else ours.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the client's id (1 to 128 visible ASCII characters) or mints one.
    pub(crate) fn of(headers: &HeaderMap, random: &dyn Randomness) -> Self {
        let given = headers.get(HEADER).or_else(|| headers.get(ANTHROPIC_HEADER));
        let given = given.and_then(|value| value.to_str().ok());
        match given {
            Some(id)
                if !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Self(id.into())
            }
            _ => Self::minted(random),
        }
    }

    fn minted(random: &dyn Randomness) -> Self {
        let (mut bytes, mut text) = ([0; 16], [0; 32]);
        bytes[..8].copy_from_slice(&random.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&random.next_u64().to_be_bytes());
        // It fits, and is ASCII.
        let _ = hex::encode_to_slice(bytes, &mut text);
        Self(std::str::from_utf8(&text).unwrap_or_default().into())
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}
