//! A conversation as this wire's input items.

use std::borrow::Cow;

use greenroom_kernel::{
    ANY_OBJECT_IN_WORDS, Content, ImageDetail, ImageSource, ModelMessage, ModelRole, Part, Reasoning,
};
use serde::Serialize;
use serde_json::Value;

use super::own;
use super::request::Unsayable;
use crate::request::name_json;

/// One item of the input.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Item<'a> {
    Message {
        role: ModelRole,
        content: Said<'a>,
    },
    Call {
        r#type: &'static str,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    Output {
        r#type: &'static str,
        call_id: &'a str,
        output: Said<'a>,
    },
    /// An item of the provider's own, as it wrote it.
    Own(&'a Value),
}

/// Plain text where it will do: every server of this wire reads it, whoever says it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Said<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<SaidPart<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SaidPart<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        image_url: Cow<'a, str>,
        detail: &'static str,
    },
}

/// What a request says of its conversation.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    pub(crate) instructions: Option<String>,
    pub(crate) items: Vec<Item<'a>>,
}

impl<'a> Conversation<'a> {
    /// System messages at the beginning are the instructions; later ones stay where they are.
    pub(crate) fn of(messages: &'a [ModelMessage], provider: &str) -> Result<Self, Unsayable> {
        let leading = leading(messages);
        let mut instructions = Vec::new();
        let mut items = Vec::with_capacity(messages.len());
        for (at, message) in messages.iter().enumerate() {
            let no_image = || match message.content.has_image() {
                true => Err(Unsayable::Image(at)),
                false => Ok(()),
            };
            match message.role {
                ModelRole::System => {
                    no_image()?;
                    if at < leading {
                        instructions.push(message.content.text());
                    } else {
                        items.push(said_by(message.role, message.content.text()));
                    }
                }
                ModelRole::User => items.push(Item::Message {
                    role: message.role,
                    content: said(&message.content),
                }),
                ModelRole::Assistant => {
                    no_image()?;
                    assistant(message, provider, &mut items);
                }
                ModelRole::Tool => items.push(Item::Output {
                    r#type: "function_call_output",
                    call_id: message
                        .tool_call_id
                        .as_deref()
                        .ok_or(Unsayable::ResultWithoutCall(at))?,
                    output: said(&message.content),
                }),
            }
        }
        Ok(Self {
            instructions: (!instructions.is_empty()).then(|| instructions.join("\n\n")),
            items,
        })
    }

    /// Asks in words for an answer in JSON, where `messages` don't. What the instructions say doesn't count: OpenAI looks
    /// for the word in the input alone.
    pub(crate) fn ask_for_json(&mut self, messages: &[ModelMessage]) {
        if !name_json(messages.iter().skip(leading(messages))) {
            self.items
                .insert(0, said_by(ModelRole::System, ANY_OBJECT_IN_WORDS.into()));
        }
    }
}

/// How many messages of the system stand at the beginning.
fn leading(messages: &[ModelMessage]) -> usize {
    let is_system = |message: &&ModelMessage| message.role == ModelRole::System;
    messages.iter().take_while(is_system).count()
}

fn said_by<'a>(role: ModelRole, text: Cow<'a, str>) -> Item<'a> {
    Item::Message {
        role,
        content: Said::Text(text),
    }
}

/// Thoughts before the text, the text before the calls, as they came. Thoughts of other providers stay here.
fn assistant<'a>(message: &'a ModelMessage, provider: &str, items: &mut Vec<Item<'a>>) {
    if let Content::Parts(parts) = &message.content {
        items.extend(
            parts
                .iter()
                .filter_map(|part| own_thought(part, provider))
                .map(Item::Own),
        );
    }
    let text = message.content.text();
    if !text.is_empty() || message.tool_calls.is_empty() {
        items.push(said_by(message.role, text));
    }
    items.extend(message.tool_calls.iter().map(|call| Item::Call {
        r#type: "function_call",
        call_id: &call.id,
        name: &call.name,
        arguments: &call.arguments,
    }));
}

fn own_thought<'p>(part: &'p Part, provider: &str) -> Option<&'p Value> {
    let Part::Reasoning(Reasoning { seal: Some(seal), .. }) = part else {
        return None;
    };
    own::item_for(seal, provider)
}

fn said(content: &Content) -> Said<'_> {
    match content {
        Content::Parts(parts) if content.has_image() => Said::Parts(parts.iter().filter_map(part).collect()),
        _ => Said::Text(content.text()),
    }
}

fn part(part: &Part) -> Option<SaidPart<'_>> {
    match part {
        Part::Text { text, .. } => Some(SaidPart::InputText { text }),
        Part::Image { source, detail, .. } => Some(SaidPart::InputImage {
            image_url: match source {
                ImageSource::Url { url } => Cow::Borrowed(url),
                ImageSource::Base64 { media_type, data } => {
                    Cow::Owned(format!("data:{media_type};base64,{data}"))
                }
            },
            detail: match detail {
                None => "auto",
                Some(ImageDetail::Low) => "low",
                Some(ImageDetail::High) => "high",
            },
        }),
        Part::Reasoning(_) => None,
    }
}
