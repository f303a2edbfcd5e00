//! The `local` provider: a small instruct model in GGUF, run in this process on the CPU, so that a chat works
//! without any key or service.
//!
//! [`Engine`] runs the model, [`ModelSource`] finds or fetches its file, [`LocalProvider`] owns both on a thread
//! of its own and serves the kernel's model port. [`thread_variables`] says how the process must be started.

mod engine;
mod provider;
mod source;
mod threads;

pub use engine::{Answered, DEFAULT_ANSWER_TOKENS, Engine, EngineError, Listener, PROMPT_CHUNK};
pub use provider::{LocalConfig, LocalProvider, LocalState};
pub use source::{
    FailedAttempt, FoundModel, ModelSource, ModelSpec, Origin, PipPackage, SourceConfig, SourceError,
    SourceProgress,
};
pub use threads::thread_variables;
