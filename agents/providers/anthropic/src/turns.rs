//! A conversation in the wire's form: instructions apart, then turns of the user and the assistant by turns.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use greenroom_kernel::{CacheFor, Content, ModelMessage, ModelRole, Part, ToolCall};
use serde::Serialize;
use serde_json::{Value, json};

use crate::blocks::{Block, Inside, Mark, call_id};
use crate::request::Unsayable;
use crate::seal::{Opened, opened};

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

/// A conversation's instructions, wherever they stand in it, and its turns. The wire refuses texts without a letter:
/// they are left out. `last` is the last of the instructions.
pub(crate) fn turns<'a>(
    messages: &'a [ModelMessage],
    last: Option<&'static str>,
) -> Result<(Option<Inside<'a>>, Vec<Turn<'a>>), Unsayable> {
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in messages {
        match message.role {
            ModelRole::System => {
                if message.content.has_image() {
                    return Err(Unsayable::ImageOf("instructions"));
                }
                system.extend(blocks(&message.content));
            }
            ModelRole::User => {
                let blocks = blocks(&message.content);
                if !blocks.is_empty() {
                    content(&mut turns, Role::User).extend(blocks);
                }
            }
            ModelRole::Assistant => {
                if message.content.has_image() {
                    return Err(Unsayable::ImageOf("an assistant's message"));
                }
                let mut spoken = blocks(&message.content);
                spoken.extend(message.tool_calls.iter().map(tool_use));
                // The wire refuses a turn of thoughts alone.
                if !spoken.is_empty() {
                    let turn = content(&mut turns, Role::Assistant);
                    turn.extend(thoughts(&message.content));
                    turn.extend(spoken);
                }
            }
            ModelRole::Tool => {
                let result = tool_result(message)?;
                let blocks = content(&mut turns, Role::User);
                // All results of a turn come before what the user says in it.
                let is_result = |block: &Block<'_>| matches!(block, Block::ToolResult { .. });
                let at = blocks.iter().take_while(|block| is_result(block)).count();
                blocks.insert(at, result);
            }
        }
    }
    system.extend(last.map(|text| Block::Text {
        text,
        cache_control: None,
    }));
    Ok((instructions(system), turns))
}

/// Text alone unless a mark wants its block.
fn instructions(blocks: Vec<Block<'_>>) -> Option<Inside<'_>> {
    if blocks.is_empty() {
        return None;
    }
    match blocks.iter().map(unmarked).collect::<Option<Vec<_>>>().as_deref() {
        None => Some(Inside::Blocks(blocks)),
        Some([text]) => Some(Inside::Text(Cow::Borrowed(*text))),
        Some(texts) => Some(Inside::Text(Cow::Owned(texts.join("\n\n")))),
    }
}

fn unmarked<'a>(block: &Block<'a>) -> Option<&'a str> {
    match block {
        Block::Text {
            text,
            cache_control: None,
        } => Some(text),
        _ => None,
    }
}

/// What is said and shown.
fn blocks(content: &Content) -> Vec<Block<'_>> {
    match content {
        Content::Text(text) => said(text, None).into_iter().collect(),
        Content::Parts(parts) => parts
            .iter()
            .filter_map(|part| match part {
                Part::Text { text, cache } => said(text, *cache),
                Part::Image { source, cache, .. } => Some(Block::Image {
                    source: source.into(),
                    cache_control: Mark::of(*cache),
                }),
                Part::Reasoning(_) => None,
            })
            .collect(),
    }
}

fn said(text: &str, cache: Option<CacheFor>) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| Block::Text {
        text,
        cache_control: Mark::of(cache),
    })
}

/// The thoughts that this wire sealed, in order: others can't be read here. The wire wants them before anything else.
fn thoughts(content: &Content) -> Vec<Block<'_>> {
    let Content::Parts(parts) = content else {
        return Vec::new();
    };
    parts
        .iter()
        .filter_map(|part| {
            let Part::Reasoning(thought) = part else {
                return None;
            };
            Some(match opened(thought)? {
                Opened::Signature(signature) => Block::Thinking {
                    thinking: &thought.text,
                    signature,
                },
                Opened::Redacted(data) => Block::RedactedThinking { data },
            })
        })
        .collect()
}

fn tool_result(message: &ModelMessage) -> Result<Block<'_>, Unsayable> {
    let id = message
        .tool_call_id
        .as_deref()
        .ok_or(Unsayable::ResultOfNothing)?;
    let (content, cache) = match &message.content {
        Content::Text(text) => (Inside::Text(Cow::Borrowed(text.as_str())), None),
        Content::Parts(parts) => {
            // What is inside a block can't be marked, the block can.
            let cache = parts.iter().rev().find_map(|part| match part {
                Part::Text { cache, .. } | Part::Image { cache, .. } => *cache,
                Part::Reasoning(_) => None,
            });
            let mut inside = blocks(&message.content);
            for block in &mut inside {
                if let Block::Text { cache_control, .. } | Block::Image { cache_control, .. } = block {
                    *cache_control = None;
                }
            }
            (Inside::Blocks(inside), cache)
        }
    };
    Ok(Block::ToolResult {
        tool_use_id: call_id(id),
        content,
        is_error: message.is_error,
        cache_control: Mark::of(cache),
    })
}

/// The content of the turn that is `role`'s, a new one if the other's was last.
fn content<'t, 'a>(turns: &'t mut Vec<Turn<'a>>, role: Role) -> &'t mut Vec<Block<'a>> {
    if turns.last().is_none_or(|turn| turn.role != role) {
        turns.push(Turn {
            role,
            content: Vec::new(),
        });
    }
    let last = turns.len() - 1;
    &mut turns[last].content
}

/// A call's arguments as the wire has them: an object only. A model that once wrote something else must not end the
/// conversation: its text is handed back inside one.
pub(crate) fn input(arguments: &str) -> Value {
    let object = match arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    serde_json::from_str::<Value>(object)
        .ok()
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"unreadable": arguments}))
}

fn tool_use(call: &ToolCall) -> Block<'_> {
    let input = input(&call.arguments);
    Block::ToolUse {
        id: call_id(&call.id),
        name: &call.name,
        input,
    }
}
