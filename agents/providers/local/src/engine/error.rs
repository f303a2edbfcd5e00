//! How loading a model or answering with it fails.

use std::io;
use std::path::PathBuf;

/// A failure of the engine, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model file cannot be opened or read.
    #[error("cannot read the model file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file is not a GGUF file this engine can read.
    #[error("{} is not a readable GGUF model", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the reader stumbled over.
        source: candle_core::Error,
    },
    /// The file is GGUF, but of a kind this engine does not run.
    #[error("{} cannot be run here: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Which property is the obstacle.
        what: String,
    },
    /// Text could not be turned into tokens.
    #[error("cannot turn the prompt into tokens")]
    Tokenize {
        /// The tokenizer's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The conversation leaves no room for an answer.
    #[error("the conversation takes {prompt} tokens, the model's context window is {window}")]
    ContextLength {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens of the window.
        window: usize,
    },
    /// A sampling parameter is outside its range.
    #[error("{name} is {value}, it must be {range}")]
    Sampling {
        /// The parameter.
        name: &'static str,
        /// What was asked for.
        value: f32,
        /// What is allowed.
        range: &'static str,
    },
    /// The answer can't be held to the form that was asked for.
    #[error("this model can't hold its answer to the form that was asked for: {what}")]
    Form {
        /// What is in the way.
        what: String,
    },
    /// The conversation has no message.
    #[error("the conversation is empty")]
    EmptyConversation,
    /// A tensor operation failed.
    #[error("computing the answer failed")]
    Compute {
        /// The tensor library's word.
        #[from]
        source: candle_core::Error,
    },
    /// The caller left.
    #[error("cancelled")]
    Cancelled,
}
