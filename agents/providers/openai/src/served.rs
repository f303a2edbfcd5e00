//! OpenAI's wires as callers speak them to us: requests read, answers and errors written.

mod chat;
mod embeddings;
mod error;
mod fields;

pub use chat::ChatDialect;
pub use embeddings::EmbeddingsDialect;
