//! Where a provider is and how to speak to it.

use std::time::Duration;

use greenroom_kernel::ModelInfo;
use greenroom_provider_http::{ApiKey, BaseUrl, ConfigError, Uri};

/// Under which name the bound of the answer's length travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_tokens`: understood nearly everywhere, refused by OpenAI's reasoning models.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's own.
    MaxCompletionTokens,
}

/// In which of its wires a provider is called. Requests that are relayed keep their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenAiApi {
    /// Chat Completions: what nearly every server speaks.
    #[default]
    Chat,
    /// Responses: OpenAI's own, and that of a few others. Its models think on where they stopped.
    Responses,
}

/// One provider of the Chat Completions wire.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The provider's name in routes, logs and errors.
    pub name: String,
    /// Up to and including the version: `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// Sent as a bearer token; none for servers without keys.
    pub api_key: Option<ApiKey>,
    /// Keys that are used in turn when those before them are refused.
    pub more_keys: Vec<ApiKey>,
    /// What it serves, its default first. Empty: whatever the server lists when it is probed.
    pub models: Vec<ModelInfo>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// How to send `max_tokens`; none decides by the host.
    pub max_tokens_field: Option<MaxTokensField>,
    /// In which wire it is called.
    pub api: OpenAiApi,
}

impl OpenAiConfig {
    /// A provider with ordinary timeouts, without a key and with the models the server lists.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            more_keys: Vec::new(),
            models: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(5),
            max_tokens_field: None,
            api: OpenAiApi::Chat,
        }
    }
}

/// The URLs of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) base: BaseUrl,
    pub(crate) chat: Uri,
    pub(crate) embeddings: Uri,
    pub(crate) responses: Uri,
    pub(crate) models: Uri,
}

impl Endpoints {
    pub(crate) fn of(config: &OpenAiConfig) -> Result<Self, ConfigError> {
        let base = BaseUrl::parse(&config.name, &config.base_url, "https://api.openai.com/v1")?;
        Ok(Self {
            chat: base.join("chat/completions"),
            embeddings: base.join("embeddings"),
            responses: base.join("responses"),
            models: base.join("models"),
            base,
        })
    }

    pub(crate) fn is_openai(&self) -> bool {
        self.base.host() == "api.openai.com"
    }

    /// Whether the server goes on from an assistant's message that is marked as a prefix: Mistral, and DeepSeek's beta.
    /// <https://docs.mistral.ai/capabilities/completion/usage>, <https://api-docs.deepseek.com/guides/chat_prefix_completion>
    pub(crate) fn has_prefix(&self) -> bool {
        match self.base.host() {
            "api.mistral.ai" => true,
            "api.deepseek.com" => self.chat.path().starts_with("/beta/"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoints_are_below_the_base_and_openai_is_known_by_its_host() {
        let urls = |url: &str| Endpoints::of(&OpenAiConfig::new("p", url)).unwrap();
        let ours = urls("http://h:1/v1/");
        assert_eq!(ours.chat, "http://h:1/v1/chat/completions");
        assert_eq!(ours.responses, "http://h:1/v1/responses");
        assert_eq!(ours.models, "http://h:1/v1/models");
        assert!(!ours.is_openai());
        assert!(urls("https://api.openai.com/v1").is_openai());
        for (url, has_prefix) in [
            ("https://api.mistral.ai/v1", true),
            ("https://api.deepseek.com/beta", true),
            ("https://api.deepseek.com", false),
            ("https://api.openai.com/v1", false),
        ] {
            assert_eq!(urls(url).has_prefix(), has_prefix, "{url}");
        }
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let config = OpenAiConfig {
            api_key: Some(ApiKey::new("sk-very-secret")),
            ..OpenAiConfig::new("openai", "https://api.openai.com/v1")
        };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
