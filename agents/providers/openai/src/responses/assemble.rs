//! From this wire's events to the kernel's: text and thoughts as they come, tool calls and the end once they are
//! certain.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use greenroom_kernel::{FinishReason, ModelEvent, ProviderFault, Reasoning, Reported, ToolCall, Usage};
use greenroom_provider_http::Faults;
use serde::Deserialize;
use serde_json::Value;

use super::event::{
    Delta, Head, ItemEvent, Kind, Response, ResponseEvent, SummaryPart, error_in, figures_in,
};
use super::own;
use crate::call_id;

/// Most bytes of tool calls in one answer.
const CALLS_AT_MOST: usize = 4 << 20;

/// Most bytes of thoughts in one answer, sealed ones among them.
const THOUGHTS_AT_MOST: usize = 4 << 20;

/// What stands between two parts of a thought's summary.
const BETWEEN_THOUGHTS: &str = "\n\n";

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    faults: Faults,
    model: String,
    calls: Vec<ToolCall>,
    call_bytes: usize,
    thought_bytes: usize,
    /// Something was said of the message that is on its way.
    said: bool,
    /// Something of the answer came before its end.
    told: bool,
    end: Option<(FinishReason, Option<Usage>)>,
    /// Figures that nobody has asked for yet.
    figures: Option<Reported>,
}

impl Assembler {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            calls: Vec::new(),
            call_bytes: 0,
            thought_bytes: 0,
            said: false,
            told: false,
            end: None,
            figures: None,
        }
    }
}

impl greenroom_provider_http::Assembler for Assembler {
    /// The last event holds everything: nothing is awaited after it.
    fn is_done(&self) -> bool {
        self.end.is_some()
    }

    fn is_finished(&self) -> bool {
        self.end.is_some()
    }

    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let data = data.trim_ascii();
        // The contract has no [DONE]; some servers send it out of habit.
        if self.end.is_some() || data == b"[DONE]" {
            return Ok(());
        }
        let head = self.read::<Head<'_>>(data)?;
        match head.kind() {
            Kind::Lifecycle if head.stands() => self.figures = figures_in(data),
            Kind::Lifecycle => {}
            Kind::Said => {
                let text = self.read::<Delta<'_>>(data)?.delta.into_owned();
                self.said(text, out);
            }
            Kind::Thought => {
                let text = self.read::<Delta<'_>>(data)?.delta.into_owned();
                if !text.is_empty() {
                    out.push_back(ModelEvent::Thinking(text));
                }
            }
            Kind::ThoughtPart => {
                if self.read::<SummaryPart>(data)?.summary_index > 0 {
                    out.push_back(ModelEvent::Thinking(BETWEEN_THOUGHTS.to_owned()));
                }
            }
            Kind::CallPart | Kind::Hosted => out.push_back(ModelEvent::Progress),
            // That a message begins is no sign of the model yet; that it thinks or calls is one.
            Kind::ItemAdded => {
                if self.read::<ItemEvent>(data)?.item["type"] != "message" {
                    out.push_back(ModelEvent::Progress);
                }
            }
            Kind::ItemDone => {
                let item = self.read::<ItemEvent>(data)?.item;
                self.told = true;
                self.item(item, out)?;
            }
            Kind::Ended => {
                let ended = self.read::<ResponseEvent<'_>>(data)?.response;
                self.ended(&ended, out)?;
            }
            Kind::Failed => {
                let failed = self.read::<ResponseEvent<'_>>(data)?.response;
                self.figures = failed.reported();
                let error = failed.failure().unwrap_or_default();
                return Err(self.faults.error_object(&error, &self.model));
            }
            Kind::Error => {
                let error = error_in(self.read(data)?).unwrap_or_default();
                return Err(self.faults.error_object(&error, &self.model));
            }
            Kind::Untyped => {
                if let Some(error) = error_in(self.read(data)?) {
                    return Err(self.faults.error_object(&error, &self.model));
                }
            }
        }
        Ok(())
    }

    fn figures(&mut self) -> Option<Reported> {
        self.figures.take()
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let Some((finish, usage)) = self.end else {
            return Err(self.faults.truncated());
        };
        // A call cut off by the token limit or a filter is no call.
        if finish == FinishReason::ToolCalls {
            out.extend(self.calls.drain(..).map(ModelEvent::ToolCall));
        }
        out.push_back(ModelEvent::End { finish, usage });
        Ok(())
    }
}

