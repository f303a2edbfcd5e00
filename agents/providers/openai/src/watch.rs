//! What a relayed Chat Completions answer means, read while its bytes pass untouched.
//!
//! This is the hot path of the relay: a chunk of text is only glanced at, whatever else comes is parsed.
//!
//! The caller's bytes are never altered, not even to ask for figures: a caller who streams without
//! `stream_options.include_usage` gets none, none are told here, and the call's usage is estimated.

mod embeddings;
mod glance;
mod standing;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::LazyLock;

use greenroom_kernel::{FinishReason, ProviderFault, RawRequest, RelaySign, Reported, Usage};
use greenroom_provider_http::{Faults, Reader, Seen, Watcher};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::response::{Choice, Chunk, Delta, WireUsage, finish_reason};
pub(crate) use embeddings::EmbeddingsWatcher;
use glance::GLANCE;
use whole::Whole;

/// Most choices that are told apart; OpenAI gives as many.
const CHOICES_AT_MOST: u32 = 128;

/// Watches one answer.
pub(crate) struct ChatWatcher {
    faults: Faults,
    model: String,
    /// How many choices were asked for.
    choices: u32,
    /// Which of them have ended, a bit each.
    ended: u128,
    finish: Option<FinishReason>,
    has_calls: bool,
    usage: Option<Usage>,
    /// Figures that nobody has asked for yet.
    figures: Option<WireUsage>,
    /// Something was said, more than a role.
    answered: bool,
    done: bool,
    seen: Seen,
}

impl ChatWatcher {
    pub(crate) fn new(faults: Faults, model: &str, request: &RawRequest) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            choices: choices(request),
            ended: 0,
            finish: None,
            has_calls: false,
            usage: None,
            figures: None,
            answered: false,
            done: false,
            seen: Seen::Nothing,
        }
    }
}

impl Watcher for ChatWatcher {
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        self.seen = Seen::Nothing;
        if self.done {
            return Ok(RelaySign::Lifecycle);
        }
        let before = data.len() - data.trim_ascii_start().len();
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return self.end();
        }
        let Some(said) = GLANCE.said(data) else {
            return self.parsed(data);
        };
        if said.bytes == 0 {
            return Ok(RelaySign::Lifecycle);
        }
        self.answered = true;
        self.seen = match said.text {
            _ if said.refusal || self.choices > 1 => Seen::Beyond,
            text if text.is_empty() => Seen::Thought,
            text => Seen::Text(text.start + before..text.end + before),
        };
        Ok(RelaySign::Content { said: said.bytes })
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn figures(&mut self) -> Option<Reported> {
        let ended = self.is_finished();
        self.figures.take().map(|usage| usage.reported(ended))
    }

    fn reader(&self) -> Reader {
        standing::read
    }

    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        if self.is_finished() || (self.done && (self.answered || self.finish.is_some())) {
            return Ok(self.ended());
        }
        Err(self.faults.truncated())
    }

    fn closing(&self) -> &'static [u8] {
        if self.done { b"" } else { b"data: [DONE]\n\n" }
    }

    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        if let Some(seen) = GLANCE.whole(body) {
            self.beside(None, Some(seen.usage))?;
            self.closed(0, Some(seen.finish_reason))?;
            return Ok(self.ended());
        }
        let answer: Whole<'_> = serde_json::from_slice(body).map_err(|e| self.faults.malformed(&e))?;
        self.beside(answer.error, answer.usage)?;
        let choices = answer.choices.unwrap_or_default();
        if choices.is_empty() {
            return Err(self.faults.malformed(&"an answer without a choice"));
        }
        for choice in choices {
            self.has_calls |= choice.has_calls();
            self.closed(choice.index, choice.finish_reason())?;
        }
        Ok(self.ended())
    }
}

impl ChatWatcher {
    /// What an event says that must be read.
    fn parsed(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        match serde_json::from_slice(data) {
            Ok(chunk) => self.take(chunk),
            // A chunk of a form of its own means nothing to us, and may to the caller.
            Err(_) if serde_json::from_slice::<IgnoredAny>(data).is_ok() => Ok(RelaySign::Lifecycle),
            Err(error) => Err(self.faults.malformed(&error)),
        }
    }

