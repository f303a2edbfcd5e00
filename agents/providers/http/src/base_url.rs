//! Where a provider is.

use http::Uri;
use url::Url;

use crate::client::ConnectorError;

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The base URL is none.
    #[error("provider {provider}: base_url must be an http or https URL such as {example}")]
    BaseUrl {
        /// Which provider.
        provider: String,
        /// One that would do.
        example: &'static str,
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
        source: ConnectorError,
    },
}

/// A provider's base URL: http or https, with a host and without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads one; white space around it and slashes at its end don't count.
    ///
    /// # Errors
    /// What is no such URL; `example` is shown as one that would do.
    pub fn parse(provider: &str, text: &str, example: &'static str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::BaseUrl {
            provider: provider.to_owned(),
            example,
        };
        let base = Url::parse(text.trim().trim_end_matches('/')).map_err(|_| invalid())?;
        // What follows the rules of URLs but not those of requests can't be sent.
        Uri::try_from(base.as_str()).map_err(|_| invalid())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(invalid());
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(ConfigError::Credentials {
                provider: provider.to_owned(),
            });
        }
        Ok(Self(base))
    }

    /// The URL of `path`, given without a leading slash, below the base; the base's query stays.
    pub fn join(&self, path: &str) -> Uri {
        self.joined(path, None)
    }

    /// The same with `query`, unless the base has its own.
    pub fn join_asking(&self, path: &str, query: &str) -> Uri {
        self.joined(path, Some(query))
    }

    fn joined(&self, path: &str, query: Option<&str>) -> Uri {
        let mut url = self.0.clone();
        if url.query().is_none() {
            url.set_query(query);
        }
        let prefix = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}/{path}"));
        // It was looked at when it was read, and paths are ours.
        Uri::try_from(String::from(url)).unwrap_or_default()
    }

    /// The URL as errors show it: without its query, where some servers take their key.
    pub fn shown(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.into()
    }

    /// The server's name or address.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether certificates are checked.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the server is on this machine, where no proxy belongs in between.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Result<BaseUrl, ConfigError> {
        BaseUrl::parse("p", url, "https://api.example/v1")
    }

    #[test]
    fn paths_are_appended_to_the_base_whatever_its_trailing_slash() {
        for url in ["http://h:1/v1", "http://h:1/v1/", "  http://h:1/v1// "] {
            assert_eq!(base(url).unwrap().join("a/b"), "http://h:1/v1/a/b");
        }
        let azure = base("https://h/openai/v1?api-version=preview").unwrap();
        assert_eq!(azure.join("chat"), "https://h/openai/v1/chat?api-version=preview");
        assert_eq!(azure.shown(), "https://h/openai/v1");
    }

    #[test]
    fn a_base_url_that_cannot_work_is_refused_with_its_remedy() {
        for url in ["", "nonsense", "ftp://h/v1", "http://"] {
            let refused = base(url).unwrap_err();
            assert!(matches!(refused, ConfigError::BaseUrl { .. }), "{url}");
            assert!(refused.to_string().contains("https://api.example/v1"));
        }
        let refused = base("https://me:secret@h/v1").unwrap_err();
        assert!(refused.to_string().contains("api_key"));
        assert!(!refused.to_string().contains("secret"));
    }

    #[test]
    fn loopback_is_recognised_by_name_and_address() {
        for (url, expected) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://[::1]:1/v1", true),
            ("http://localhost/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://10.0.0.1/v1", false),
        ] {
            assert_eq!(base(url).unwrap().is_loopback(), expected, "{url}");
        }
    }
}
