//! The OpenAI Chat Completions, Responses and Embeddings wires, for any base URL that speaks them: OpenAI itself, Ollama,
//! vLLM, llama.cpp, LM Studio and their kin.
//!
//! One try is one streamed HTTP call. Breaker, retries, deadlines and failover sit above, in `greenroom-models`;
//! what is here turns bytes into events and failures into fault classes, and nothing else. Requests in these wires' own
//! words are relayed: their bytes pass untouched and are only read. The dialects speak the same wires to callers whose
//! target is of another family.

mod assemble;
mod backend;
mod call_id;
mod classify;
mod config;
mod embed;
mod models;
mod request;
mod response;
mod responses;
mod served;
mod thoughts;
mod vector;
mod watch;

pub use backend::OpenAiBackend;
pub use config::{MaxTokensField, OpenAiApi, OpenAiConfig};
pub use greenroom_provider_http::{ApiKey, ConfigError};
pub use responses::ResponsesDialect;
pub use served::{ChatDialect, EmbeddingsDialect};
