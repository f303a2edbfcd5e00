//! The input's items as messages.
//!
//! This wire tells an assistant's thoughts, texts and calls as items of their own; everybody else has one message for
//! what was said at once. Results of tools must follow the message with their calls at once, so whatever comes between
//! calls belongs to the same message.

use std::collections::HashSet;

use greenroom_kernel::{Content, ModelMessage, ModelRole, Part, ToolCall, Unreadable};

use super::content::{self, Speaker};
use super::field::Field;
use crate::responses::sealed;

/// Reads the input behind what `messages` holds already.
pub(super) fn read(input: &Field<'_>, messages: &mut Vec<ModelMessage>) -> Result<(), Unreadable> {
    if input.value().is_string() {
        messages.push(ModelMessage::text(ModelRole::User, input.text()?));
        return Ok(());
    }
    if !input.value().is_array() {
        return Err(input.wrong("it must be a text or a list of items"));
    }
    let mut reader = Reader {
        messages,
        open: Turn::default(),
        calls: HashSet::new(),
    };
    let mut empty = true;
    for item in input.list()? {
        empty = false;
        reader.item(&item)?;
    }
    reader.close();
    if empty {
        return Err(input.wrong("it is empty: there is nothing to answer"));
    }
    Ok(())
}

/// What an assistant said at once.
#[derive(Default)]
struct Turn {
    parts: Vec<Part>,
    /// Where the thoughts that came before its text end.
    thoughts: usize,
    calls: Vec<ToolCall>,
}

impl Turn {
    fn is_said(&self) -> bool {
        self.parts.len() > self.thoughts
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.calls.is_empty()
    }

    fn into_message(mut self) -> ModelMessage {
        let content = match self.parts.pop() {
            None => Content::default(),
            Some(Part::Text { text, cache: None }) if self.parts.is_empty() => Content::Text(text),
            Some(last) => {
                self.parts.push(last);
                Content::Parts(self.parts)
            }
        };
        ModelMessage {
            tool_calls: self.calls,
            ..ModelMessage::new(ModelRole::Assistant, content)
        }
    }
}

struct Reader<'m> {
    messages: &'m mut Vec<ModelMessage>,
    open: Turn,
    calls: HashSet<String>,
}

impl Reader<'_> {
    fn close(&mut self) {
        let turn = std::mem::take(&mut self.open);
        if !turn.is_empty() {
            self.messages.push(turn.into_message());
        }
    }

    fn item(&mut self, item: &Field<'_>) -> Result<(), Unreadable> {
        item.object()?;
        let kind = item.get("type");
        let name = match &kind {
            Some(kind) => kind.text()?,
            None if item.get("role").is_some() => "message",
            None if item.get("id").is_some() => "item_reference",
            None => return Err(item.wrong("it has neither a `type` nor a `role`")),
        };
        match name {
            "message" => self.message(item),
            "function_call" => self.call(item),
            "function_call_output" => self.output(item),
            "reasoning" => self.thought(item),
            "item_reference" => Err(item.wrong(
                "this server keeps no responses when it translates for another provider: send the item itself",
            )),
            other => Err(kind.as_ref().unwrap_or(item).wrong(format!(
                "only OpenAI itself reads items of type `{other}`: leave it out, or ask for a model of OpenAI's"
            ))),
        }
    }

    fn message(&mut self, item: &Field<'_>) -> Result<(), Unreadable> {
        let role = item.need("role")?;
        let (role, speaker) = match role.text()? {
            "user" => (ModelRole::User, Speaker::User),
            "system" | "developer" => (ModelRole::System, Speaker::System),
            "assistant" => (ModelRole::Assistant, Speaker::Assistant),
            _ => return Err(role.wrong("it must be user, assistant, system or developer")),
        };
        let said = content::read(&item.need("content")?, speaker)?;
        if role != ModelRole::Assistant {
            self.close();
            self.messages.push(ModelMessage::new(role, said));
            return Ok(());
        }
        if self.open.is_said() && self.open.calls.is_empty() {
            self.close();
        }
        match said {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => self.open.parts.push(Part::text(text)),
            Content::Parts(parts) => self.open.parts.extend(parts),
        }
        Ok(())
    }

    fn call(&mut self, item: &Field<'_>) -> Result<(), Unreadable> {
        let id = item.need("call_id")?.text()?;
        let arguments = item.need("arguments")?.text()?;
        self.open.calls.push(ToolCall {
            id: id.to_owned(),
            name: item.need("name")?.text()?.to_owned(),
            arguments: if arguments.trim().is_empty() {
                "{}"
            } else {
                arguments
            }
            .to_owned(),
        });
        self.calls.insert(id.to_owned());
        Ok(())
    }

    fn output(&mut self, item: &Field<'_>) -> Result<(), Unreadable> {
        let id = item.need("call_id")?;
        let found = content::read(&item.need("output")?, Speaker::Tool)?;
        let call = id.text()?;
        if !self.calls.contains(call) {
            return Err(id.wrong(format!(
                "no function_call with the call_id `{call}` comes before its output: send the call too"
            )));
        }
        self.close();
        self.messages.push(ModelMessage {
            tool_call_id: Some(call.to_owned()),
            ..ModelMessage::new(ModelRole::Tool, found)
        });
        Ok(())
    }

    /// Only what must go back is kept: what a summary shows, no provider asks for, and what others sealed, none reads whom
    /// this wire is translated for.
    fn thought(&mut self, item: &Field<'_>) -> Result<(), Unreadable> {
        let Some(encrypted) = item.get("encrypted_content") else {
            return Ok(());
        };
        // They stand behind the answer that they came before, where it was streamed.
        for thought in sealed::unseal(encrypted.text()?).unwrap_or_default() {
            let at = self.open.thoughts.min(self.open.parts.len());
            self.open.parts.insert(at, Part::Reasoning(thought));
            self.open.thoughts += 1;
        }
        Ok(())
    }
}
