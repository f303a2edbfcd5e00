//! A conversation in Converse's form: instructions apart, then turns of the user and the assistant by turns.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use aws_smithy_types::base64;
use greenroom_kernel::{
    CacheFor, Content, ImageSource, ModelMessage, ModelRequest, ModelRole, Part, Reasoning, ToolCall,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::call_id::call_id;
use crate::request::Unsayable;
use crate::traits::Traits;

/// Whose seals are read here.
pub(crate) const FAMILY: &str = "bedrock";

/// Most cache points of one request: what Claude takes.
const POINTS_AT_MOST: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[derive(Debug, Serialize)]
pub(crate) struct Turn<'a> {
    role: Role,
    content: Vec<Block<'a>>,
}

/// A block, under the one name that says which it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Block<'a> {
    Text(Cow<'a, str>),
    Image {
        format: &'static str,
        source: Bytes<'a>,
    },
    ToolUse {
        tool_use_id: Cow<'a, str>,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    ReasoningContent(Thought<'a>),
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
pub(crate) struct Bytes<'a> {
    /// Base64.
    bytes: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Thought<'a> {
    ReasoningText {
        text: &'a str,
        signature: &'a str,
    },
    /// Base64.
    RedactedContent(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct CachePoint {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<CacheFor>,
}

/// The marks of a request, as far as a model takes them. A mark is a hope: where there are more than are taken, the
/// last ones stay, since they cover the most.
#[derive(Debug)]
pub(crate) struct Marks<'a> {
    traits: Traits<'a>,
    passed_over: usize,
}

impl<'a> Marks<'a> {
    pub(crate) fn of(request: &ModelRequest, with_tools: bool, traits: Traits<'a>) -> Self {
        let in_tools = match traits.caches_tools && with_tools {
            true => request.tools.iter().filter(|tool| tool.cache.is_some()).count(),
            false => 0,
        };
        let in_parts = |message: &ModelMessage| match &message.content {
            Content::Text(_) => 0,
            Content::Parts(parts) => parts.iter().filter(|part| mark(part).is_some()).count(),
        };
        let marks = in_tools + request.messages.iter().map(in_parts).sum::<usize>();
        Self {
            traits,
            passed_over: marks.saturating_sub(POINTS_AT_MOST),
        }
    }

    /// The point behind a tool.
    pub(crate) fn behind_tool(&mut self, mark: Option<CacheFor>) -> Option<CachePoint> {
        self.traits.caches_tools.then(|| self.point(mark)).flatten()
    }

    fn point(&mut self, mark: Option<CacheFor>) -> Option<CachePoint> {
        let mark = mark?;
        if self.passed_over > 0 {
            self.passed_over -= 1;
            return None;
        }
        self.traits.caches.then_some(CachePoint {
            r#type: "default",
            ttl: (mark == CacheFor::Hour1 && self.traits.caches_for_an_hour).then_some(mark),
        })
    }
}

fn mark(part: &Part) -> Option<CacheFor> {
    match part {
        Part::Text { text, cache } => cache.filter(|_| !text.trim().is_empty()),
        Part::Image { cache, .. } => *cache,
        Part::Reasoning(_) => None,
    }
}

/// Instructions, wherever they stand in a conversation, and its turns.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    pub(crate) system: Vec<Block<'a>>,
    pub(crate) turns: Vec<Turn<'a>>,
}

/// Puts messages in order. Texts without a letter are left out, since the service refuses them. `with_tools`: whether
/// tools are offered; where they aren't, the service takes no blocks of former calls either, and they are told as text.
pub(crate) fn conversation<'a>(
    messages: &'a [ModelMessage],
    with_tools: bool,
    marks: &mut Marks<'_>,
) -> Result<Conversation<'a>, Unsayable> {
    let mut conversation = Conversation::default();
    for message in messages {
        match message.role {
            ModelRole::System => {
                let blocks = blocks(message, marks)?;
                conversation.system.extend(blocks);
            }
            ModelRole::User => {
                let blocks = blocks(message, marks)?;
                conversation.turn(Role::User, blocks);
            }
            ModelRole::Assistant => {
                let mut blocks = blocks(message, marks)?;
                blocks.extend(message.tool_calls.iter().map(|call| match with_tools {
                    true => tool_use(call),
                    false => Block::Text(format!("[called {} with {}]", call.name, call.arguments).into()),
                }));
                conversation.turn(Role::Assistant, blocks);
            }
            ModelRole::Tool => conversation.result(message, with_tools, marks)?,
        }
    }
    Ok(conversation)
}

impl<'a> Conversation<'a> {
    fn turn(&mut self, role: Role, blocks: Vec<Block<'a>>) {
        if !blocks.is_empty() {
            self.content(role).extend(blocks);
        }
    }

