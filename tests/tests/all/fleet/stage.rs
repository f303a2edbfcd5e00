//! A whole fleet on one machine: a table and a directory as an emulator keeps them, a model, and processes of every role
//! that find each other.

use std::time::Duration;

use serde_json::json;

use super::callers::Gateways;
use super::process::{PATIENCE, Process, greenroom};
use crate::discovery::Emulator;
use crate::support::{Client, FakeModel, Ledger, ToolHost, until};

/// What is there whoever comes and goes.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) model: FakeModel,
    pub(super) ledger: Ledger,
    pub(super) gateways: Gateways,
    env: Vec<(String, String)>,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let (emulator, model) = (Emulator::start().await, FakeModel::start().await);
        let env = [
            ("GREENROOM__STORE__KIND", "dynamodb"),
            ("GREENROOM__DISCOVERY__KIND", "cloud-map"),
            ("GREENROOM__DISCOVERY__NAMESPACE", "prod.test"),
            ("GREENROOM__DISCOVERY__SERVICE", "agents"),
            ("AWS_ACCESS_KEY_ID", "AKIDFORATEST"),
            ("AWS_SECRET_ACCESS_KEY", "secret-for-a-test"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", &emulator.url),
            ("OPENAI_API_KEY", "test"),
            ("OPENAI_BASE_URL", &model.url),
        ];
        let env: Vec<_> = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let home = tempfile::tempdir().unwrap();
        let made = greenroom(home.path())
            .arg("migrate")
            .envs(env.iter().cloned())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self {
            emulator,
            model,
            ledger: Ledger::default(),
            gateways: Gateways::default(),
            env,
        }
    }

    /// One more supervisor.
    pub(super) async fn supervisor(&self, name: &str) -> Process {
        let process = Process::start(name, &["supervisor"], &self.env).await;
        process.ready().await;
        process
    }

    /// One more gateway, which callers take from now on.
    pub(super) async fn gateway(&self, name: &str) -> Process {
        let process = Process::start(name, &["gateway"], &self.env).await;
        process.ready().await;
        self.gateways.add(&process.http());
        process
    }

    /// One more host of built-in agents.
    pub(super) async fn host(&self, name: &str) -> Process {
        let process = Process::start(name, &["agent", "assistant", "echo"], &self.env).await;
        process.ready().await;
        process
    }

    /// A host of agents that pay, registered by somebody else.
    pub(super) async fn tools(&self, id: &str) -> ToolHost {
        let host = ToolHost::start_with(self.ledger.clone()).await;
        self.emulator.register(id, &host.url).await;
        host
    }
}

/// Waits until an agent has so many instances, all well as every supervisor behind a gateway finds them.
pub(super) async fn served(gateway: &Process, agent: &str, wanted: usize) {
    let client = Client::new(&gateway.http());
    let query = "query($n: String!) { getAgentStatus(name: $n) { instances { health } } }";
    until(&format!("{agent} is served {wanted} times"), PATIENCE, || async {
        let answer = client.try_call(query, json!({ "n": agent })).await?;
        let all = answer.body["data"]["getAgentStatus"]["instances"]
            .as_array()?
            .clone();
        let well = all.iter().filter(|one| one["health"] == "HEALTHY").count();
        (well == wanted && all.len() == wanted).then_some(())
    })
    .await;
}

/// Tells how long something took.
pub(super) fn told(what: &str, took: Duration) {
    println!("{what}: {:.1} s", took.as_secs_f64());
}
