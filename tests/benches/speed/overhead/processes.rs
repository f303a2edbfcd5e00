//! What runs: load and upstream in this process on one core, proxy and gateway in theirs on the other.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::upstream;
use crate::outside::{appears, binary};

/// One process, killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that runs.
pub(crate) struct Machine {
    pub(crate) proxy: Process,
    pub(crate) gateway: Process,
    /// Without ledger, metrics, spans and lines.
    pub(crate) plain: Process,
    _homes: [TempDir; 3],
}

/// Puts the calling process's first thread on one core, or on all of `cores`.
pub(crate) fn keep_to(cores: &str) {
    let this = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["-cp", cores, &this])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
}

/// A command on one core, which `taskset` becomes: the process is the command's own.
fn on_core(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

async fn bare_proxy(home: &TempDir, upstream: &str) -> Process {
    let ready = home.path().join("proxy");
    let this = std::env::current_exe().unwrap();
    let child = on_core("0", &this)
        .arg("--proxy")
        .arg(&ready)
        .arg(upstream)
        .spawn()
        .unwrap();
    let address = appears(&ready).await;
    Process { child, address }
}

/// What watches and writes down, switched off.
const OFF: [(&str, &str); 3] = [
    ("GREENROOM__LEDGER__ENABLED", "false"),
    ("GREENROOM__METRICS__ENABLED", "false"),
    ("GREENROOM__LOG__FILTER", "off"),
];

async fn gateway(upstream: &str, settings: &[(&str, &str)]) -> (Process, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let (config, ready) = (home.path().join("greenroom.toml"), home.path().join("ready.json"));
    let provider = format!(
        "[providers.up]\nkind = \"openai\"\nbase_url = \"http://{upstream}/v1\"\napi_key = \"k\"\nmodels = [\"m\"]\nconcurrency = 2000\n"
    );
    std::fs::write(&config, provider).unwrap();
    let child = on_core("0", &binary())
        .arg("dev")
        .args(["--listen", "127.0.0.1:0", "--config"])
        .arg(&config)
        .arg("--store")
        .arg(home.path().join("greenroom.sqlite"))
        .arg("--ready-file")
        .arg(&ready)
        .env("HOME", home.path())
        .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__AGENT__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__SUPERVISOR__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__GATEWAY__MAX_CONNECTIONS", "2000")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(home.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let bound: Value = serde_json::from_str(&appears(&ready).await).unwrap();
    let address = bound["gateway"].as_str().unwrap().to_owned();
    (Process { child, address }, home)
}

impl Machine {
    /// Starts them, and waits until the gateway has come to rest.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let upstream = upstream::serve().await;
        let proxy = bare_proxy(&home, &upstream).await;
        let (full, full_home) = gateway(&upstream, &[]).await;
        let (plain, plain_home) = gateway(&upstream, &OFF).await;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("gateway at rest after {:?}", begun.elapsed());
        Self {
            proxy,
            gateway: full,
            plain,
            _homes: [home, full_home, plain_home],
        }
    }
}
