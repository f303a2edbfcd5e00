//! What a message says: text, or parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use greenroom_kernel::{CacheFor, Content, ImageDetail, ImageSource, Part, Unreadable};

use crate::served::fields::Fields;

/// Which parts a message of a role may have beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    Text,
    Images,
    Refusals,
}

/// Reads `content` of a message; none where it isn't there.
pub(super) fn content(message: &Fields<'_>, allowed: Allowed) -> Result<Option<Content>, Unreadable> {
    let Some(value) = message.get("content") else {
        return Ok(None);
    };
    if let Some(text) = value.as_str() {
        return Ok(Some(Content::Text(text.to_owned())));
    }
    let Some(items) = value.as_array() else {
        return Err(message.wrong("content", "it must be a text or a list of parts"));
    };
    let at = message.at("content");
    let parts = items.iter().enumerate().map(|(number, item)| {
        let fields = Fields::of(item, format!("{at}[{number}]"))?;
        part(&fields, allowed)
    });
    Ok(Some(Content::Parts(parts.collect::<Result<_, _>>()?)))
}

fn part(part: &Fields<'_>, allowed: Allowed) -> Result<Part, Unreadable> {
    match part.required_text("type")? {
        "text" => Ok(Part::Text {
            text: needed(part, "text")?,
            cache: cache(part)?,
        }),
        "refusal" if allowed == Allowed::Refusals => Ok(Part::text(needed(part, "refusal")?)),
        "image_url" if allowed == Allowed::Images => image(part),
        "image_url" => Err(part.wrong("type", "images are taken only in what a user says or a tool found")),
        kind @ ("input_audio" | "file") => Err(part.wrong(
            "type",
            format!("`{kind}` can't be translated for this model: send text or images, or choose a model of OpenAI's"),
        )),
        kind => Err(part.wrong("type", format!("a part of the type `{kind}` is not known here"))),
    }
}

fn needed(part: &Fields<'_>, name: &str) -> Result<String, Unreadable> {
    let text = part.text(name)?;
    text.map(str::to_owned)
        .ok_or_else(|| part.wrong(name, "it must be there"))
}

fn image(part: &Fields<'_>) -> Result<Part, Unreadable> {
    let image = part.required_object("image_url")?;
    let detail = match image.text("detail")? {
        None | Some("auto") => None,
        Some("low") => Some(ImageDetail::Low),
        Some("high" | "original") => Some(ImageDetail::High),
        Some(_) => return Err(image.wrong("detail", "it must be `auto`, `low`, `high` or `original`")),
    };
    let url = image.required_text("url")?;
    let source = source(url).map_err(|message| image.wrong("url", message))?;
    Ok(Part::Image {
        source,
        detail,
        cache: cache(part)?,
    })
}

fn source(url: &str) -> Result<ImageSource, &'static str> {
    // Schemes are written in either case.
    let is = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    if is("https://") {
        return Ok(ImageSource::Url { url: url.to_owned() });
    }
    if !is("data:") {
        return Err("it must be an https: URL, or a data: URL in base64");
    }
    let (kind, data) = url["data:".len()..].split_once(',').unwrap_or_default();
    let media_type = kind.strip_suffix(";base64");
    let media_type = media_type
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    let known = media_type
        .strip_prefix("image/")
        .is_some_and(|kind| !kind.is_empty());
    if !known {
        return Err("a data: URL must be `data:image/TYPE;base64,DATA`");
    }
    match STANDARD.decode(data) {
        Ok(bytes) if !bytes.is_empty() => Ok(ImageSource::Base64 {
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        }),
        _ => Err("what follows `base64,` must be base64, in the standard alphabet and padded"),
    }
}

/// OpenAI's own mark, or the one that several gateways take from clients for models of other families.
fn cache(part: &Fields<'_>) -> Result<Option<CacheFor>, Unreadable> {
    if part.object("prompt_cache_breakpoint")?.is_some() {
        // It lasts half an hour at least: the longer of the two that there are.
        return Ok(Some(CacheFor::Hour1));
    }
    let Some(mark) = part.object("cache_control")? else {
        return Ok(None);
    };
    match (mark.text("type")?, mark.text("ttl")?) {
        (Some("ephemeral"), None | Some("5m")) => Ok(Some(CacheFor::Minutes5)),
        (Some("ephemeral"), Some("1h")) => Ok(Some(CacheFor::Hour1)),
        (Some("ephemeral"), Some(_)) => Err(mark.wrong("ttl", "it must be `5m` or `1h`")),
        _ => Err(mark.wrong("type", "it must be `ephemeral`")),
    }
}
