//! The Anthropic Messages wire: Anthropic itself, servers that speak as it does, and callers that speak so to us.
//!
//! One try is one streamed HTTP call. What the wire has no word for: a seed, which is not sent, so that answers repeat
//! no more than the model likes; how closely to look at an image; and a regular expression, which is refused. What a
//! model thinks is told, and goes back with the seal that its server put on it.
//!
//! A caller's own request of this wire is relayed as it is. For targets of other wires [`MessagesDialect`] reads it and
//! writes the answer.
//!
//! Breaker, retries, deadlines and failover sit above, in `greenroom-models`.

mod assemble;
mod backend;
mod blocks;
mod classify;
mod config;
mod listing;
mod relay;
mod request;
mod response;
mod seal;
mod served;
mod takes;
mod thinking;
mod turns;
mod watch;

pub use backend::AnthropicBackend;
pub use config::AnthropicConfig;
pub use greenroom_provider_http::{ApiKey, ConfigError};
pub use served::MessagesDialect;