    fn take(&mut self, chunk: Chunk) -> Result<RelaySign, ProviderFault> {
        self.beside(chunk.error, chunk.usage)?;
        let was_finished = self.is_finished();
        let mut said = None;
        for choice in chunk.choices.into_iter().flatten() {
            if let Some(more) = self.choice(choice)? {
                self.answered = true;
                said = Some(said.unwrap_or(0_u32).saturating_add(more));
            }
        }
        Ok(match (self.finish, said) {
            (Some(_), _) if self.is_finished() && !was_finished => RelaySign::Finished(self.finish()),
            (_, Some(said)) => RelaySign::Content { said },
            (_, None) => RelaySign::Lifecycle,
        })
    }

    /// How much was said in it, if it says anything.
    fn choice(&mut self, choice: Choice) -> Result<Option<u32>, ProviderFault> {
        let mut said = None;
        for delta in [choice.delta, choice.message].into_iter().flatten() {
            self.has_calls |= delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
            let brought = brought(delta);
            said = said.or(brought.bytes);
            self.seen = match std::mem::take(&mut self.seen) {
                Seen::Nothing if choice.index == 0 && self.choices == 1 => brought.seen,
                _ if brought.bytes.is_some() => Seen::Beyond,
                seen => seen,
            };
        }
        self.closed(choice.index, choice.finish_reason.as_deref())?;
        Ok(said)
    }

    /// What stands beside the choices.
    fn beside(&mut self, error: Option<Value>, usage: Option<WireUsage>) -> Result<(), ProviderFault> {
        if let Some(usage) = usage {
            self.usage = Some(usage.into());
            self.figures = Some(usage);
        }
        match error.filter(|e| !e.is_null()) {
            Some(error) => Err(self.faults.error_object(&error, &self.model)),
            None => Ok(()),
        }
    }

    /// Takes note of a choice's end, where there is one.
    fn closed(&mut self, index: u32, reason: Option<&str>) -> Result<(), ProviderFault> {
        match reason {
            None | Some("") => {}
            Some("error") => {
                let error = Value::from("the provider ended the answer with an error");
                return Err(self.faults.error_object(&error, &self.model));
            }
            Some(reason) => {
                self.seen = Seen::Beyond;
                self.ended |= 1_u128.checked_shl(index).unwrap_or(0);
                if index == 0 || self.finish.is_none() {
                    self.finish = Some(finish_reason(reason));
                }
            }
        }
        Ok(())
    }

    /// Whether all choices have ended.
    fn is_finished(&self) -> bool {
        self.ended.count_ones() >= self.choices
    }

    fn finish(&self) -> FinishReason {
        match self.finish {
            None | Some(FinishReason::Stop) if self.has_calls => FinishReason::ToolCalls,
            finish => finish.unwrap_or(FinishReason::Stop),
        }
    }

    fn ended(&self) -> RelaySign {
        RelaySign::End {
            finish: self.finish(),
            usage: self.usage,
        }
    }
}

/// What a delta brings.
#[derive(Default)]
struct Brought {
    /// How much, if anything.
    bytes: Option<u32>,
    seen: Seen,
}

fn brought(mut delta: Delta) -> Brought {
    let refuses = delta.refuses();
    let text = delta.take_said();
    let thought = delta.take_thought();
    let called = delta.tool_calls.unwrap_or_default();
    let calls = !called.is_empty() || delta.function_call.is_some() || delta.audio.is_some();
    if text.is_empty() && thought.is_none() && !calls {
        return Brought::default();
    }
    let functions = called.into_iter().filter_map(|call| call.function);
    let functions: usize = functions
        .chain(delta.function_call)
        .map(|function| {
            let name = function.name.map_or(0, |name| name.len());
            name + function.arguments.map_or(0, |arguments| match arguments {
                Value::String(text) => text.len(),
                other => other.to_string().len(),
            })
        })
        .sum();
    let bytes = text.len() + thought.map_or(0, |thought| thought.text.len()) + functions;
    Brought {
        bytes: Some(u32::try_from(bytes).unwrap_or(u32::MAX)),
        seen: match text.is_empty() {
            _ if calls || refuses => Seen::Beyond,
            true => Seen::Thought,
            false => Seen::Words(text),
        },
    }
}

/// The field that asks for several choices.
static NUMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"n\""));

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    n: Option<u32>,
}

/// How many choices a request asks for. Hardly any names their number, and only those are read for it.
fn choices(request: &RawRequest) -> u32 {
    let names = |bytes: &[u8]| NUMBER.find(bytes).is_some();
    if !names(&request.before) && !names(&request.after) {
        return 1;
    }
    let body = [&request.before[..], &request.model, &request.after].concat();
    let asked = serde_json::from_slice::<Asked>(&body)
        .ok()
        .and_then(|asked| asked.n);
    asked.unwrap_or(1).clamp(1, CHOICES_AT_MOST)
}
