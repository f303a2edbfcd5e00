//! Values that agents and callers hand us: small ones inline, large ones stored before the entry naming them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A payload up to this many bytes travels inside its entry; a larger one is stored apart first.
pub const INLINE_LIMIT: usize = 32 * 1024;

/// The largest single payload that every store keeps, in bytes: an input, a step's result, an answer. Agents are told
/// before they report one, so that what they go on with is what is journaled.
pub const PAYLOAD_LIMIT: usize = 4 * 1024 * 1024;

/// The largest single payload where a store keeps larger ones, in bytes. Two of them, a turn's and that of the message
/// before it, go into one message between processes (16 MiB), with the rest of a conversation.
pub const LARGE_PAYLOAD_LIMIT: usize = 7 * 1024 * 1024;

/// How large a payload a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimit {
    /// At most so many bytes: [`PAYLOAD_LIMIT`] at least, [`LARGE_PAYLOAD_LIMIT`] at most.
    pub bytes: usize,
    /// What an operator may do so that it keeps larger ones, if there is something.
    pub raise: Option<&'static str>,
}

impl Default for PayloadLimit {
    fn default() -> Self {
        Self {
            bytes: PAYLOAD_LIMIT,
            raise: None,
        }
    }
}

impl PayloadLimit {
    /// Why a payload of so many bytes is refused; none when it isn't.
    pub fn refuses(self, bytes: usize) -> Option<String> {
        if bytes <= self.bytes {
            return None;
        }
        let raise = self.raise.map(|raise| format!("; {raise}")).unwrap_or_default();
        Some(format!(
            "a payload of {bytes} bytes is over the limit of {}{raise}",
            self.bytes
        ))
    }
}

/// The content hash that names a stored payload within its journal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(Arc<str>);

impl BlobId {
    /// The name of this content.
    pub fn of(content: &str) -> Self {
        Self(blake3::hash(content.as_bytes()).to_hex().as_str().into())
    }

    /// Reads a name: 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, crate::InvalidId> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.into()))
        } else {
            Err(crate::InvalidId {
                what: "a payload's name",
                pattern: "[0-9a-f]{64}",
            })
        }
    }

    /// The name as text: 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({})", self.0)
    }
}

/// A text (JSON or plain, as its place says), inline or stored apart under `(tenant, journal, id)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The text itself.
    Inline(Arc<str>),
    /// Where the text is stored.
    Blob {
        /// Its content hash.
        id: BlobId,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The text was removed by compaction or deletion.
    Hollow,
}

impl Payload {
    /// An inline payload.
    pub fn inline(text: impl Into<Arc<str>>) -> Self {
        Self::Inline(text.into())
    }

    /// The text, when it is inline.
    pub fn as_inline(&self) -> Option<&str> {
        match self {
            Self::Inline(text) => Some(text),
            Self::Blob { .. } | Self::Hollow => None,
        }
    }
}

/// A hash of an input: tells whether two calls are the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputHash(u128);

impl InputHash {
    /// Hashes the parts, kept apart.
    pub fn of(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(u128::from_le_bytes(bytes))
    }

    /// 64 of its bits: a seed.
    pub const fn low_bits(self) -> u64 {
        self.0 as u64
    }
}

impl Serialize for InputHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for InputHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        u128::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
