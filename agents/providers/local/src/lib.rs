//! The `local` provider: a small instruct model in GGUF, run in this process on the CPU, so that a chat works
//! without any key or service.
//!
//! [`Engine`] runs the model, [`ModelSource`] finds or fetches its file, [`LocalProvider`] owns both on a thread
//! of its own and serves the kernel's model port.

mod engine;

pub use engine::{Answered, DEFAULT_ANSWER_TOKENS, Engine, EngineError, Listener};
