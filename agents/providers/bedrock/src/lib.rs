//! Amazon Bedrock, by its Converse interface: one way of speaking for the models of many makers.
//!
//! One try is one `ConverseStream` call, or one `Converse` call of a model that doesn't stream. The AWS SDK finds
//! credentials, signs, carries the bytes and reads the event stream; what it would repeat or give up by itself is
//! switched off. Request bodies are written here: the SDK keeps JSON in hash maps, so that a tool's schema would be sent
//! in another order each time, and no prompt cache would ever know it again.
//!
//! What Converse has no word for: a seed and an end user, which are not sent; images elsewhere and regular expressions,
//! which are refused. A JSON schema is sent as such to models that take one; Nova and older Claude models are made to
//! call one tool instead, whose input is the answer. Any object whatever is asked for in words.
//!
//! Breaker, retries, deadlines and failover sit above, in `greenroom-models`.

mod assemble;
mod backend;
mod call_id;
mod classify;
mod config;
mod connect;
mod document;
mod embed;
mod fault;
mod request;
mod stream;
mod thinking;
mod traits;
mod turns;
mod whole;

pub use backend::BedrockBackend;
pub use config::BedrockConfig;
pub use greenroom_aws::{
    Credentials, CredentialsError, FutureCredentials, ProvideCredentials, SharedCredentialsProvider,
};
