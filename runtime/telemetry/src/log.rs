//! Log lines: chosen by [`LogFilter`], shaped by [`LogLayer`], cleaned by [`Redaction`], written off the async
//! threads by [`LogWriter`].

mod filter;
mod layer;
mod line;
mod redact;
mod timestamp;
mod writer;

pub(crate) use filter::LogFilter;
pub(crate) use layer::{LogLayer, Shape};
pub use line::CORRELATION_FIELDS;
pub(crate) use redact::Redaction;
pub use redact::without_secrets;
pub(crate) use writer::LogWriter;
