//! The clients against model servers that somebody else wrote: npm's `@copilotkit/aimock` on three wires, llama.cpp
//! with a small model, and `ministack` as Bedrock.

use std::process::Stdio;

use greenroom_aws::testkit::Ministack;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::greenroom::started;
use super::script::{Language, Script, Upstream, parts, python};

/// One thread: it is as fast as several where others work too.
const LLAMA: &str = r#"
import os, socket, sys
from xllamacpp import CommonParams, Server
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
params = CommonParams()
params.model.path = os.environ["GREENROOM_MODEL_PATH"]
params.hostnames = ["127.0.0.1"]
params.port = port
params.n_parallel = 1
params.n_ctx = 512
params.cpuparams.n_threads = 1
server = Server(params)
print(f"listening on http://127.0.0.1:{port}", flush=True)
sys.stdin.read()
"#;
/// What aimock says, always.
const SAID: &str = "The capital is Paris, théré.";
const CLIENTS: [&str; 6] = [
    "chat",
    "messages",
    "responses",
    "streamed_chat",
    "streamed_messages",
    "streamed_responses",
];

async fn aimock(fixtures: &TempDir) -> Upstream {
    let usage = json!({
        "input_tokens": 12, "output_tokens": 7,
        "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19,
    });
    let said = json!({ "fixtures": [
        { "match": { "userMessage": "capital" }, "response": { "content": SAID, "usage": usage } },
    ]});
    std::fs::write(fixtures.path().join("said.json"), said.to_string()).unwrap();
    let mut mock = Command::new(parts().join("model-mock/node_modules/.bin/llmock"));
    mock.args(["--host", "127.0.0.1", "--port", "0", "--strict"])
        .arg("--fixtures")
        .arg(fixtures.path());
    Upstream::started(mock, "listening on ").await
}

async fn llama() -> Upstream {
    let mut llama = python();
    llama.args(["-c", LLAMA]).stderr(Stdio::null());
    Upstream::started(llama, "listening on ").await
}

async fn ministack() -> Ministack {
    tokio::task::spawn_blocking(Ministack::start).await.unwrap()
}

async fn answer_every_client(language: Language) {
    // Nobody listens where this one is bound.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let fixtures = tempfile::tempdir().unwrap();
    let (emulator, mock, llama) = tokio::join!(ministack(), aimock(&fixtures), llama());
    let bedrock = emulator.url();
    let server = started(format!(
        r#"
        [models.routes]
        default = ["openai/gpt-4.1-mini"]
        first-dead = ["dead/any", "claude/claude-haiku-4-5"]
        first-dead-claude = ["dead-claude/any", "future/gpt-5"]
        [providers.dead]
        base_url = "http://127.0.0.1:{dead}/v1"
        models = ["any"]
        [providers.dead-claude]
        kind = "anthropic"
        base_url = "http://127.0.0.1:{dead}"
        api_key = "k"
        models = ["any"]
        [providers.openai]
        base_url = "{mock}/v1"
        api_key = "k"
        models = ["gpt-4.1-mini"]
        [providers.future]
        api = "responses"
        base_url = "{mock}/v1"
        api_key = "k"
        models = ["gpt-5"]
        [providers.claude]
        kind = "anthropic"
        base_url = "{mock}"
        api_key = "k"
        models = ["claude-haiku-4-5"]
        [providers.llama]
        base_url = "{llama}/v1"
        models = ["small"]
        [providers.llama-claude]
        kind = "anthropic"
        base_url = "{llama}"
        api_key = "k"
        models = ["small"]
        [providers.aws]
        kind = "bedrock"
        region = "us-east-1"
        endpoint_url = "{bedrock}"
        models = ["anthropic.claude-3-haiku-20240307-v1:0"]
        "#,
        mock = mock.url,
        llama = llama.url,
        dead = nobody.local_addr().unwrap().port(),
    ))
    .await;
    let targets = [
        ("openai", "openai/gpt-4.1-mini", Some(SAID)),
        ("future", "future/gpt-5", Some(SAID)),
        ("claude", "claude/claude-haiku-4-5", Some(SAID)),
        ("llama", "llama/small", None),
        ("llama-claude", "llama-claude/small", None),
        ("aws", "aws/anthropic.claude-3-haiku-20240307-v1:0", None),
        // Routes whose first target is down: the next is of another family.
        ("first-dead", "first-dead", Some(SAID)),
        ("first-dead-claude", "first-dead-claude", Some(SAID)),
        ("an agent", "agent:assistant", Some(SAID)),
    ]
    .map(|(name, model, says)| json!({ "name": name, "family": "any", "model": model, "says": says }));
    let mut wanted: Vec<String> = targets
        .iter()
        .flat_map(|target| {
            let name = target["name"].as_str().unwrap_or_default();
            CLIENTS.map(|client| format!("{name}: {client}"))
        })
        .collect();
    wanted.sort();
    let world = json!({ "base": server.http, "upstream": "", "through": true, "targets": targets });
    Script::run(language, "plain", world).await.ran(&wanted);
    server.assert_calm();
}

#[tokio::test]
#[ignore = "needs aimock, llama.cpp, ministack and the clients, which `cargo xtask test` installs"]
async fn servers_of_others_answer_the_clients_in_python() {
    answer_every_client(Language::Python).await;
}

#[tokio::test]
#[ignore = "needs aimock, llama.cpp, ministack and the clients, which `cargo xtask test` installs"]
async fn servers_of_others_answer_the_clients_in_javascript() {
    answer_every_client(Language::JavaScript).await;
}
