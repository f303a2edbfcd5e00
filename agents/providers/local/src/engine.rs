//! The engine: one small language model, one conversation at a time, on the calling thread.
//!
//! Everything here computes for milliseconds to minutes and never awaits: run it on a thread of its own.

mod answering;
mod bounds;
mod cache;
mod chat;
mod error;
mod form;
mod guide;
mod llama;
mod matrix;
mod outlet;
mod sampling;
mod text;
mod tokens;
mod weights;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::gguf_file::Content;
use greenroom_kernel::{FinishReason, ModelMessage, ToolCall};

pub use error::EngineError;

use chat::ChatFormat;
use guide::Guides;
use llama::Llama;
use tokens::Vocabulary;

/// Tokens of an answer when the request sets no limit.
pub const DEFAULT_ANSWER_TOKENS: u32 = 1_024;

/// Prompt tokens read between two looks at whether the caller is still there.
pub const PROMPT_CHUNK: usize = 128;

/// A loaded model.
#[derive(Debug)]
pub struct Engine {
    model: Llama,
    vocabulary: Arc<Vocabulary>,
    guides: Guides,
    format: ChatFormat,
    /// The tokens the model's cache holds, so that a prompt that begins alike need not be read again.
    read: Vec<u32>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// Why it ended: stop, length or tool calls.
    pub finish: FinishReason,
    /// Prompt tokens that were read.
    pub input_tokens: u64,
    /// Prompt tokens that were remembered from the call before.
    pub cached_input_tokens: u64,
    /// Tokens of the answer, without the one that ended it.
    pub output_tokens: u64,
}

/// The caller's side of an answer.
pub trait Listener {
    /// Whether the caller left; asked before every token.
    fn is_gone(&self) -> bool;

    /// More visible text, never empty.
    fn text(&mut self, text: String);

    /// A call of a tool, whole; at most one an answer, after its text.
    fn tool_call(&mut self, call: ToolCall);

    /// Something was done that is not shown: a part of the prompt was read, not the last, at most once for every
    /// [`PROMPT_CHUNK`] tokens; or a token of a tool call was written.
    fn progress(&mut self);
}

impl Engine {
    /// Loads a GGUF file; `on_progress` is told the share of the weights read, from 0 to 1.
    ///
    /// # Errors
    /// When the file cannot be read, or its architecture, tokenizer or chat format is not supported.
    pub fn load(path: &Path, on_progress: &mut dyn FnMut(f32)) -> Result<Self, EngineError> {
        let format = |source| EngineError::Format {
            path: path.to_owned(),
            source,
        };
        let unsupported = |what| EngineError::Unsupported {
            path: path.to_owned(),
            what,
        };
        let file = File::open(path).map_err(|source| EngineError::Open {
            path: path.to_owned(),
            source,
        })?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let content = Content::read(&mut file).map_err(format)?;
        if let Some(what) = weights::obstacle(&content) {
            return Err(unsupported(what));
        }
        let vocabulary = Vocabulary::read(&content).map_err(unsupported)?;
        let chat = ChatFormat::find(&vocabulary).map_err(unsupported)?;
        let model = weights::read(&content, &mut file, on_progress).map_err(format)?;
        let vocabulary = Arc::new(vocabulary);
        let guides = Guides::new(Arc::clone(&vocabulary)).map_err(unsupported)?;
        let mut engine = Self {
            model,
            vocabulary,
            guides,
            format: chat,
            read: Vec::new(),
        };
        engine.warm_up().map_err(format)?;
        Ok(engine)
    }

    /// Tokens input and output may have together.
    pub fn context_window(&self) -> usize {
        self.model.context_window()
    }

    /// How many tokens the conversation takes as a prompt.
    ///
    /// # Errors
    /// When the conversation is empty.
    pub fn count_tokens(&self, messages: &[ModelMessage]) -> Result<usize, EngineError> {
        Ok(self.format.prompt(messages, "", &self.vocabulary)?.len())
    }

    /// Forgets the conversation before, as after a failure whose extent is unknown.
    pub fn forget(&mut self) {
        self.cut_to(0);
    }

    fn cut_to(&mut self, length: usize) {
        self.model.truncate(length);
        self.read.truncate(length);
    }

    /// Reads a few tokens and forgets them, so that lazily packed weights are packed before the first caller.
    fn warm_up(&mut self) -> candle_core::Result<()> {
        self.model.forward(&[0, 0])?;
        self.model.forward(&[0])?;
        self.model.truncate(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
