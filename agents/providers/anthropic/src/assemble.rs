//! From the wire's events to the kernel's: text and thoughts as they come, tool calls and thoughts with their seals once
//! they are whole, the end once it is certain.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use greenroom_kernel::{FinishReason, ModelEvent, ProviderFault, Reported, ToolCall};
use greenroom_provider_http::Faults;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::response::{At, Block, Delta, Event, Figures, finish_reason};
use crate::seal;

/// Most bytes of a document in one answer.
const DOCUMENT_AT_MOST: usize = 16 << 20;

/// Most bytes of tool calls in one answer.
const CALLS_AT_MOST: usize = 4 << 20;

/// Most bytes of thoughts in one answer, with what they are sealed with.
const THOUGHTS_AT_MOST: usize = 4 << 20;

/// What holding a call or a thought takes beside its bytes: many empty ones are too many too.
const EACH: usize = 64;

#[derive(Debug)]
struct PartialCall {
    index: u32,
    id: String,
    name: String,
    /// As the block began; what came since then counts, if anything did.
    input: Value,
    json: String,
}

/// A thought that has begun.
#[derive(Debug)]
enum Thought {
    Shown { text: String, signature: String },
    Redacted { data: String },
}

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    faults: Faults,
    model: String,
    calls: Vec<PartialCall>,
    call_bytes: usize,
    thought_bytes: usize,
    /// The block that is thought in, by its index.
    thought: Option<(u32, Thought)>,
    /// The text until now, where it is to be a JSON document.
    document: Option<String>,
    finish: Option<FinishReason>,
    figures: Figures,
    done: bool,
}

impl Assembler {
    /// `document`: whether the text was asked to be a JSON document. Some servers of this wire pass the wish over and
    /// say nothing, and then what they say is not the answer.
    pub(crate) fn new(faults: Faults, model: &str, document: bool) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            calls: Vec::new(),
            call_bytes: 0,
            thought_bytes: 0,
            thought: None,
            document: document.then(String::new),
            finish: None,
            figures: Figures::default(),
            done: false,
        }
    }

    fn began(&mut self, index: u32, block: Block) -> Result<ModelEvent, ProviderFault> {
        Ok(match block {
            Block::Text { text } if text.is_empty() => ModelEvent::Progress,
            Block::Text { text } => self.content(text)?,
            Block::ToolUse { id, name, input } => {
                let written = match &input {
                    Value::Null => 0,
                    input => input.to_string().len(),
                };
                self.count(id.len() + name.len() + written + EACH)?;
                self.calls.push(PartialCall {
                    index,
                    id,
                    name,
                    input,
                    json: String::new(),
                });
                ModelEvent::Progress
            }
            Block::Thinking { thinking, signature } => {
                self.count_thought(thinking.len() + signature.len() + EACH)?;
                let told = told(&thinking);
                let thought = Thought::Shown {
                    text: thinking,
                    signature,
                };
                self.thought = Some((index, thought));
                told
            }
            Block::RedactedThinking { data } => {
                self.count_thought(data.len() + EACH)?;
                self.thought = Some((index, Thought::Redacted { data }));
                ModelEvent::Progress
            }
            Block::Unseen => ModelEvent::Progress,
        })
    }

    fn grew(&mut self, index: u32, delta: Delta) -> Result<ModelEvent, ProviderFault> {
        Ok(match delta {
            Delta::Text { text } if text.is_empty() => ModelEvent::Progress,
            Delta::Text { text } => self.content(text)?,
            Delta::InputJson { partial_json } => {
                self.count(partial_json.len())?;
                // What grows without having begun is a call of the provider's own tools, which is its own affair.
                if let Some(call) = self.calls.iter_mut().rfind(|call| call.index == index) {
                    call.json.push_str(&partial_json);
                }
                ModelEvent::Progress
            }
            Delta::Thinking { thinking } => {
                self.think(index, &thinking)?;
                told(&thinking)
            }
            Delta::Signature { signature: whole } => {
                self.count_thought(whole.len())?;
                if let Some((at, Thought::Shown { signature, .. })) = &mut self.thought
                    && *at == index
                {
                    *signature = whole;
                }
                ModelEvent::Progress
            }
            Delta::Unseen => ModelEvent::Progress,
        })
    }

    fn think(&mut self, index: u32, more: &str) -> Result<(), ProviderFault> {
        self.count_thought(more.len())?;
        if let Some((at, Thought::Shown { text, .. })) = &mut self.thought
            && *at == index
        {
            text.push_str(more);
        }
        Ok(())
    }

    /// A thought is whole when its block stops, or when another begins: not every server says that one stops.
    fn thought_whole(&mut self, out: &mut VecDeque<ModelEvent>) {
        let thought = match self.thought.take() {
            Some((_, Thought::Shown { text, signature })) => seal::signed(text, &signature),
            Some((_, Thought::Redacted { data })) => seal::redacted(&data),
            None => return,
        };
        if !thought.text.is_empty() || thought.seal.is_some() {
            out.push_back(ModelEvent::Reasoned(thought));
        }
    }

    fn content(&mut self, text: String) -> Result<ModelEvent, ProviderFault> {
        if let Some(document) = &mut self.document {
            document.push_str(&text);
            if document.len() > DOCUMENT_AT_MOST {
                let why = format!("more than {DOCUMENT_AT_MOST} bytes of a document");
                return Err(self.faults.malformed(&why));
            }
        }
        Ok(ModelEvent::Content(text))
    }

    fn count(&mut self, bytes: usize) -> Result<(), ProviderFault> {
        self.call_bytes += bytes;
        if self.call_bytes > CALLS_AT_MOST {
            let why = format!("more than {CALLS_AT_MOST} bytes of tool calls");
            return Err(self.faults.malformed(&why));
        }
        Ok(())
    }

    fn count_thought(&mut self, bytes: usize) -> Result<(), ProviderFault> {
        self.thought_bytes += bytes;
        if self.thought_bytes > THOUGHTS_AT_MOST {
            let why = format!("more than {THOUGHTS_AT_MOST} bytes of thoughts");
            return Err(self.faults.malformed(&why));
        }
        Ok(())
    }

    fn call(&self, call: PartialCall) -> Result<ModelEvent, ProviderFault> {
        if call.name.is_empty() {
            return Err(self.faults.malformed(&"a tool call without a name"));
        }
        let arguments = match (call.json.trim().is_empty(), call.input) {
            (false, _) => call.json,
            (true, Value::Null) => "{}".to_owned(),
            (true, input) => input.to_string(),
        };
        Ok(ModelEvent::ToolCall(ToolCall {
            id: if call.id.is_empty() { made_up_id() } else { call.id },
            name: call.name,
            arguments,
        }))
    }
}

