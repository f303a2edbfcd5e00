//! What the paths are about, and whose words their errors are in.

use greenroom_kernel::WireFamily;
use http::HeaderMap;

use crate::edge;

/// What a path is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A call of a family.
    Call(WireFamily),
    /// How many tokens a request of the Messages family takes.
    Count,
    /// The list of models.
    Models,
    /// One of them.
    Model(String),
    /// Nothing.
    Nowhere,
}

pub(super) fn of(path: &str) -> Place {
    match path.strip_prefix("/v1/").unwrap_or_default() {
        "chat/completions" => Place::Call(WireFamily::OpenAiChat),
        "responses" => Place::Call(WireFamily::OpenAiResponses),
        "embeddings" => Place::Call(WireFamily::OpenAiEmbeddings),
        "messages" => Place::Call(WireFamily::AnthropicMessages),
        "messages/count_tokens" => Place::Count,
        "models" => Place::Models,
        other => match other.strip_prefix("models/") {
            Some(id) if !id.is_empty() => Place::Model(
                percent_encoding::percent_decode_str(id)
                    .decode_utf8_lossy()
                    .into_owned(),
            ),
            _ => Place::Nowhere,
        },
    }
}

impl Place {
    /// What its requests are counted as: one of a few.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Call(WireFamily::OpenAiChat) => "/v1/chat/completions",
            Self::Call(WireFamily::OpenAiResponses) => "/v1/responses",
            Self::Call(WireFamily::OpenAiEmbeddings) => "/v1/embeddings",
            Self::Call(WireFamily::AnthropicMessages) => "/v1/messages",
            Self::Count => "/v1/messages/count_tokens",
            Self::Models | Self::Model(_) => "/v1/models",
            Self::Nowhere => edge::OTHER,
        }
    }
}

/// Whose words a request's errors are in: the path's, where it says; else the caller's, who names a version if it is
/// Anthropic's client.
pub(super) fn family(path: &str, headers: &HeaderMap) -> WireFamily {
    match of(path) {
        Place::Call(family) => family,
        _ if is_anthropic(headers) || path.starts_with("/v1/messages/") => WireFamily::AnthropicMessages,
        _ => WireFamily::OpenAiChat,
    }
}

/// Whether Anthropic's client asks.
pub(super) fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_id_may_hold_slashes_and_escapes() {
        assert_eq!(of("/v1/models/a/b%3Ac"), Place::Model("a/b:c".to_owned()));
        assert_eq!(of("/v1/models"), Place::Models);
        assert_eq!(of("/v1/messages/count_tokens"), Place::Count);
        for nothing in ["/v1/models/", "/v1/", "/v1/chat", "/v1/messages/", "/v2/models"] {
            assert_eq!(of(nothing), Place::Nowhere, "{nothing}");
        }
    }

    #[test]
    fn errors_are_worded_for_the_path_or_else_for_the_client() {
        let mut headers = HeaderMap::new();
        assert_eq!(family("/v1/models", &headers), WireFamily::OpenAiChat);
        assert_eq!(
            family("/v1/messages/batches", &headers),
            WireFamily::AnthropicMessages
        );
        headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
        assert_eq!(family("/v1/models", &headers), WireFamily::AnthropicMessages);
        assert_eq!(family("/v1/responses", &headers), WireFamily::OpenAiResponses);
    }
}
