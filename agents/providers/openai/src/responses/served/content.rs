//! What messages and results of tools are made of.

use greenroom_kernel::{Content, ImageDetail, ImageSource, Part, Unreadable};

use super::field::Field;

/// Who speaks: that decides which parts may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    User,
    /// Developers too.
    System,
    Assistant,
    Tool,
}

/// A text, or a list of parts.
pub(super) fn read(content: &Field<'_>, speaker: Speaker) -> Result<Content, Unreadable> {
    if content.value().is_string() {
        return Ok(Content::from(content.text()?));
    }
    if !content.value().is_array() {
        return Err(content.wrong("it must be a text or a list of parts"));
    }
    let mut parts = content
        .list()?
        .map(|it| part(&it, speaker))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match parts.pop() {
        None => Content::default(),
        // One text is as good as a list of it.
        Some(Part::Text { text, cache: None }) if parts.is_empty() => Content::Text(text),
        Some(last) => {
            parts.push(last);
            Content::Parts(parts)
        }
    })
}

fn part(part: &Field<'_>, speaker: Speaker) -> Result<Part, Unreadable> {
    let kind = part.need("type")?;
    match (kind.text()?, speaker) {
        ("input_text", _) | ("output_text", Speaker::Assistant) => Ok(Part::text(part.need("text")?.text()?)),
        ("refusal", Speaker::Assistant) => Ok(Part::text(part.need("refusal")?.text()?)),
        ("input_image", Speaker::User | Speaker::Tool) => image(part),
        ("input_image", _) => Err(kind.wrong("an image may only be in what a user says or a tool found")),
        ("input_file", _) => Err(kind.wrong(
            "files can't be passed on to another provider: send their text, or images of their pages",
        )),
        ("input_audio", _) => Err(kind.wrong("sound can't be passed on to another provider: send its text")),
        ("output_text" | "refusal", _) => Err(kind.wrong("only an assistant's message has such a part")),
        (other, _) => Err(kind.wrong(format!("there is no part of type `{other}` here"))),
    }
}

fn image(part: &Field<'_>) -> Result<Part, Unreadable> {
    if let Some(file) = part.get("file_id") {
        return Err(file.wrong("files by id are kept at OpenAI alone: send the image itself as `image_url`"));
    }
    let url = part.need("image_url")?;
    let source = match url.text()? {
        text if text.starts_with("https://") || text.starts_with("http://") => {
            ImageSource::Url { url: text.to_owned() }
        }
        text => {
            let inline = text
                .strip_prefix("data:")
                .and_then(|rest| rest.split_once(";base64,"))
                .filter(|(media_type, _)| media_type.starts_with("image/"));
            let Some((media_type, data)) = inline else {
                return Err(url.wrong("it must be an https URL or `data:image/…;base64,…`"));
            };
            ImageSource::Base64 {
                media_type: media_type.to_owned(),
                data: data.to_owned(),
            }
        }
    };
    let detail = match part.get("detail") {
        None => None,
        Some(detail) => match detail.text()? {
            "auto" => None,
            "low" => Some(ImageDetail::Low),
            "high" | "original" => Some(ImageDetail::High),
            _ => return Err(detail.wrong("it must be low, high, original or auto")),
        },
    };
    Ok(Part::Image {
        source,
        detail,
        cache: None,
    })
}
