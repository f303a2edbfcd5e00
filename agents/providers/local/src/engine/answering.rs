//! Makes an answer: token by token, within the form that was asked for.

use greenroom_kernel::{FinishReason, ModelRequest};

use super::error::EngineError;
use super::form::Form;
use super::guide::Guide;
use super::outlet::{Ending, Outlet};
use super::sampling::Sampler;
use super::{Answered, DEFAULT_ANSWER_TOKENS, Engine, Listener, PROMPT_CHUNK};

impl Engine {
    /// Answers a conversation, telling `listener` the text as it comes into being. Stops within one token of
    /// the caller's leaving.
    ///
    /// An answer that ends with [`FinishReason::Stop`] has the form that the request asks for. A stop text that cuts
    /// it before ends it with [`FinishReason::Length`].
    ///
    /// # Errors
    /// When the request is at fault (empty, too long, sampling out of range, a form that is not supported), the
    /// caller left, or computing failed.
    pub fn answer(
        &mut self,
        request: &ModelRequest,
        listener: &mut dyn Listener,
    ) -> Result<Answered, EngineError> {
        let mut sampler = Sampler::new(request.temperature, request.top_p, request.seed)?;
        let form = Form::of(request)?;
        let prompt = self
            .format
            .prompt(&request.messages, &form.briefing(), &self.vocabulary)?;
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
        let mut guide = form.guide(&self.guides, limit)?;
        let remembered = if repeatable(request) {
            0
        } else {
            self.shared_with(&prompt)
        };
        self.cut_to(remembered);
        let mut unread = prompt[remembered..].to_vec();
        let mut outlet = Outlet::new(&request.stop, form.calls_at());
        let mut produced = 0;
        let (finish, stopped) = loop {
            if guide.as_ref().is_some_and(Guide::is_done) {
                break (FinishReason::Stop, false);
            }
            if produced == limit {
                break (FinishReason::Length, false);
            }
            let tokens = match self.next(guide.as_mut(), &mut sampler, &mut unread, listener)? {
                Next::End => break (FinishReason::Stop, false),
                Next::Tokens(mut tokens) => {
                    tokens.truncate(limit - produced);
                    tokens
                }
            };
            if let Some(guide) = &mut guide {
                guide.accept(&tokens).map_err(|what| EngineError::Form { what })?;
            }
            produced += tokens.len();
            if self.tell(&tokens, &mut outlet, listener) {
                let finish = if form.is_strict() {
                    FinishReason::Length
                } else {
                    FinishReason::Stop
                };
                break (finish, true);
            }
            unread.extend(tokens);
        };
        let finish = match stopped {
            true => finish,
            false => end(outlet, finish, listener),
        };
        Ok(Answered {
            finish,
            input_tokens: (prompt.len() - remembered) as u64,
            cached_input_tokens: remembered as u64,
            output_tokens: produced as u64,
        })
    }

    /// What comes next. Tokens that the form forces cost no evaluation: they are read with the next one that is drawn.
    fn next(
        &mut self,
        guide: Option<&mut Guide>,
        sampler: &mut Sampler,
        unread: &mut Vec<u32>,
        listener: &mut dyn Listener,
    ) -> Result<Next, EngineError> {
        let form = |what| EngineError::Form { what };
        let mut guide = guide;
        if let Some(guide) = guide.as_deref_mut() {
            let forced = guide.forced().map_err(form)?;
            if !forced.is_empty() {
                return Ok(Next::Tokens(forced));
            }
        }
        let mut scores = self.read_all(unread, listener)?;
        unread.clear();
        if listener.is_gone() {
            return Err(EngineError::Cancelled);
        }
        if let Some(guide) = guide {
            guide.mask(&mut scores).map_err(form)?;
        }
        let drawn = sampler
            .sample(&mut scores)
            .filter(|token| !self.vocabulary.ends(*token));
        Ok(drawn.map_or(Next::End, |token| Next::Tokens(vec![token])))
    }

    /// Tells what tokens made visible; whether a stop text ended the answer.
    fn tell(&self, tokens: &[u32], outlet: &mut Outlet, listener: &mut dyn Listener) -> bool {
        for token in tokens {
            let piece = outlet.push(&self.vocabulary.bytes(*token));
            if !piece.text.is_empty() {
                listener.text(piece.text);
            } else if outlet.in_call() {
                listener.progress();
            }
            if piece.stopped {
                return true;
            }
        }
        false
    }

    /// How much of `prompt` the cache holds, all but the prompt's last token, whose scores are needed.
    fn shared_with(&self, prompt: &[u32]) -> usize {
        let common = self.read.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        common.min(prompt.len().saturating_sub(1))
    }

    fn read_all(&mut self, tokens: &[u32], listener: &mut dyn Listener) -> Result<Vec<f32>, EngineError> {
        let mut scores = Vec::new();
        for (number, chunk) in tokens.chunks(PROMPT_CHUNK).enumerate() {
            if listener.is_gone() {
                return Err(EngineError::Cancelled);
            }
            if number > 0 {
                listener.progress();
            }
            scores = self.model.forward(chunk)?;
            self.read.extend_from_slice(chunk);
        }
        Ok(scores)
    }
}

/// How an answer goes on.
enum Next {
    Tokens(Vec<u32>),
    End,
}

/// Tells the rest of an answer, and why it ended.
fn end(outlet: Outlet, finish: FinishReason, listener: &mut dyn Listener) -> FinishReason {
    let Ending { text, call } = outlet.finish(finish == FinishReason::Length);
    if !text.is_empty() {
        listener.text(text);
    }
    match call {
        Some(call) => {
            listener.tool_call(call);
            FinishReason::ToolCalls
        }
        None => finish,
    }
}

/// Whether the caller expects the same answer every time. Then nothing is reused: tokens read alone and tokens read
/// together are rounded differently, so the answer would depend on the call before.
fn repeatable(request: &ModelRequest) -> bool {
    request.seed.is_some() || request.temperature == Some(0.0)
}
