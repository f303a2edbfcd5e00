//! The engine: one small language model, one conversation at a time, on the calling thread.
//!
//! Everything here computes for milliseconds to minutes and never awaits: run it on a thread of its own.

mod cache;
mod chat;
mod error;
mod llama;
mod matrix;
mod sampling;
mod text;
mod tokens;
mod weights;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use greenroom_kernel::{FinishReason, ModelMessage, ModelRequest};

pub use error::EngineError;

use chat::ChatFormat;
use llama::Llama;
use sampling::Sampler;
use text::Assembler;
use tokens::Vocabulary;

/// Tokens of an answer when the request sets no limit.
pub const DEFAULT_ANSWER_TOKENS: u32 = 1_024;

/// Prompt tokens read between two looks at whether the caller is still there.
pub const PROMPT_CHUNK: usize = 128;

/// A loaded model.
#[derive(Debug)]
pub struct Engine {
    model: Llama,
    vocabulary: Vocabulary,
    format: ChatFormat,
    /// The tokens the model's cache holds, so that a prompt that begins alike need not be read again.
    read: Vec<u32>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// Why it ended: stop or length.
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

    /// A part of the prompt was read, not the last; called at most once for every [`PROMPT_CHUNK`] tokens.
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
        let mut engine = Self {
            model,
            vocabulary,
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
        Ok(self.format.prompt(messages, &self.vocabulary)?.len())
    }

    /// Answers a conversation, telling `listener` the text as it comes into being. Stops within one token of
    /// the caller's leaving.
    ///
    /// # Errors
    /// When the request is at fault (empty, too long, sampling out of range), the caller left, or computing failed.
    pub fn answer(
        &mut self,
        request: &ModelRequest,
        listener: &mut dyn Listener,
    ) -> Result<Answered, EngineError> {
        let mut sampler = Sampler::new(request.temperature, request.top_p, request.seed)?;
        let prompt = self.format.prompt(&request.messages, &self.vocabulary)?;
        let window = self.context_window();
        if prompt.len() >= window {
            return Err(EngineError::ContextLength {
                prompt: prompt.len(),
                window,
            });
        }
        let wanted =
            usize::try_from(request.max_tokens.unwrap_or(DEFAULT_ANSWER_TOKENS)).unwrap_or(usize::MAX);
        let limit = wanted.min(window - prompt.len());
        let remembered = if repeatable(request) {
            0
        } else {
            self.shared_with(&prompt)
        };
        self.cut_to(remembered);
        let mut answered = Answered {
            finish: FinishReason::Length,
            input_tokens: (prompt.len() - remembered) as u64,
            cached_input_tokens: remembered as u64,
            output_tokens: 0,
        };
        let mut scores = self.read_prompt(&prompt[remembered..], listener)?;
        let mut assembler = Assembler::new(&request.stop);
        for produced in 1..=limit {
            if listener.is_gone() {
                return Err(EngineError::Cancelled);
            }
            let Some(token) = sampler
                .sample(&mut scores)
                .filter(|token| !self.vocabulary.ends(*token))
            else {
                answered.finish = FinishReason::Stop;
                break;
            };
            answered.output_tokens += 1;
            let piece = assembler.push(&self.vocabulary.bytes(token));
            if !piece.text.is_empty() {
                listener.text(piece.text);
            }
            if piece.stopped {
                answered.finish = FinishReason::Stop;
                return Ok(answered);
            }
            if produced < limit {
                scores = self.feed(&[token])?;
            }
        }
        let rest = assembler.finish();
        if !rest.is_empty() {
            listener.text(rest);
        }
        Ok(answered)
    }

    /// Forgets the conversation before, as after a failure whose extent is unknown.
    pub fn forget(&mut self) {
        self.cut_to(0);
    }

    /// How much of `prompt` the cache holds, all but the prompt's last token, whose scores are needed.
    fn shared_with(&self, prompt: &[u32]) -> usize {
        let common = self.read.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        common.min(prompt.len().saturating_sub(1))
    }

    fn cut_to(&mut self, length: usize) {
        self.model.truncate(length);
        self.read.truncate(length);
    }

    fn read_prompt(&mut self, tokens: &[u32], listener: &mut dyn Listener) -> Result<Vec<f32>, EngineError> {
        let mut scores = Vec::new();
        for (number, chunk) in tokens.chunks(PROMPT_CHUNK).enumerate() {
            if listener.is_gone() {
                return Err(EngineError::Cancelled);
            }
            if number > 0 {
                listener.progress();
            }
            scores = self.feed(chunk)?;
        }
        Ok(scores)
    }

    fn feed(&mut self, tokens: &[u32]) -> Result<Vec<f32>, EngineError> {
        let scores = self.model.forward(tokens)?;
        self.read.extend_from_slice(tokens);
        Ok(scores)
    }

    /// Reads a few tokens and forgets them, so that lazily packed weights are packed before the first caller.
    fn warm_up(&mut self) -> candle_core::Result<()> {
        self.model.forward(&[0, 0])?;
        self.model.forward(&[0])?;
        self.model.truncate(0);
        Ok(())
    }
}

/// Whether the caller expects the same answer every time. Then nothing is reused: tokens read alone and tokens read
/// together are rounded differently, so the answer would depend on the call before.
fn repeatable(request: &ModelRequest) -> bool {
    request.seed.is_some() || request.temperature == Some(0.0)
}

#[cfg(test)]
mod tests;
