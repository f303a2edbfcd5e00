//! OpenAI's wires as callers speak them to us: requests read, answers and errors written.

mod chat;
mod embeddings;
mod error;
mod fields;
mod reference;

pub use chat::ChatDialect;
pub use embeddings::EmbeddingsDialect;
pub(crate) use error::{error_body, error_bytes};
pub(crate) use fields::Fields;
pub(crate) use reference::reference;
