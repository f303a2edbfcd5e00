//! Where a provider is and how to speak to it.

use std::fmt;
use std::time::Duration;

use greenroom_kernel::ModelInfo;
use reqwest::Url;

/// A secret that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key; white space around it is dropped.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Under which name the bound of the answer's length travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_tokens`: understood nearly everywhere, refused by OpenAI's reasoning models.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI's own.
    MaxCompletionTokens,
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
    /// What it serves, its default first. Empty: whatever the server lists when it is probed.
    pub models: Vec<ModelInfo>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// How to send `max_tokens`; none decides by the host.
    pub max_tokens_field: Option<MaxTokensField>,
}

impl OpenAiConfig {
    /// A provider with ordinary timeouts, without a key and with the models the server lists.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            models: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(5),
            max_tokens_field: None,
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The base URL is none.
    #[error("provider {provider}: base_url must be an http or https URL such as https://api.openai.com/v1")]
    BaseUrl {
        /// Which provider.
        provider: String,
    },
    /// The base URL holds a user name or a password.
    #[error("provider {provider}: base_url must not hold credentials, put the key into api_key")]
    Credentials {
        /// Which provider.
        provider: String,
    },
    /// The key can't be sent in a header.
    #[error("provider {provider}: the API key holds characters that no HTTP header can carry")]
    ApiKey {
        /// Which provider.
        provider: String,
    },
    /// The HTTP client could not be made, for want of root certificates for instance.
    #[error("provider {provider}: the HTTP client could not be made")]
    Client {
        /// Which provider.
        provider: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// The URLs of one provider.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) base: Url,
    pub(crate) chat: Url,
    pub(crate) models: Url,
}

impl Endpoints {
    pub(crate) fn of(config: &OpenAiConfig) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::BaseUrl {
            provider: config.name.clone(),
        };
        let base = Url::parse(config.base_url.trim().trim_end_matches('/')).map_err(|_| invalid())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(invalid());
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ConfigError::Credentials {
                provider: config.name.clone(),
            });
        }
        let join = |path: &str| {
            let mut url = base.clone();
            let prefix = base.path().trim_end_matches('/');
            url.set_path(&format!("{prefix}/{path}"));
            url
        };
        Ok(Self {
            chat: join("chat/completions"),
            models: join("models"),
            base,
        })
    }

    /// The base URL as errors show it: without its query, where some servers take their key.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.base.clone();
        url.set_query(None);
        url.into()
    }

    pub(crate) fn is_openai(&self) -> bool {
        self.base.host_str() == Some("api.openai.com")
    }

    /// Whether the server is on this machine, where no proxy belongs in between.
    pub(crate) fn is_loopback(&self) -> bool {
        self.base.host_str().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(url: &str) -> Result<Endpoints, ConfigError> {
        Endpoints::of(&OpenAiConfig::new("p", url))
    }

    #[test]
    fn paths_are_appended_to_the_base_whatever_its_trailing_slash() {
        for base in ["http://h:1/v1", "http://h:1/v1/", "  http://h:1/v1// "] {
            let urls = endpoints(base).unwrap();
            assert_eq!(urls.chat.as_str(), "http://h:1/v1/chat/completions");
            assert_eq!(urls.models.as_str(), "http://h:1/v1/models");
        }
        let azure = endpoints("https://h/openai/v1?api-version=preview").unwrap();
        assert_eq!(
            azure.chat.as_str(),
            "https://h/openai/v1/chat/completions?api-version=preview"
        );
        assert_eq!(azure.shown(), "https://h/openai/v1");
    }

    #[test]
    fn a_base_url_that_cannot_work_is_refused_with_its_remedy() {
        for base in ["", "nonsense", "ftp://h/v1", "http://"] {
            assert!(
                matches!(endpoints(base), Err(ConfigError::BaseUrl { .. })),
                "{base}"
            );
        }
        let refused = endpoints("https://me:secret@h/v1").unwrap_err();
        assert!(refused.to_string().contains("api_key"));
        assert!(!refused.to_string().contains("secret"));
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let config = OpenAiConfig {
            api_key: Some(ApiKey::new(" sk-very-secret\n")),
            ..OpenAiConfig::new("openai", "https://api.openai.com/v1")
        };
        assert!(!format!("{config:?}").contains("secret"));
        assert_eq!(config.api_key.unwrap().expose(), "sk-very-secret");
    }

    #[test]
    fn loopback_is_recognised_by_name_and_address() {
        for (base, expected) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1/v1", true),
            ("http://localhost/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://10.0.0.1/v1", false),
        ] {
            assert_eq!(endpoints(base).unwrap().is_loopback(), expected, "{base}");
        }
    }
}