    /// The content of the turn that is `role`'s, a new one if the other's was last.
    fn content(&mut self, role: Role) -> &mut Vec<Block<'a>> {
        if self.turns.last().is_none_or(|turn| turn.role != role) {
            let content = Vec::new();
            self.turns.push(Turn { role, content });
        }
        let last = self.turns.len() - 1;
        &mut self.turns[last].content
    }

    fn result(
        &mut self,
        message: &'a ModelMessage,
        with_tools: bool,
        marks: &mut Marks<'_>,
    ) -> Result<(), Unsayable> {
        let id = message
            .tool_call_id
            .as_deref()
            .ok_or(Unsayable::ResultOfNothing)?;
        let found = blocks(message, marks)?;
        let is_point = |block: &Block<'_>| matches!(block, Block::CachePoint(_));
        if !with_tools {
            let what = if message.is_error { "failed" } else { "found" };
            let told = Block::Text(format!("[the call {id} {what}:]").into());
            self.turn(Role::User, [told].into_iter().chain(found).collect());
            return Ok(());
        }
        // A point can't stand inside a result.
        let (mut points, content): (Vec<_>, Vec<_>) = found.into_iter().partition(is_point);
        points.truncate(1);
        let result = Block::ToolResult {
            tool_use_id: call_id(id),
            content,
            status: message.is_error.then_some("error"),
        };
        let blocks = self.content(Role::User);
        // All results of a turn come before what the user says in it.
        let first = |block: &Block<'_>| matches!(block, Block::ToolResult { .. } | Block::CachePoint(_));
        let at = blocks.iter().take_while(|block| first(block)).count();
        blocks.splice(at..at, [result].into_iter().chain(points));
        Ok(())
    }
}

/// What a message says, calls apart.
fn blocks<'a>(message: &'a ModelMessage, marks: &mut Marks<'_>) -> Result<Vec<Block<'a>>, Unsayable> {
    let mut blocks = Vec::new();
    match &message.content {
        Content::Text(text) => blocks.extend(said(text)),
        Content::Parts(parts) => {
            for part in parts {
                blocks.extend(match part {
                    Part::Text { text, .. } => said(text),
                    Part::Image { source, .. } => match message.role {
                        ModelRole::User | ModelRole::Tool => Some(image(source)?),
                        ModelRole::System | ModelRole::Assistant => return Err(Unsayable::ImageElsewhere),
                    },
                    Part::Reasoning(thought) => thought_of(thought, marks.traits.maker),
                });
                blocks.extend(marks.point(mark(part)).map(Block::CachePoint));
            }
        }
    }
    Ok(blocks)
}

fn said(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(Cow::Borrowed(text)))
}

fn image(source: &ImageSource) -> Result<Block<'_>, Unsayable> {
    let (media_type, data) = match source {
        ImageSource::Base64 { media_type, data } => (media_type, data),
        ImageSource::Url { .. } => return Err(Unsayable::ImageUrl),
    };
    let format = match media_type.trim().to_ascii_lowercase().as_str() {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return Err(Unsayable::ImageKind(media_type.chars().take(60).collect())),
    };
    if data.is_empty() || base64::decode(data).is_err() {
        return Err(Unsayable::ImageData);
    }
    Ok(Block::Image {
        format,
        source: Bytes { bytes: data },
    })
}

/// Whether a message holds a thought that goes back to `maker`'s models.
pub(crate) fn holds_a_thought(message: &ModelMessage, maker: &str) -> bool {
    let Content::Parts(parts) = &message.content else {
        return false;
    };
    let goes_back =
        |part: &Part| matches!(part, Part::Reasoning(thought) if thought_of(thought, maker).is_some());
    parts.iter().any(goes_back)
}

/// A thought goes back only to models of the maker whose model had it, and only with what it was sealed with.
fn thought_of<'a>(thought: &'a Reasoning, maker: &str) -> Option<Block<'a>> {
    let seal = thought.seal.as_ref().filter(|seal| seal.family == FAMILY)?;
    let field = |name: &str| seal.value.get(name)?.as_str();
    if field("maker") != Some(maker) {
        return None;
    }
    let thought = match (field("signature"), field("redacted")) {
        (Some(signature), _) => Thought::ReasoningText {
            text: &thought.text,
            signature,
        },
        (None, Some(redacted)) => Thought::RedactedContent(redacted),
        (None, None) => return None,
    };
    Some(Block::ReasoningContent(thought))
}

/// The service takes an object only. A model that once wrote something else must not end the conversation: its text is
/// handed back inside one.
fn tool_use(call: &ToolCall) -> Block<'_> {
    let arguments = match call.arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    let input = serde_json::from_str::<&RawValue>(arguments)
        .ok()
        .filter(|written| written.get().starts_with('{'))
        .map(Cow::Borrowed)
        .or_else(|| {
            let unreadable = serde_json::json!({ "unreadable": call.arguments });
            to_raw_value(&unreadable).ok().map(Cow::Owned)
        })
        .unwrap_or_default();
    Block::ToolUse {
        tool_use_id: call_id(&call.id),
        name: &call.name,
        input,
    }
}
