//! Blocks that a caller sends: text and images, and the marks on them.

use greenroom_kernel::{CacheFor, Content, ImageSource, Part, Unreadable};
use serde_json::Value;

use super::fields::{Object, each, kind, needed, object, text, within};

/// What stands under `content` or `system`: a text, or blocks.
pub(super) enum Given<'a> {
    Text(&'a str),
    Blocks(&'a [Value]),
}

pub(super) fn given<'a>(holder: &'a Object, name: &str) -> Result<Option<Given<'a>>, Unreadable> {
    match holder.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Given::Text(text))),
        Some(Value::Array(blocks)) => Ok(Some(Given::Blocks(blocks))),
        Some(_) => Err(Unreadable::at(name, "it must be a text or a list of blocks")),
    }
}

/// Text alone where that says all.
pub(super) fn content(mut parts: Vec<Part>) -> Content {
    match parts.as_mut_slice() {
        [] => Content::default(),
        [Part::Text { text, cache: None }] => Content::Text(std::mem::take(text)),
        _ => Content::Parts(parts),
    }
}

/// What may only hold text: instructions.
pub(super) fn texts(holder: &Object, name: &str) -> Result<Option<Content>, Unreadable> {
    Ok(match given(holder, name)? {
        None => None,
        Some(Given::Text(text)) => Some(Content::Text(text.to_owned())),
        Some(Given::Blocks(blocks)) => {
            let read = |block| match kind(block)? {
                "text" => part_of_text(block),
                other => Err(Unreadable::at(
                    "type",
                    format!("instructions are texts, and this is of type `{other}`"),
                )),
            };
            Some(content(each(blocks, name, read)?))
        }
    })
}

/// What a user says or a tool found: texts and images.
pub(super) fn shown(block: &Object) -> Result<Part, Unreadable> {
    match kind(block)? {
        "text" => part_of_text(block),
        "image" => image(block),
        other => Err(foreign(other)),
    }
}

/// A block that only Anthropic's own models can read.
pub(super) fn foreign(kind: &str) -> Unreadable {
    Unreadable::at(
        "type",
        format!(
            "blocks of type `{kind}` can't be put into another provider's words: ask a model of an Anthropic provider, or send text and images"
        ),
    )
}

pub(super) fn part_of_text(block: &Object) -> Result<Part, Unreadable> {
    Ok(Part::Text {
        text: needed(text(block, "text"), "text")?.to_owned(),
        cache: mark(block)?,
    })
}

fn image(block: &Object) -> Result<Part, Unreadable> {
    let source = needed(object(block, "source"), "source")?;
    Ok(Part::Image {
        source: self::source(source).map_err(within("source"))?,
        detail: None,
        cache: mark(block)?,
    })
}

fn source(source: &Object) -> Result<ImageSource, Unreadable> {
    let text = |name| needed(text(source, name), name).map(str::to_owned);
    match kind(source)? {
        "base64" => Ok(ImageSource::Base64 {
            media_type: text("media_type")?,
            data: text("data")?,
        }),
        "url" => Ok(ImageSource::Url { url: text("url")? }),
        other => Err(Unreadable::at(
            "type",
            format!("an image of type `{other}` is kept at Anthropic: send it as base64 or url"),
        )),
    }
}

/// A mark for the prompt cache.
pub(super) fn mark(holder: &Object) -> Result<Option<CacheFor>, Unreadable> {
    let Some(mark) = object(holder, "cache_control")? else {
        return Ok(None);
    };
    let read = || match (kind(mark)?, text(mark, "ttl")?) {
        ("ephemeral", None | Some("5m")) => Ok(CacheFor::Minutes5),
        ("ephemeral", Some("1h")) => Ok(CacheFor::Hour1),
        ("ephemeral", Some(_)) => Err(Unreadable::at("ttl", "it must be `5m` or `1h`")),
        _ => Err(Unreadable::at("type", "it must be `ephemeral`")),
    };
    read().map(Some).map_err(within("cache_control"))
}
