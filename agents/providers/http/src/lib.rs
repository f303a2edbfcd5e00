//! What the adapters of streamed HTTP wires share: where a provider is and its key, one client, server-sent events,
//! waiting times, bounded bodies, and faults in the kernel's classes.
//!
//! A wire family brings its words for requests, an [`Assembler`] for its events and a [`Wire`] that reads its errors;
//! what is here knows none of them.

mod base_url;
mod catalogue;
mod client;
mod dialect;
mod edge_error;
mod fault;
mod frames;
mod key;
mod key_ring;
mod named;
mod peek;
mod quota;
mod relay;
mod retry_after;
mod sse;
mod stream;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod trace;
mod upstream;
mod watcher;

pub use base_url::{BaseUrl, ConfigError};
pub use catalogue::Catalogue;
pub use client::ConnectorError;
pub use dialect::{AnswerHead, AnswerWriter, Dialect};
pub use edge_error::{EdgeError, ErrorKind, NO_QUOTA};
pub use fault::{Detail, Faults, Verdict, Wire, by_status};
pub use http::{HeaderMap, HeaderName, HeaderValue, Uri};
pub use key::ApiKey;
pub use peek::{Peeked, peek};
pub use stream::Assembler;
pub use upstream::{Settings, Upstream};
pub use watcher::Watcher;
