//! Where a provider is and how to speak to it.

use std::time::Duration;

use greenroom_kernel::ModelInfo;
use greenroom_provider_http::{ApiKey, BaseUrl, ConfigError, Uri};

/// Most models of a list that one page holds.
const LISTED_AT_MOST: &str = "limit=1000";

/// One provider of the Messages wire.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// The provider's name in routes, logs and errors.
    pub name: String,
    /// Without the version, as `ANTHROPIC_BASE_URL` has it: `https://api.anthropic.com`. A `/v1` at its end doesn't
    /// count.
    pub base_url: String,
    /// Sent as `x-api-key`; none for servers without keys.
    pub api_key: Option<ApiKey>,
    /// Keys that are used in turn when those before them are refused.
    pub more_keys: Vec<ApiKey>,
    /// What it serves, its default first. Empty: whatever the server lists when it is probed.
    pub models: Vec<ModelInfo>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// Most tokens of an answer where a request doesn't say: the wire wants a bound always.
    pub max_tokens: u32,
}

impl AnthropicConfig {
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
            max_tokens: 4096,
        }
    }
}

/// The URLs of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) base: BaseUrl,
    pub(crate) messages: Uri,
    pub(crate) count_tokens: Uri,
    pub(crate) models: Uri,
}

impl Endpoints {
    pub(crate) fn of(config: &AnthropicConfig) -> Result<Self, ConfigError> {
        let url = config.base_url.trim().trim_end_matches('/');
        let url = url.strip_suffix("/v1").unwrap_or(url);
        let base = BaseUrl::parse(&config.name, url, "https://api.anthropic.com")?;
        Ok(Self {
            messages: base.join("v1/messages"),
            count_tokens: base.join("v1/messages/count_tokens"),
            models: base.join_asking("v1/models", LISTED_AT_MOST),
            base,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_appended_once_whether_the_base_holds_it_or_not() {
        for base in ["http://h:1", "http://h:1/", "http://h:1/v1", " http://h:1/v1/ "] {
            let urls = Endpoints::of(&AnthropicConfig::new("p", base)).unwrap();
            assert_eq!(urls.messages, "http://h:1/v1/messages", "{base}");
            assert_eq!(urls.models, "http://h:1/v1/models?limit=1000");
        }
        let refused = Endpoints::of(&AnthropicConfig::new("p", "nonsense")).unwrap_err();
        assert!(refused.to_string().contains("https://api.anthropic.com"));
    }
}
