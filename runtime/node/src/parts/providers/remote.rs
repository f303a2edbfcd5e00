//! A provider elsewhere, of whichever wire family.

use std::sync::Arc;

use greenroom_kernel::{Clock, ModelBackend, ModelInfo};
use greenroom_provider_anthropic::{AnthropicBackend, AnthropicConfig};
#[cfg(feature = "bedrock")]
use greenroom_provider_bedrock::{BedrockBackend, BedrockConfig};
use greenroom_provider_openai::{ApiKey, ConfigError, OpenAiApi, OpenAiBackend, OpenAiConfig};

use crate::config::RawOpenAiApi;

const OPENAI: &str = "https://api.openai.com/v1";
/// OpenAI lists its models in no order that tells a good default.
const OPENAI_MODEL: &str = "gpt-4.1-mini";
const ANTHROPIC: &str = "https://api.anthropic.com";
/// Anthropic lists its newest first, which need not be what one means to pay. This one is small and takes the
/// temperature that our agents ask for; later ones refuse any.
const ANTHROPIC_MODEL: &str = "claude-haiku-4-5";

/// How to reach a provider.
#[derive(Debug, Clone)]
pub(crate) enum Remote {
    /// By one of OpenAI's wires.
    OpenAi(OpenAiConfig),
    /// By the Anthropic Messages wire.
    Anthropic(AnthropicConfig),
    /// Amazon Bedrock, and where that is.
    #[cfg(feature = "bedrock")]
    Bedrock(BedrockConfig, String),
}

impl Remote {
    /// A server of OpenAI's wire at `url`, or OpenAI itself. Without `models` it is what the server lists, and at the
    /// company itself a small model.
    pub(super) fn openai(name: &str, url: Option<&str>, key: Option<&str>, models: &[String]) -> Self {
        let url = url.unwrap_or(OPENAI);
        Self::OpenAi(OpenAiConfig {
            api_key: key.map(ApiKey::new),
            models: served(models, url, "https://api.openai.com", OPENAI_MODEL),
            ..OpenAiConfig::new(name, url)
        })
    }

    /// The same of Anthropic's.
    pub(super) fn anthropic(name: &str, url: Option<&str>, key: Option<&str>, models: &[String]) -> Self {
        let url = url.unwrap_or(ANTHROPIC);
        Self::Anthropic(AnthropicConfig {
            api_key: key.map(ApiKey::new),
            models: served(models, url, ANTHROPIC, ANTHROPIC_MODEL),
            ..AnthropicConfig::new(name, url)
        })
    }

    /// Called in that one of OpenAI's wires, where it speaks OpenAI's.
    #[must_use]
    pub(super) fn called_in(mut self, api: Option<RawOpenAiApi>) -> Self {
        if let (Self::OpenAi(config), Some(api)) = (&mut self, api) {
            config.api = match api {
                RawOpenAiApi::Chat => OpenAiApi::Chat,
                RawOpenAiApi::Responses => OpenAiApi::Responses,
            };
        }
        self
    }

    /// With keys that are used when those before them are refused.
    pub(super) fn with_more_keys(mut self, keys: &[String]) -> Self {
        let more = match &mut self {
            Self::OpenAi(config) => &mut config.more_keys,
            Self::Anthropic(config) => &mut config.more_keys,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(..) => return self,
        };
        more.extend(keys.iter().map(ApiKey::new));
        self
    }

    /// Its name in routes.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::OpenAi(config) => &config.name,
            Self::Anthropic(config) => &config.name,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(config, _) => &config.name,
        }
    }

    /// Where it is.
    pub(crate) fn base_url(&self) -> &str {
        match self {
            Self::OpenAi(config) => &config.base_url,
            Self::Anthropic(config) => &config.base_url,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(_, place) => place,
        }
    }

    /// The models that are set, its default first; none: what the server lists.
    pub(crate) fn models(&self) -> &[ModelInfo] {
        match self {
            Self::OpenAi(config) => &config.models,
            Self::Anthropic(config) => &config.models,
            #[cfg(feature = "bedrock")]
            Self::Bedrock(config, _) => &config.models,
        }
    }

    /// What a probe that went well has found out.
    pub(crate) fn probed(&self) -> &'static str {
        match self {
            Self::OpenAi(_) | Self::Anthropic(_) => "answers",
            #[cfg(feature = "bedrock")]
            Self::Bedrock(..) => "has credentials",
        }
    }

    /// The adapter, not connected yet.
    pub(crate) fn backend(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn ModelBackend>, ConfigError> {
        Ok(match self {
            Self::OpenAi(config) => Arc::new(OpenAiBackend::new(config.clone(), clock)?),
            Self::Anthropic(config) => Arc::new(AnthropicBackend::new(config.clone(), clock)?),
            #[cfg(feature = "bedrock")]
            Self::Bedrock(config, _) => Arc::new(BedrockBackend::new(config.clone(), clock)),
        })
    }
}

fn served(models: &[String], url: &str, company: &str, preset: &str) -> Vec<ModelInfo> {
    let info = |name: &str| ModelInfo::named(name);
    if models.is_empty() && url.starts_with(company) {
        return vec![info(preset)];
    }
    models.iter().map(|name| info(name)).collect()
}
