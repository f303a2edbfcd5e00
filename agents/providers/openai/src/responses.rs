//! The OpenAI Responses wire, in both directions: calls of providers that speak it, answers passed on from them, and
//! callers who speak it to us.
//!
//! We keep no responses. What goes out says `store: false` and asks for thoughts in their encrypted form, so that a
//! conversation is whole in every request.

mod assemble;
mod event;
mod items;
mod own;
mod relay;
mod request;
mod sealed;
mod served;
#[cfg(test)]
mod strange;
mod watch;
mod words;

pub(crate) use assemble::Assembler;
pub(crate) use relay::sendable;
pub(crate) use request::ResponsesRequest;
pub use served::ResponsesDialect;
pub(crate) use watch::ResponsesWatcher;
pub(crate) use words::by_word;
