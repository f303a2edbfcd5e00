//! Messages of a conversation, each in its place.

use std::collections::HashSet;

use greenroom_kernel::{Content, ModelMessage, ModelRole, Part, Reasoning, ToolCall, Unreadable};
use serde_json::Value;

use super::parts::{Allowed, content};
use crate::served::fields::Fields;

/// Reads a conversation.
pub(super) fn messages(items: &[Value]) -> Result<Vec<ModelMessage>, Unreadable> {
    let mut conversation = Conversation::default();
    let messages = items.iter().enumerate().map(|(number, item)| {
        let fields = Fields::of(item, format!("messages[{number}]"))?;
        conversation.message(&fields, number)
    });
    messages.collect()
}

/// What was asked of tools until now.
#[derive(Default)]
struct Conversation<'a> {
    asked: HashSet<&'a str>,
    /// The function that the last `function_call` named, and the id that it was given here.
    function: Option<(&'a str, String)>,
}

impl<'a> Conversation<'a> {
    fn message(&mut self, message: &Fields<'a>, number: usize) -> Result<ModelMessage, Unreadable> {
        match message.required_text("role")? {
            "system" | "developer" => said(message, ModelRole::System, Allowed::Text),
            "user" => said(message, ModelRole::User, Allowed::Images),
            "assistant" => self.assistant(message, number),
            "tool" => self.tool(message),
            "function" => self.function(message),
            _ => Err(message.wrong(
                "role",
                "it must be `system`, `developer`, `user`, `assistant` or `tool`",
            )),
        }
    }

    fn assistant(&mut self, message: &Fields<'a>, number: usize) -> Result<ModelMessage, Unreadable> {
        message.without(
            "audio",
            "an earlier answer in sound can't be translated: repeat it as text",
        )?;
        let mut calls = Vec::new();
        for (place, item) in message.list("tool_calls")?.unwrap_or_default().iter().enumerate() {
            let call = Fields::of(item, format!("{}[{place}]", message.at("tool_calls")))?;
            if call.text("type")?.is_some_and(|kind| kind != "function") {
                return Err(call.wrong("type", "only calls of functions can be translated"));
            }
            let id = call.required_text("id")?;
            self.asked.insert(id);
            calls.push(called(&call.required_object("function")?, id.to_owned())?);
        }
        if let Some(call) = message.object("function_call")? {
            let id = format!("function_{number}");
            self.function = Some((call.required_text("name")?, id.clone()));
            calls.push(called(&call, id)?);
        }
        let content = content(message, Allowed::Refusals)?;
        let content = match (content, message.text("refusal")?) {
            (None, Some(refusal)) => Some(Content::from(refusal)),
            (content, _) => content,
        };
        let thought = match message.text("reasoning_content")? {
            None => message.text("reasoning")?,
            thought => thought,
        };
        let thought = thought.filter(|thought| !thought.is_empty());
        if content.is_none() && calls.is_empty() && thought.is_none() {
            return Err(message.wrong("content", "it must be there where there are no `tool_calls`"));
        }
        Ok(ModelMessage {
            tool_calls: calls,
            ..ModelMessage::new(ModelRole::Assistant, after(thought, content.unwrap_or_default()))
        })
    }

    fn tool(&self, message: &Fields<'a>) -> Result<ModelMessage, Unreadable> {
        let id = message.required_text("tool_call_id")?;
        if !self.asked.contains(id) {
            return Err(message.wrong(
                "tool_call_id",
                "no assistant's message before it has a call of this id in its `tool_calls`",
            ));
        }
        Ok(ModelMessage {
            tool_call_id: Some(id.to_owned()),
            ..said(message, ModelRole::Tool, Allowed::Images)?
        })
    }

    /// A result in the form that came before `tool`: it names the function instead of the call.
    fn function(&mut self, message: &Fields<'a>) -> Result<ModelMessage, Unreadable> {
        let name = message.required_text("name")?;
        let call = self.function.take().filter(|(called, _)| *called == name);
        let Some((_, id)) = call else {
            return Err(message.wrong(
                "name",
                "no assistant's message before it has a `function_call` of it",
            ));
        };
        Ok(ModelMessage {
            tool_call_id: Some(id),
            ..said(message, ModelRole::Tool, Allowed::Text)?
        })
    }
}

fn said(message: &Fields<'_>, role: ModelRole, allowed: Allowed) -> Result<ModelMessage, Unreadable> {
    let content = content(message, allowed)?;
    let content = content.ok_or_else(|| message.wrong("content", "it must be there"))?;
    Ok(ModelMessage::new(role, content))
}

fn called(function: &Fields<'_>, id: String) -> Result<ToolCall, Unreadable> {
    let arguments = function.text("arguments")?.unwrap_or_default();
    Ok(ToolCall {
        id,
        name: function.required_text("name")?.to_owned(),
        arguments: if arguments.trim().is_empty() {
            "{}".to_owned()
        } else {
            arguments.to_owned()
        },
    })
}

/// What was said after a thought.
fn after(thought: Option<&str>, said: Content) -> Content {
    let Some(text) = thought else {
        return said;
    };
    let thought = Part::Reasoning(Reasoning {
        text: text.to_owned(),
        seal: None,
    });
    let said = match said {
        Content::Text(text) if text.is_empty() => Vec::new(),
        Content::Text(text) => vec![Part::text(text)],
        Content::Parts(parts) => parts,
    };
    Content::Parts([thought].into_iter().chain(said).collect())
}