/// An id for a call that came without one, unlike all others of its conversation.
fn made_up_id() -> String {
    format!("toolu_{:016x}", RandomState::new().build_hasher().finish())
}

/// More of a thought, as far as it is shown.
fn told(thinking: &str) -> ModelEvent {
    if thinking.is_empty() {
        ModelEvent::Progress
    } else {
        ModelEvent::Thinking(thinking.to_owned())
    }
}

impl greenroom_provider_http::Assembler for Assembler {
    /// The server said `message_stop`.
    fn is_done(&self) -> bool {
        self.done
    }

    /// Nothing but `message_stop` makes an answer whole.
    fn is_finished(&self) -> bool {
        self.done
    }

    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        if self.done {
            return Ok(());
        }
        let event: Event = serde_json::from_slice(data).map_err(|e| self.faults.malformed(&e))?;
        match event {
            Event::MessageStart { message } => {
                self.figures.update(message.usage, At::Beginning);
                out.push_back(ModelEvent::Progress);
            }
            Event::ContentBlockStart { index, content_block } => {
                self.thought_whole(out);
                out.push_back(self.began(index, content_block)?);
            }
            Event::ContentBlockDelta { index, delta } => out.push_back(self.grew(index, delta)?),
            Event::ContentBlockStop { index } => {
                if self.thought.as_ref().is_some_and(|(at, _)| *at == index) {
                    self.thought_whole(out);
                }
            }
            Event::MessageDelta { delta, usage } => {
                self.figures.update(usage, At::of(&delta));
                self.finish = delta.stop_reason.as_deref().map(finish_reason).or(self.finish);
            }
            Event::MessageStop => self.done = true,
            Event::Ping => out.push_back(ModelEvent::Progress),
            Event::Error { error } => return Err(self.faults.error_object(&error, &self.model)),
            Event::Unknown => {}
        }
        Ok(())
    }

    fn figures(&mut self) -> Option<Reported> {
        self.figures.take()
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let (true, Some(mut finish)) = (self.done, self.finish) else {
            return Err(self.faults.truncated());
        };
        self.thought_whole(out);
        if finish == FinishReason::Stop && !self.calls.is_empty() {
            finish = FinishReason::ToolCalls;
        }
        if finish == FinishReason::Stop
            && let Some(document) = &self.document
            && serde_json::from_str::<IgnoredAny>(document).is_err()
        {
            let what =
                "did not hold the answer to the JSON schema: ask a provider that does, or without a schema";
            return Err(self.faults.unheeded(&what));
        }
        // A call cut off by the token limit or a refusal is no call.
        if finish == FinishReason::ToolCalls {
            for call in std::mem::take(&mut self.calls) {
                out.push_back(self.call(call)?);
            }
        }
        let usage = self.figures.usage();
        out.push_back(ModelEvent::End { finish, usage });
        Ok(())
    }
}
