//! A conversation in this wire's words.

use std::borrow::Cow;

use greenroom_kernel::{
    ANY_OBJECT_IN_WORDS, Content, ImageDetail, ImageSource, ModelMessage, ModelRole, Part, Reasoning,
    ToolCall,
};
use serde::Serialize;

use super::Unsayable;
use crate::thoughts::{Field, field_of};

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    role: ModelRole,
    /// Null where an assistant's message is only tool calls.
    content: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    prefix: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said<'a> {
    /// What every server reads.
    Text(Cow<'a, str>),
    Parts(Vec<SaidPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SaidPart<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Debug, Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<ImageDetail>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The conversation for `provider`. Marks of caches are left out: servers of this wire choose by themselves what they
/// keep, and only OpenAI's newest models know a word for it, which all others refuse.
///
/// Tool messages are text alone here: OpenAI and most others refuse images in them. An image that a tool found follows
/// as said by the user, named after its call, behind all results of the same turn, since servers also refuse anything
/// between a call and its results.
pub(super) fn messages<'a>(
    messages: &'a [ModelMessage],
    provider: &str,
) -> Result<Vec<Message<'a>>, Unsayable> {
    let mut said = Vec::with_capacity(messages.len());
    let mut found = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        if message.role != ModelRole::Tool {
            show(&mut found, &mut said);
        }
        let images = message.content.has_image();
        let content = match message.role {
            ModelRole::User if images => Said::Parts(parts(&message.content).collect()),
            ModelRole::Tool if images => {
                let call = message.tool_call_id.as_deref().unwrap_or_default();
                let text = format!("Images that the tool call {call} brought:").into();
                found.push(SaidPart::Text { text });
                found
                    .extend(parts(&message.content).filter(|part| matches!(part, SaidPart::ImageUrl { .. })));
                Said::Text(message.content.text())
            }
            ModelRole::System | ModelRole::Assistant if images => return Err(Unsayable::Image(number)),
            _ => Said::Text(message.content.text()),
        };
        let only_calls =
            matches!(&content, Said::Text(text) if text.is_empty()) && !message.tool_calls.is_empty();
        said.push(Message {
            role: message.role,
            content: (!only_calls).then_some(content),
            reasoning_content: thoughts(message, Field::ReasoningContent, provider),
            reasoning: thoughts(message, Field::Reasoning, provider),
            tool_calls: message.tool_calls.iter().map(call).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
            prefix: false,
        });
    }
    show(&mut found, &mut said);
    Ok(said)
}

/// Asks in words for an answer in JSON: behind what the system says first, since some servers take one such message
/// alone and only as the first.
pub(super) fn ask_for_json(said: &mut Vec<Message<'_>>) {
    let first = said.first_mut().filter(|first| first.role == ModelRole::System);
    if let Some(Said::Text(text)) = first.and_then(|first| first.content.as_mut()) {
        let text = text.to_mut();
        text.push_str("\n\n");
        text.push_str(ANY_OBJECT_IN_WORDS);
        return;
    }
    said.insert(
        0,
        Message {
            role: ModelRole::System,
            content: Some(Said::Text(ANY_OBJECT_IN_WORDS.into())),
            reasoning_content: None,
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            prefix: false,
        },
    );
}

/// Marks the last message as the beginning of the answer.
pub(super) fn mark_prefix(said: &mut [Message<'_>]) {
    if let Some(last) = said.last_mut() {
        last.prefix = true;
    }
}

/// Images that tools found, as said by the user.
fn show<'a>(found: &mut Vec<SaidPart<'a>>, said: &mut Vec<Message<'a>>) {
    if !found.is_empty() {
        said.push(Message {
            role: ModelRole::User,
            content: Some(Said::Parts(std::mem::take(found))),
            reasoning_content: None,
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            prefix: false,
        });
    }
}

fn parts(content: &Content) -> impl Iterator<Item = SaidPart<'_>> {
    let parts = match content {
        Content::Text(_) => &[],
        Content::Parts(parts) => parts.as_slice(),
    };
    parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(SaidPart::Text { text: text.into() }),
        Part::Image { source, detail, .. } => Some(SaidPart::ImageUrl {
            image_url: ImageUrl {
                url: match source {
                    ImageSource::Base64 { media_type, data } => {
                        format!("data:{media_type};base64,{data}").into()
                    }
                    ImageSource::Url { url } => url.into(),
                },
                detail: *detail,
            },
        }),
        Part::Reasoning(_) => None,
    })
}

/// What the assistant thought, where it goes back: to the provider that thought it, with the tool calls it led to.
/// There servers with thinking models ask for it; elsewhere some refuse it.
fn thoughts(message: &ModelMessage, field: Field, provider: &str) -> Option<String> {
    let Content::Parts(parts) = &message.content else {
        return None;
    };
    if message.tool_calls.is_empty() {
        return None;
    }
    let ours = |thought: &&Reasoning| field_of(thought, provider) == Some(field);
    let text: String = parts
        .iter()
        .filter_map(|part| match part {
            Part::Reasoning(thought) => Some(thought),
            Part::Text { .. } | Part::Image { .. } => None,
        })
        .filter(ours)
        .map(|thought| thought.text.as_str())
        .collect();
    (!text.is_empty()).then_some(text)
}

fn call(call: &ToolCall) -> Call<'_> {
    Call {
        id: &call.id,
        r#type: "function",
        function: CalledFunction {
            name: &call.name,
            arguments: &call.arguments,
        },
    }
}
