//! Scripts that play a client, and the scripted server that they play against.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::house::root;

/// How long one script may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A client's wire; the script that plays it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Chat,
    Responses,
    Messages,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }
}

/// What a client is written in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Language {
    Python,
    JavaScript,
}

pub(super) fn parts() -> PathBuf {
    let parts = std::env::var_os("GREENROOM_TEST_PARTS").expect("`cargo xtask test` installs the parts");
    PathBuf::from(parts)
        .canonicalize()
        .expect("the parts are installed")
}

fn folder() -> PathBuf {
    root().join("tests").join("clients")
}

/// Python that leaves nothing beside its scripts.
pub(super) fn python() -> Command {
    let mut python = Command::new(parts().join("python/bin/python"));
    python.arg("-B").kill_on_drop(true);
    python
}

/// What a script said, one line a check.
pub(super) struct Script {
    checks: Vec<Value>,
    complaint: String,
}

impl Script {
    /// Runs the script `name` in a world.
    pub(super) async fn run(language: Language, name: &str, mut world: Value) -> Self {
        world["parts"] = json!(parts());
        let mut command = match language {
            Language::Python => {
                let mut python = python();
                python.arg(folder().join("python").join(format!("{name}.py")));
                python
            }
            Language::JavaScript => {
                let mut node = Command::new("node");
                node.arg(folder().join("javascript").join(format!("{name}.mjs")));
                node
            }
        };
        let output = command.arg(world.to_string()).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output.expect("the script comes to an end").unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        Self {
            checks: said
                .lines()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("it said {line}")))
                .collect(),
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Exactly these checks ran, and each was passed.
    pub(super) fn ran(&self, wanted: &[String]) {
        let failed: Vec<String> = self
            .checks
            .iter()
            .filter(|check| check["ok"] != true)
            .map(|check| {
                format!(
                    "{}: {}",
                    check["name"].as_str().unwrap_or("?"),
                    check["detail"].as_str().unwrap_or("?")
                )
            })
            .collect();
        assert!(
            failed.is_empty(),
            "{} of {} failed:\n{}\n{}",
            failed.len(),
            self.checks.len(),
            failed.join("\n"),
            self.complaint
        );
        let mut ran: Vec<&str> = self.checks.iter().filter_map(|c| c["name"].as_str()).collect();
        ran.sort_unstable();
        assert_eq!(ran, wanted, "{}", self.complaint);
    }
}

/// A model server in a process of its own, which ends with this.
pub(super) struct Upstream {
    pub(super) url: String,
    _child: Child,
}

impl Upstream {
    /// The scripted one.
    pub(super) async fn start(arguments: &[&str]) -> Self {
        let mut command = python();
        command
            .arg(folder().join("upstream").join("upstream.py"))
            .args(arguments);
        Self::started(command, "ready: ").await
    }

    /// Starts a server which says where it listens in the line that holds `before` its address.
    pub(super) async fn started(mut command: Command, before: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server starts");
                if let Some((_, url)) = line.split_once(before) {
                    return url.trim().to_owned();
                }
            }
        };
        let url = tokio::time::timeout(Duration::from_secs(60), ready).await;
        let url = url.expect("the server starts in time");
        // What it says later is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, _child: child }
    }
}
