//! From chunks to events: text and thoughts as they come, tool calls and the whole thought once they are whole, the end
//! once it is certain.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use greenroom_kernel::{FinishReason, ModelEvent, ProviderFault, Reasoning, Reported, ToolCall, Usage};
use greenroom_provider_http::Faults;
use serde_json::Value;

use crate::call_id;
use crate::response::{Choice, Chunk, Thought, ToolCallDelta, WireUsage, finish_reason};
use crate::thoughts::{Field, sealed};

/// Most bytes of tool calls in one answer.
const CALLS_AT_MOST: usize = 4 << 20;

/// Most bytes of thoughts in one answer.
const THOUGHTS_AT_MOST: usize = 4 << 20;

#[derive(Debug, Default)]
struct PartialCall {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    faults: Faults,
    model: String,
    calls: Vec<PartialCall>,
    call_bytes: usize,
    thought: String,
    thought_field: Option<Field>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    /// Figures that nobody has asked for yet.
    figures: Option<WireUsage>,
    /// Something was said: a server's `[DONE]` makes an answer of it even without a reason. A proxy writes `[DONE]`
    /// behind an upstream that broke off, too.
    answered: bool,
    done: bool,
}

impl Assembler {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            calls: Vec::new(),
            call_bytes: 0,
            thought: String::new(),
            thought_field: None,
            finish: None,
            usage: None,
            figures: None,
            answered: false,
            done: false,
        }
    }
}

impl greenroom_provider_http::Assembler for Assembler {
    /// The server said `[DONE]`.
    fn is_done(&self) -> bool {
        self.done
    }

    /// The answer is whole; figures and `[DONE]` may still come.
    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        if self.done {
            return Ok(());
        }
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|e| self.faults.malformed(&e))?;
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.into());
            self.figures = Some(usage);
        }
        if let Some(error) = chunk.error.filter(|e| !e.is_null()) {
            return Err(self.faults.error_object(&error, &self.model));
        }
        for choice in chunk.choices.into_iter().flatten().filter(|c| c.index == 0) {
            self.choice(choice, out)?;
        }
        Ok(())
    }

    fn figures(&mut self) -> Option<Reported> {
        let ended = self.finish.is_some();
        self.figures.take().map(|usage| usage.reported(ended))
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let whole = self.finish.is_some() || (self.done && self.answered);
        if !whole {
            return Err(self.faults.truncated());
        }
        let mut finish = self.finish.unwrap_or(FinishReason::Stop);
        if finish == FinishReason::Stop && !self.calls.is_empty() {
            finish = FinishReason::ToolCalls;
        }
        if !self.thought.is_empty() {
            let text = std::mem::take(&mut self.thought);
            out.push_back(ModelEvent::Reasoned(match self.thought_field {
                Some(field) => sealed(text, field, self.faults.provider()),
                None => Reasoning { text, seal: None },
            }));
        }
        // A call cut off by the token limit or a filter is no call.
        if finish == FinishReason::ToolCalls {
            for call in self.calls.drain(..) {
                if call.name.is_empty() {
                    return Err(self.faults.malformed(&"a tool call without a name"));
                }
                out.push_back(ModelEvent::ToolCall(ToolCall {
                    id: if call.id.is_empty() {
                        call_id::made_up()
                    } else {
                        call.id
                    },
                    name: call.name,
                    arguments: if call.arguments.trim().is_empty() {
                        "{}".to_owned()
                    } else {
                        call.arguments
                    },
                }));
            }
        }
        out.push_back(ModelEvent::End {
            finish,
            usage: self.usage,
        });
        Ok(())
    }
}

impl Assembler {
    fn choice(&mut self, choice: Choice, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        // Frames that only name the role are no sign of the model yet.
        if let Some(mut delta) = choice.delta {
            let said = delta.take_said();
            if let Some(thought) = delta.take_thought() {
                self.answered = true;
                self.thought(thought, out)?;
            }
            if !said.is_empty() {
                self.answered = true;
                out.push_back(ModelEvent::Content(said));
            }
            let calls = delta.tool_calls.unwrap_or_default();
            if !calls.is_empty() {
                self.answered = true;
                out.push_back(ModelEvent::Progress);
            }
            for call in calls {
                self.call(call)?;
            }
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("error") => {
                let error = Value::from("the provider ended the answer with an error");
                return Err(self.faults.error_object(&error, &self.model));
            }
            Some(reason) => self.finish = Some(finish_reason(reason)),
        }
        Ok(())
    }

    fn thought(&mut self, thought: Thought, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        if thought.text.is_empty() {
            out.push_back(ModelEvent::Progress);
            return Ok(());
        }
        if self.thought.len() + thought.text.len() > THOUGHTS_AT_MOST {
            let why = format!("more than {THOUGHTS_AT_MOST} bytes of thoughts");
            return Err(self.faults.malformed(&why));
        }
        self.thought.push_str(&thought.text);
        self.thought_field = thought.field;
        out.push_back(ModelEvent::Thinking(thought.text));
        Ok(())
    }

    fn call(&mut self, delta: ToolCallDelta) -> Result<(), ProviderFault> {
        let id = delta.id.filter(|id| !id.is_empty());
        let (name, arguments) = delta.function.map_or((None, None), |f| (f.name, f.arguments));
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(object) => object.to_string(),
        };
        let named = id.as_ref().map_or(0, String::len) + name.as_ref().map_or(0, String::len);
        self.call_bytes += named + arguments.len() + 64;
        if self.call_bytes > CALLS_AT_MOST {
            let why = format!("more than {CALLS_AT_MOST} bytes of tool calls");
            return Err(self.faults.malformed(&why));
        }
        let index = delta.index.unwrap_or_else(|| {
            let last = self.calls.last().map_or(0, |c| c.index);
            // Without an index, an id begins a call and its absence continues one.
            if id.is_some() && !self.calls.is_empty() {
                last.saturating_add(1)
            } else {
                last
            }
        });
        let known = self
            .calls
            .iter_mut()
            .rev()
            .find(|c| c.index == index)
            // Some servers number every call 0: another id is another call.
            .filter(|c| id.as_deref().is_none_or(|id| c.id.is_empty() || c.id == id));
        match known {
            Some(call) => {
                if call.id.is_empty() {
                    call.id = id.unwrap_or_default();
                }
                if call.name.is_empty() {
                    call.name = name.unwrap_or_default();
                }
                call.arguments.push_str(&arguments);
            }
            None => self.calls.push(PartialCall {
                index,
                id: id.unwrap_or_default(),
                name: name.unwrap_or_default(),
                arguments,
            }),
        }
        Ok(())
    }
}
