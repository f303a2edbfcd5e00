//! Where Bedrock is and what is asked of it.

use std::time::Duration;

use greenroom_aws::SharedCredentialsProvider;
use greenroom_kernel::ModelInfo;

use crate::traits::Traits;

/// Bedrock in one region, for one account.
#[derive(Debug, Clone)]
pub struct BedrockConfig {
    /// The provider's name in routes, logs and errors.
    pub name: String,
    /// Such as `eu-central-1`. None: `AWS_REGION`, `AWS_DEFAULT_REGION`, or that of the profile.
    pub region: Option<String>,
    /// Another place that speaks as Bedrock does. None: `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, `AWS_ENDPOINT_URL`, or the
    /// region's own.
    pub endpoint_url: Option<String>,
    /// Who calls. None: whoever the environment, the profile, the web identity, the container or the machine says, or
    /// the key in `AWS_BEARER_TOKEN_BEDROCK`.
    pub credentials: Option<SharedCredentialsProvider>,
    /// What it serves, its default first: ids of models or of inference profiles. Empty: a small model of Amazon's,
    /// which every account may call.
    pub models: Vec<ModelInfo>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long finding credentials may take when the provider is probed.
    pub probe_timeout: Duration,
}

impl BedrockConfig {
    /// Bedrock as the environment tells it, with ordinary timeouts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            region: None,
            endpoint_url: None,
            credentials: None,
            models: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(5),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match (&self.endpoint_url, &self.region) {
            (Some(url), _) => shown(url),
            (None, Some(region)) => format!("https://bedrock-runtime.{region}.amazonaws.com"),
            (None, None) => "Amazon Bedrock".to_owned(),
        }
    }

    /// What it serves: what is configured, else the default of its region.
    pub fn served(&self) -> Vec<ModelInfo> {
        if self.models.is_empty() {
            return vec![ModelInfo::named(preset(self.region.as_deref()))];
        }
        let mut models = self.models.clone();
        for model in &mut models {
            model.can.prefill = model.can.prefill.or(Traits::of(&model.name).prefill);
        }
        models
    }
}

/// An URL without what it may hold of secrets.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// A small model that stays in the region's part of the world where it has a profile there, and needs no form to be
/// filled in.
fn preset(region: Option<&str>) -> String {
    let profile = match region.and_then(|region| region.split_once('-')) {
        Some(("us", rest)) if !rest.starts_with("gov") => "us",
        Some(("eu", _)) => "eu",
        Some(("ap", rest)) if rest.starts_with("northeast-1") || rest.starts_with("northeast-3") => "jp",
        _ => "global",
    };
    format!("{profile}.amazon.nova-2-lite-v1:0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_model_stays_in_the_regions_part_of_the_world() {
        for (region, profile) in [
            (Some("us-east-1"), "us"),
            (Some("us-gov-west-1"), "global"),
            (Some("eu-west-3"), "eu"),
            (Some("ap-northeast-1"), "jp"),
            (Some("sa-east-1"), "global"),
            (None, "global"),
        ] {
            let config = BedrockConfig {
                region: region.map(str::to_owned),
                ..BedrockConfig::new("b")
            };
            let served = config.served();
            assert_eq!(served.len(), 1);
            assert_eq!(served[0].name, format!("{profile}.amazon.nova-2-lite-v1:0"));
        }
        let mine = BedrockConfig {
            models: vec![ModelInfo::named("m")],
            ..BedrockConfig::new("b")
        };
        assert_eq!(mine.served(), mine.models);
    }

    #[test]
    fn its_place_is_told_without_secrets() {
        let at = |url: Option<&str>, region: Option<&str>| {
            BedrockConfig {
                endpoint_url: url.map(str::to_owned),
                region: region.map(str::to_owned),
                ..BedrockConfig::new("b")
            }
            .place()
        };
        assert_eq!(
            at(None, Some("eu-west-1")),
            "https://bedrock-runtime.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            at(Some("http://a:b@h:1/x?k=v"), Some("eu-west-1")),
            "http://h:1/x"
        );
        assert_eq!(at(None, None), "Amazon Bedrock");
    }
}
