//! The stage of the wall: who says what, who may ask whom, and the server between them.

use super::words::Family;
use crate::support::{Options, Server};

/// What the target with the fault says.
pub(super) const OWN: &str = "Alpha one two three four five six seven eight nine.";

/// What the other one says.
pub(super) const GOOD: &str = "Omega ten eleven twelve thirteen fourteen fifteen.";

/// The deadlines are shorter than they are by default, where waiting for them is all that a test would do: 60 s to begin,
/// 4 min for an answer in one piece, 60 s for the first token, 30 s between tokens, 10 min in all.
pub(super) const DEADLINES: &str =
    "connect_ms = 2000\nwhole_ms = 3000\nfirst_token_ms = 2000\nbetween_tokens_ms = 2000\ntotal_ms = 20000\n";

/// Who calls whom.
pub(super) const SAME: [(Family, Family); 3] = [
    (Family::Chat, Family::Chat),
    (Family::Responses, Family::Responses),
    (Family::Messages, Family::Messages),
];
pub(super) const CROSSED: [(Family, Family); 4] = [
    (Family::Messages, Family::Chat),
    // A server of Responses is asked for Chat Completions in their own words too.
    (Family::Messages, Family::Responses),
    (Family::Responses, Family::Messages),
    (Family::Chat, Family::Bedrock),
];

/// Everybody who may ask anybody, numbered.
pub(super) fn pairs() -> impl Iterator<Item = (usize, (Family, Family))> {
    SAME.into_iter().chain(CROSSED).enumerate()
}

/// The lines that configure a provider at a place.
pub(super) fn provider(name: &str, family: Family, url: &str) -> String {
    let kind = match family {
        Family::Chat => format!("kind = \"openai\"\nbase_url = \"{url}/{name}/v1\"\napi_key = \"k\""),
        Family::Responses => {
            format!("kind = \"openai\"\napi = \"responses\"\nbase_url = \"{url}/{name}/v1\"\napi_key = \"k\"")
        }
        Family::Messages => format!("kind = \"anthropic\"\nbase_url = \"{url}/{name}\"\napi_key = \"k\""),
        Family::Bedrock => {
            format!("kind = \"bedrock\"\nregion = \"eu-central-1\"\nendpoint_url = \"{url}/{name}\"")
        }
    };
    format!("[providers.{name}]\n{kind}\nmodels = [\"m\"]\n")
}

/// A server with this configuration, and with credentials for AWS.
pub(super) async fn server(config: String) -> Server {
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

/// The process answers, and nothing in it panicked.
pub(super) async fn healthy(server: &Server) {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = answer
        .get(format!("{}/healthz", server.http))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    server.assert_calm();
}
