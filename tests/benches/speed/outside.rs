//! The process as its users meet it: requests a processor second, memory, time to serve.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::Figure;
use crate::load::{cpu_seconds, drive, resident_mib};

/// How often the floor and the product are measured in turns.
const ROUNDS: usize = 3;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GREENROOM_BIN") {
        return path.into();
    }
    let this = std::env::current_exe().unwrap();
    let binary = this.parent().unwrap().parent().unwrap().join("greenroom");
    assert!(binary.exists(), "build the binary first: cargo build --release");
    binary
}

pub(crate) async fn appears(file: &std::path::Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Ok(text) = std::fs::read_to_string(file)
            && !text.is_empty()
        {
            return text;
        }
        assert!(Instant::now() < deadline, "it did not start");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn floor(home: &TempDir) -> (Process, String) {
    let ready = home.path().join("floor");
    let child = Command::new(std::env::current_exe().unwrap())
        .arg("--floor")
        .arg(&ready)
        .spawn()
        .unwrap();
    let process = Process(child);
    (process, appears(&ready).await)
}

/// A running `dev`.
pub(crate) struct Dev {
    process: Process,
    address: String,
    serving: Duration,
}

impl Dev {
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn graphql(&self) -> String {
        format!("http://{}/graphql", self.address)
    }
}

pub(crate) async fn dev(home: &TempDir, env: &[(&str, &str)]) -> Dev {
    let ready = home.path().join("ready.json");
    let begin = Instant::now();
    let child = Command::new(binary())
        .arg("dev")
        .args(["--listen", "127.0.0.1:0", "--store"])
        .arg(home.path().join("greenroom.sqlite"))
        .arg("--ready-file")
        .arg(&ready)
        .env("HOME", home.path())
        .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__AGENT__LISTEN", "127.0.0.1:0")
        .env("GREENROOM__SUPERVISOR__LISTEN", "127.0.0.1:0")
        // A provider that is never asked: the model's memory is not what is measured here.
        .env("OPENAI_API_KEY", "none")
        .env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(home.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let process = Process(child);
    let bound: Value = serde_json::from_str(&appears(&ready).await).unwrap();
    Dev {
        process,
        address: bound["gateway"].as_str().unwrap().to_owned(),
        serving: begin.elapsed(),
    }
}

/// Requests a processor second at that many callers, warmed up.
async fn efficiency(name: &str, pid: u32, address: &str, callers: usize, time: Duration) -> f64 {
    drive(address, callers, time / 4).await;
    let (begin, before) = (Instant::now(), cpu_seconds(pid));
    let calls = drive(address, callers, time).await;
    let (wall, used) = (begin.elapsed().as_secs_f64(), cpu_seconds(pid) - before);
    let per_cpu = calls as f64 / used;
    println!(
        "{name:34} {:>9.0} calls/s {per_cpu:>9.0} calls/cpu-s",
        calls as f64 / wall
    );
    per_cpu
}

pub(crate) async fn figures(time: Duration) -> Vec<Figure> {
    let home = tempfile::tempdir().unwrap();
    let (bare, bare_at) = floor(&home).await;
    let dev = dev(&home, &[]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = resident_mib(dev.pid());
    // In turns, so that both meet the same machine; whatever else runs on it only takes from the share, so the best
    // of the rounds is the nearest to the truth.
    let mut share: f64 = 0.0;
    for _ in 0..ROUNDS {
        let floor = efficiency("bare async-graphql on axum, 64", bare.0.id(), &bare_at, 64, time).await;
        let durable = efficiency(
            "durable executeTaskOnAgent, 64",
            dev.pid(),
            &dev.address,
            64,
            time,
        )
        .await;
        share = share.max(durable / floor);
    }
    println!("memory after the load: {:.1} MiB", resident_mib(dev.pid()));
    vec![
        Figure {
            name: "durable task against a bare mutation, same CPU time",
            value: share,
            unit: "x",
            goal: 0.25,
            bound: 0.12,
            falling: false,
        },
        Figure {
            name: "from process start to serving",
            value: dev.serving.as_secs_f64(),
            unit: "s",
            goal: 1.0,
            bound: 2.0,
            falling: true,
        },
        Figure {
            name: "dev idle without the model, resident",
            value: idle,
            unit: "MiB",
            goal: 40.0,
            bound: 60.0,
            falling: true,
        },
    ]
}
