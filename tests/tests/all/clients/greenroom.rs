//! One server with a provider of every wire family, all at one scripted upstream.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Options, Server};

/// A provider that scripts ask.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    model: &'static str,
    embeddings: Option<&'static str>,
    /// Its kind, in the configuration's words.
    kind: &'static str,
}

/// One of each family.
pub(super) const TARGETS: [Target; 4] = [
    Target {
        name: "openai",
        family: "chat",
        model: "some-model",
        embeddings: Some("some-model"),
        kind: "kind = \"openai\"\nbase_url = \"{url}/v1\"\napi_key = \"upstream-key\"",
    },
    Target {
        name: "future",
        family: "responses",
        model: "some-model",
        embeddings: Some("some-model"),
        kind: "kind = \"openai\"\napi = \"responses\"\nbase_url = \"{url}/v1\"\napi_key = \"upstream-key\"",
    },
    Target {
        name: "claude",
        family: "messages",
        model: "claude-haiku-4-5",
        embeddings: None,
        kind: "kind = \"anthropic\"\nbase_url = \"{url}\"\napi_key = \"upstream-key\"",
    },
    Target {
        name: "aws",
        family: "bedrock",
        model: "anthropic.claude-haiku-4-5-20251001-v1:0",
        embeddings: Some("amazon.titan-embed-text-v2:0"),
        kind: "kind = \"bedrock\"\nregion = \"eu-central-1\"\nendpoint_url = \"{url}\"",
    },
];

/// What makes a provider so unwell that no other check may need it.
const FAULTS: [&str; 7] = ["400", "401", "429", "500", "503", "cut", "stop"];

/// A target as the scripts are told of it.
pub(super) fn described(target: &Target) -> Value {
    let named = |model: &str| format!("{}/{model}", target.name);
    json!({
        "name": target.name,
        "family": target.family,
        "model": named(target.model),
        "embed": target.embeddings.map(named),
    })
}

/// A server with every target, and each again for every fault.
pub(super) async fn serving(upstream: &str, body_limit: usize) -> Server {
    let mut config = format!("[gateway]\nv1_max_body_bytes = {body_limit}\n[models]\ntries = 1\n");
    for target in &TARGETS {
        let mut models = vec![target.model];
        models.extend(target.embeddings.filter(|model| *model != target.model));
        let models = serde_json::to_string(&models).unwrap();
        let kind = target.kind.replace("{url}", upstream);
        let mut provider =
            |name: &str| writeln!(config, "[providers.{name}]\n{kind}\nmodels = {models}").unwrap();
        provider(target.name);
        for fault in FAULTS {
            provider(&format!("{}-{fault}", target.name));
        }
    }
    started(config).await
}

/// A server with a configuration, and credentials for AWS.
pub(super) async fn started(config: String) -> Server {
    let env = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Server::start(Options {
        config: Some(config),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::default()
    })
    .await
}
