//! The part of the configuration that is about models and who provides them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use greenroom_models::Deadlines;
use serde::{Deserialize, Serialize};

use super::raw::millis;
use super::raw_facts::{RawCapabilities, RawPrice};
use super::raw_routes::RawRoute;

/// `[models]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawModels {
    pub(crate) connect_ms: u64,
    pub(crate) first_token_ms: u64,
    pub(crate) between_tokens_ms: u64,
    pub(crate) total_ms: u64,
    /// Tokens a second, below which an answer is too slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_second: Option<u32>,
    /// Every try of one call at every target.
    pub(crate) tries: u32,
    /// Logical names and their targets, `provider` or `provider/model`.
    pub(crate) routes: BTreeMap<String, RawRoute>,
    /// What models can do, by `provider/model` or `provider/*`, above what is known.
    pub(crate) capabilities: BTreeMap<String, RawCapabilities>,
    /// What tokens cost, by the same, in place of the list price.
    pub(crate) prices: BTreeMap<String, RawPrice>,
}

impl Default for RawModels {
    fn default() -> Self {
        let ours = Deadlines::default();
        Self {
            connect_ms: millis(ours.connect),
            first_token_ms: millis(ours.first_token),
            between_tokens_ms: millis(ours.between_tokens),
            total_ms: millis(ours.total),
            tokens_per_second: ours.tokens_per_second,
            tries: 6,
            routes: BTreeMap::new(),
            capabilities: BTreeMap::new(),
            prices: BTreeMap::new(),
        }
    }
}

/// `[local]`: the small model in this process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLocal {
    /// None: only when no other provider is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_folder: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offline: Option<bool>,
}

/// `[providers.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawProvider {
    pub(crate) kind: RawProviderKind,
    /// Which of OpenAI's wires it is called in; none: Chat Completions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<RawOpenAiApi>,
    /// None: that of the company whose wire it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    /// The environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_env: Option<String>,
    /// Of AWS, for Bedrock; none: as the environment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// Another place that speaks as Bedrock does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_url: Option<String>,
    /// Several keys, used in turn: the next when the one before it is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_keys: Vec<String>,
    /// The environment variables that hold them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_key_envs: Vec<String>,
    /// The default first; none: what the server lists.
    pub(crate) models: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u32>,
}

/// One of OpenAI's wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawOpenAiApi {
    /// Chat Completions.
    Chat,
    /// Responses.
    Responses,
}

/// A wire family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawProviderKind {
    /// The OpenAI Chat Completions wire, at any base URL.
    #[default]
    OpenAi,
    /// The Anthropic Messages wire, at any base URL.
    Anthropic,
    /// Amazon Bedrock, with AWS credentials.
    Bedrock,
}
