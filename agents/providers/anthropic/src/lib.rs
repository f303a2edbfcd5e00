//! The Anthropic Messages wire: Anthropic itself, and servers that speak as it does.
//!
//! One try is one streamed HTTP call. What the wire has no word for: a seed, which is not sent, so that answers repeat
//! no more than the model likes; and a regular expression, which is refused. What a model thinks is told as progress
//! and not kept, so it isn't handed back with a tool's result either.
//!
//! Breaker, retries, deadlines and failover sit above, in `greenroom-models`.

mod assemble;
mod backend;
mod classify;
mod config;
mod request;
mod response;
mod schema;
mod turns;

pub use backend::AnthropicBackend;
pub use config::AnthropicConfig;
pub use greenroom_provider_http::{ApiKey, ConfigError};
