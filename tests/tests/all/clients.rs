//! The official clients of OpenAI and Anthropic, in Python and JavaScript, against `/v1`. Each asks models of every wire
//! family: its own, whose bytes are relayed, and the others', into which it is translated. Their scripts are in
//! `tests/clients`, and so is a scripted model server; where it can be, the server is one that others wrote.

mod checks;
mod greenroom;
mod others;
mod script;

use serde_json::{Value, json};

use checks::expected;
use greenroom::{TARGETS, serving};
use script::{Client, Language, Script, Upstream};

/// What the bodies of requests are bounded by.
const BODY_LIMIT: usize = 65_536;

/// Every check of a client passes without Greenroom as well: the scripted server's shapes are those that the clients'
/// authors know, and a check that fails with Greenroom fails because of it.
async fn alone(client: Client, language: Language) {
    let upstream = Upstream::start(&[&BODY_LIMIT.to_string()]).await;
    let target =
        json!({ "name": "own", "family": client.name(), "model": "some-model", "embed": "some-model" });
    let world = json!({
        "base": upstream.url, "upstream": upstream.url, "through": false, "targets": [target],
    });
    let wanted = expected(client, &[("own", client.name())], false);
    Script::run(language, client.name(), world).await.ran(&wanted);
}

/// Every check of a client passes with models of every family.
async fn through(client: Client, language: Language) {
    let upstream = Upstream::start(&[]).await;
    let server = serving(&upstream.url, BODY_LIMIT).await;
    let targets: Vec<Value> = TARGETS.iter().map(greenroom::described).collect();
    let world = json!({
        "base": server.http, "upstream": upstream.url, "through": true, "targets": targets,
    });
    let names: Vec<_> = TARGETS
        .iter()
        .map(|target| (target.name, target.family))
        .collect();
    let wanted = expected(client, &names, true);
    Script::run(language, client.name(), world).await.ran(&wanted);
    server.assert_calm();
}

macro_rules! matrix {
    ($($alone:ident, $through:ident: $client:ident in $language:ident;)*) => {$(
        #[tokio::test]
        #[ignore = "needs the official clients, which `cargo xtask test` installs"]
        async fn $alone() {
            alone(Client::$client, Language::$language).await;
        }

        #[tokio::test]
        #[ignore = "needs the official clients, which `cargo xtask test` installs"]
        async fn $through() {
            through(Client::$client, Language::$language).await;
        }
    )*};
}

matrix! {
    the_scripted_server_satisfies_openai_chat_in_python, openai_chat_in_python_reaches_every_family: Chat in Python;
    the_scripted_server_satisfies_openai_chat_in_javascript, openai_chat_in_javascript_reaches_every_family: Chat in JavaScript;
    the_scripted_server_satisfies_openai_responses_in_python, openai_responses_in_python_reaches_every_family: Responses in Python;
    the_scripted_server_satisfies_openai_responses_in_javascript, openai_responses_in_javascript_reaches_every_family: Responses in JavaScript;
    the_scripted_server_satisfies_anthropic_in_python, anthropic_in_python_reaches_every_family: Messages in Python;
    the_scripted_server_satisfies_anthropic_in_javascript, anthropic_in_javascript_reaches_every_family: Messages in JavaScript;
}
