//! The conversation of a request.

use std::collections::HashSet;

use greenroom_kernel::{CacheFor, Content, ModelMessage, ModelRole, Part, ToolCall, Unreadable};
use serde_json::Value;

use super::content::{Given, content, foreign, given, mark, part_of_text, shown, texts};
use super::fields::{Object, each, flag, kind, needed, object, text};
use crate::seal;

/// The messages of the wire in the kernel's: results of tools are messages of their own, before what the user says in
/// the same turn.
pub(super) fn messages(list: &[Value]) -> Result<Vec<ModelMessage>, Unreadable> {
    let mut talk = Talk::default();
    each(list, "messages", |message| talk.add(message))?;
    Ok(talk.said)
}

#[derive(Default)]
struct Talk<'a> {
    said: Vec<ModelMessage>,
    calls: HashSet<&'a str>,
}

impl<'a> Talk<'a> {
    fn add(&mut self, message: &'a Object) -> Result<(), Unreadable> {
        match needed(text(message, "role"), "role")? {
            "user" => self.user(message),
            "assistant" => self.assistant(message),
            "system" => {
                let content = needed(texts(message, "content"), "content")?;
                self.said.push(ModelMessage::new(ModelRole::System, content));
                Ok(())
            }
            other => Err(Unreadable::at(
                "role",
                format!("it must be `user`, `assistant` or `system`, and is `{other}`"),
            )),
        }
    }

    fn user(&mut self, message: &'a Object) -> Result<(), Unreadable> {
        let blocks = match needed(given(message, "content"), "content")? {
            Given::Text(text) => {
                self.said.push(ModelMessage::text(ModelRole::User, text));
                return Ok(());
            }
            Given::Blocks(blocks) => blocks,
        };
        let mut results = Vec::new();
        let mut parts = Vec::new();
        each(blocks, "content", |block| {
            if kind(block)? == "tool_result" {
                results.push(self.result(block)?);
            } else {
                parts.push(shown(block)?);
            }
            Ok(())
        })?;
        let spoken = !parts.is_empty() || results.is_empty();
        self.said.append(&mut results);
        if spoken {
            self.said.push(ModelMessage::new(ModelRole::User, content(parts)));
        }
        Ok(())
    }

    fn result(&self, block: &'a Object) -> Result<ModelMessage, Unreadable> {
        let id = needed(text(block, "tool_use_id"), "tool_use_id")?;
        if !self.calls.contains(id) {
            return Err(Unreadable::at(
                "tool_use_id",
                format!("no message before it holds a `tool_use` block with the id `{id}`"),
            ));
        }
        let found = match given(block, "content")? {
            None => Content::default(),
            Some(Given::Text(text)) => Content::Text(text.to_owned()),
            Some(Given::Blocks(blocks)) => content(each(blocks, "content", shown)?),
        };
        Ok(ModelMessage {
            tool_call_id: Some(id.to_owned()),
            is_error: flag(block, "is_error")?.unwrap_or(false),
            ..ModelMessage::new(ModelRole::Tool, marked(found, mark(block)?))
        })
    }

    fn assistant(&mut self, message: &'a Object) -> Result<(), Unreadable> {
        let blocks = match needed(given(message, "content"), "content")? {
            Given::Text(text) => {
                self.said.push(ModelMessage::text(ModelRole::Assistant, text));
                return Ok(());
            }
            Given::Blocks(blocks) => blocks,
        };
        let (mut parts, mut tool_calls) = (Vec::new(), Vec::new());
        each(blocks, "content", |block| {
            match kind(block)? {
                "text" => parts.push(part_of_text(block)?),
                "thinking" => {
                    let thought = needed(text(block, "thinking"), "thinking")?.to_owned();
                    let signature = text(block, "signature")?.unwrap_or_default();
                    parts.push(Part::Reasoning(seal::signed(thought, signature)));
                }
                "redacted_thinking" => {
                    let data = needed(text(block, "data"), "data")?;
                    parts.push(Part::Reasoning(seal::redacted(data)));
                }
                "tool_use" => {
                    let id = needed(text(block, "id"), "id")?;
                    self.calls.insert(id);
                    let input = needed(object(block, "input"), "input")?;
                    tool_calls.push(ToolCall {
                        id: id.to_owned(),
                        name: needed(text(block, "name"), "name")?.to_owned(),
                        arguments: Value::Object(input.clone()).to_string(),
                    });
                }
                other => return Err(foreign(other)),
            }
            Ok(())
        })?;
        self.said.push(ModelMessage {
            tool_calls,
            ..ModelMessage::new(ModelRole::Assistant, content(parts))
        });
        Ok(())
    }
}

/// A mark on the whole of a result stands behind its last part.
fn marked(content: Content, mark: Option<CacheFor>) -> Content {
    let Some(mark) = mark else { return content };
    let mut parts = match content {
        Content::Text(text) => vec![Part::text(text)],
        Content::Parts(parts) => parts,
    };
    if let Some(Part::Text { cache, .. } | Part::Image { cache, .. }) = parts.last_mut() {
        *cache = Some(mark);
    }
    Content::Parts(parts)
}
