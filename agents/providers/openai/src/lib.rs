//! The OpenAI Chat Completions wire, for any base URL that speaks it: OpenAI itself, Ollama, vLLM, llama.cpp,
//! LM Studio and their kin.
//!
//! One try is one streamed HTTP call. Breaker, retries, deadlines and failover sit above, in `greenroom-models`;
//! what is here turns bytes into events and failures into fault classes, and nothing else.

mod assemble;
mod backend;
mod classify;
mod config;
mod embed;
mod models;
mod request;
mod response;
mod served;
mod thoughts;
mod vector;
mod watch;

pub use backend::OpenAiBackend;
pub use config::{MaxTokensField, OpenAiConfig};
pub use greenroom_provider_http::{ApiKey, ConfigError};
pub use served::{ChatDialect, EmbeddingsDialect};
