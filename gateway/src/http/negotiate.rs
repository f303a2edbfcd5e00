//! Which media type to answer with, and whether a body is in the one we read.

use http::{HeaderMap, header};

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`, as clients from before the specification expect it.
    Json,
    /// `application/graphql-response+json`.
    GraphQl,
    /// `text/event-stream`: graphql-sse, distinct connections.
    EventStream,
    /// The query page.
    Html,
}

/// The media type the client likes best of ours, the first of equals; none when it likes none. No `Accept` at all
/// means `application/json`.
pub(super) fn media(headers: &HeaderMap, browsable: bool) -> Option<Media> {
    let mut best: Option<(Media, u16)> = None;
    let mut asked = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            asked = true;
            let quality = parts
                .find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
                .map_or(1_000, quality);
            let Some(media) = named(name, browsable) else {
                continue;
            };
            if quality > 0 && best.is_none_or(|(_, best)| quality > best) {
                best = Some((media, quality));
            }
        }
    }
    if asked {
        best.map(|(media, _)| media)
    } else {
        Some(Media::Json)
    }
}

fn named(name: &str, browsable: bool) -> Option<Media> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("application/json") || is("*/*") || is("application/*") {
        Some(Media::Json)
    } else if is("application/graphql-response+json") {
        Some(Media::GraphQl)
    } else if is("text/event-stream") {
        Some(Media::EventStream)
    } else if is("text/html") && browsable {
        Some(Media::Html)
    } else {
        None
    }
}

/// A quality in thousandths.
fn quality(text: &str) -> u16 {
    let value: f32 = text.trim().parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&value) {
        (value * 1_000.0) as u16
    } else {
        0
    }
}

/// Whether the body is JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str, browsable: bool) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        media(&headers, browsable)
    }

    #[test]
    fn the_best_liked_media_type_is_chosen_and_the_first_of_equals() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(asked(browser, true), Some(Media::Html));
        assert_eq!(asked(browser, false), Some(Media::Json));
        assert_eq!(
            asked("application/graphql-response+json, application/json", true),
            Some(Media::GraphQl)
        );
        assert_eq!(
            asked(
                "application/json;q=0.5, application/graphql-response+json; charset=utf-8; q=0.9",
                true
            ),
            Some(Media::GraphQl)
        );
        assert_eq!(asked("text/event-stream", true), Some(Media::EventStream));
        assert_eq!(asked("*/*", true), Some(Media::Json));
        assert_eq!(asked("image/png", true), None);
        assert_eq!(asked("application/json;q=0", true), None);
        assert_eq!(media(&HeaderMap::new(), true), Some(Media::Json));
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        let is = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            is("application/json") && is("application/json; charset=UTF-8") && is("Application/JSON;x=y")
        );
        assert!(!is("application/json; charset=utf-16") && !is("text/plain") && !is("application/jsonp"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