impl Assembler {
    fn read<'a, T: Deserialize<'a>>(&self, data: &'a [u8]) -> Result<T, ProviderFault> {
        serde_json::from_slice(data).map_err(|e| self.faults.malformed(&e))
    }

    fn said(&mut self, text: String, out: &mut VecDeque<ModelEvent>) {
        if !text.is_empty() {
            (self.said, self.told) = (true, true);
            out.push_back(ModelEvent::Content(text));
        }
    }

    fn ended(
        &mut self,
        response: &Response<'_>,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderFault> {
        self.figures = response.reported();
        if let Some(error) = response.failure() {
            return Err(self.faults.error_object(&error, &self.model));
        }
        // Some servers tell short answers in the end alone.
        if let Some(output) = response.output.filter(|_| !self.told) {
            for item in self.read::<Vec<Value>>(output.get().as_bytes())? {
                self.item(item, out)?;
            }
        }
        self.end = Some((response.finish(!self.calls.is_empty()), response.usage()));
        Ok(())
    }

    /// A whole item. The text of a message was told before, piece by piece, or comes with it.
    fn item(&mut self, item: Value, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        match item["type"].as_str() {
            Some("message") if !std::mem::take(&mut self.said) => {
                for part in item["content"].as_array().into_iter().flatten() {
                    let text = part["text"].as_str().or_else(|| part["refusal"].as_str());
                    self.said(text.unwrap_or_default().to_owned(), out);
                }
                self.said = false;
            }
            Some("function_call") => {
                self.call(&item)?;
                out.push_back(ModelEvent::Progress);
            }
            Some("reasoning") => {
                self.thought_bytes += item.to_string().len();
                if self.thought_bytes > THOUGHTS_AT_MOST {
                    let why = format!("more than {THOUGHTS_AT_MOST} bytes of thoughts");
                    return Err(self.faults.malformed(&why));
                }
                out.push_back(ModelEvent::Reasoned(thought(item, self.faults.provider())));
            }
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, item: &Value) -> Result<(), ProviderFault> {
        let text = |name: &str| item[name].as_str().filter(|text| !text.trim().is_empty());
        let Some(name) = text("name") else {
            return Err(self.faults.malformed(&"a tool call without a name"));
        };
        let id = text("call_id").or_else(|| text("id"));
        let call = ToolCall {
            id: id.map_or_else(call_id::made_up, str::to_owned),
            name: name.to_owned(),
            arguments: text("arguments").unwrap_or("{}").to_owned(),
        };
        self.call_bytes += call.id.len() + call.name.len() + call.arguments.len() + 64;
        if self.call_bytes > CALLS_AT_MOST {
            let why = format!("more than {CALLS_AT_MOST} bytes of tool calls");
            return Err(self.faults.malformed(&why));
        }
        self.calls.push(call);
        Ok(())
    }
}

/// A thought, as far as it is shown. It can go back only with its encrypted form, or where it is shown whole: of an item
/// that nobody stored a summary says nothing.
fn thought(item: Value, provider: &str) -> Reasoning {
    let mut text = String::new();
    for part in ["summary", "content"]
        .into_iter()
        .flat_map(|name| texts(&item[name]))
    {
        if !text.is_empty() {
            text.push_str(BETWEEN_THOUGHTS);
        }
        text.push_str(part);
    }
    let encrypted = item["encrypted_content"]
        .as_str()
        .is_some_and(|sealed| !sealed.is_empty());
    let whole = texts(&item["content"]).next().is_some();
    let seal = (encrypted || whole).then_some(item);
    Reasoning {
        text,
        seal: seal.map(|item| own::seal(item, provider)),
    }
}

fn texts(parts: &Value) -> impl Iterator<Item = &str> {
    let parts = parts.as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str())
}
