//! A whole fleet on one machine: a table and a directory as an emulator keeps them, a model, and processes of every role
//! that find each other and prove to each other by certificates what they are.

use std::time::Duration;

use serde_json::json;

use super::callers::Gateways;
use super::payer::PayerHost;
use super::process::{PATIENCE, Process, greenroom};
use crate::discovery::Emulator;
use crate::support::{Client, FakeModel, ForeignHost, Language, Ledger, until};

/// What is there whoever comes and goes.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) model: FakeModel,
    pub(super) ledger: Ledger,
    pub(super) gateways: Gateways,
    env: Vec<(String, String)>,
    /// An authority's, and a certificate for each role.
    certs: tempfile::TempDir,
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
        let certs = tempfile::tempdir().unwrap();
        for arguments in [&["migrate"][..], &["certs", "init", "--dir", "."]] {
            let mut command = greenroom(certs.path());
            let made = command
                .args(arguments)
                .envs(env.iter().cloned())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&made.stderr);
            assert!(made.status.success(), "{arguments:?}: {said}");
        }
        Self {
            emulator,
            model,
            ledger: Ledger::default(),
            gateways: Gateways::default(),
            env,
            certs,
        }
    }

    /// By what a process proves its role.
    fn proof(&self, role: &str) -> Vec<(String, String)> {
        let file = |name: String| self.certs.path().join(name).display().to_string();
        [
            ("GREENROOM__TLS__AUTHORITY", file("authority.pem".to_owned())),
            ("GREENROOM__TLS__CERTIFICATE", file(format!("{role}.pem"))),
            ("GREENROOM__TLS__KEY", file(format!("{role}-key.pem"))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    async fn process(&self, name: &str, arguments: &[&str]) -> Process {
        let env = [self.env.clone(), self.proof(arguments[0])].concat();
        let process = Process::start(name, arguments, &env).await;
        process.ready().await;
        process
    }

    /// What an operator's command says at a supervisor's machine.
    pub(super) fn command(&self, at: &Process, arguments: &[&str]) -> String {
        at.beside(arguments, &[self.env.clone(), self.proof("supervisor")].concat())
    }

    /// One more supervisor.
    pub(super) async fn supervisor(&self, name: &str) -> Process {
        self.process(name, &["supervisor"]).await
    }

    /// One more gateway, which callers take from now on.
    pub(super) async fn gateway(&self, name: &str) -> Process {
        let process = self.process(name, &["gateway"]).await;
        self.gateways.add(&process.http());
        process
    }

    /// One more host of built-in agents.
    pub(super) async fn host(&self, name: &str) -> Process {
        self.process(name, &["agent", "assistant", "echo"]).await
    }

    /// A host in Python, registered by somebody else under a name.
    pub(super) async fn python(&self, name: &str) -> ForeignHost {
        let host = ForeignHost::start_with(Language::Python, self.proof("agent")).await;
        let address = host.url.trim_start_matches("https://");
        self.emulator.register(name, address).await;
        host
    }

    /// A host of an agent that pays, in this process. Supervisors are told of it, as it shows no certificate.
    pub(super) async fn payer(&mut self) -> PayerHost {
        let host = PayerHost::start(self.ledger.clone()).await;
        let joined = format!("[\"{}\"]", host.url);
        self.env.push(("GREENROOM__AGENT__JOIN".to_owned(), joined));
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
