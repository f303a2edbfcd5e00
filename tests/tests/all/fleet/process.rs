//! One process of a fleet: started, asked whether it is ready, told to leave, killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{binary, until};

/// How long a process may take to start or to leave, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// A command of the binary in a folder of its own, with nothing of this process's environment.
pub(super) fn greenroom(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("HOME", home)
        .env("RUST_BACKTRACE", "1")
        .current_dir(home);
    for keep in ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(keep) {
            command.env(keep, value);
        }
    }
    command
}

/// What a command says that ends by itself: its exit code, and its complaint.
pub(super) fn refused(arguments: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = greenroom(home.path())
        .args(arguments)
        .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A running process.
pub(super) struct Process {
    /// As tests call it.
    pub(super) name: String,
    home: TempDir,
    child: Option<Child>,
    bound: Value,
}

impl Process {
    /// Starts `greenroom ARGUMENTS` on ports of its own unless they say otherwise, and waits until it serves.
    pub(super) async fn start(name: &str, arguments: &[&str], env: &[(String, String)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (ready, log) = (home.path().join("ready.json"), home.path().join("log"));
        let log = std::fs::File::create(log).unwrap();
        let mut command = greenroom(home.path());
        command.args(arguments).arg("--ready-file").arg(&ready);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let child = command
            .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut process = Self {
            name: name.to_owned(),
            home,
            child: Some(child),
            bound: Value::Null,
        };
        let began = Instant::now();
        while process.bound.is_null() {
            let text = std::fs::read_to_string(&ready).unwrap_or_default();
            process.bound = serde_json::from_str(&text).unwrap_or_default();
            let ended = process.child.as_mut().unwrap().try_wait().unwrap();
            let late = began.elapsed() > PATIENCE;
            assert!(
                ended.is_none() && !late,
                "{name} did not start: {ended:?} {}",
                process.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    /// What it listens at, by the name in its ready file.
    pub(super) fn address(&self, what: &str) -> String {
        self.bound[what].as_str().unwrap().to_owned()
    }

    /// A gateway's URL.
    pub(super) fn http(&self) -> String {
        format!("http://{}", self.address("gateway"))
    }

    /// What its operator's port says: the status, and the text.
    pub(super) async fn operator(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.address("operator"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .get(url)
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until it says that it is ready.
    pub(super) async fn ready(&self) {
        until(&format!("{} is ready", self.name), PATIENCE, || async {
            self.operator("/readyz")
                .await
                .filter(|(status, _)| *status == 200)
        })
        .await;
    }

    /// Waits until it says that it isn't, with these words.
    pub(super) async fn unready(&self, why: &str) {
        until(&format!("{} says that {why}", self.name), PATIENCE, || async {
            let (status, said) = self.operator("/readyz").await?;
            (status == 503 && said.contains(why)).then_some(())
        })
        .await;
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM. What it ended with, and how long it took.
    pub(super) async fn leave(&mut self) -> (Option<i32>, Duration) {
        let mut child = self.child.take().unwrap();
        let began = Instant::now();
        let id = child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        while began.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait().unwrap() {
                return (status.code(), began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("{} did not leave: {}", self.name, self.log());
    }

    /// What it printed.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// What a command says that is given beside it, as its machine's operator gives it.
    pub(super) fn beside(&self, arguments: &[&str], env: &[(String, String)]) -> String {
        let mut command = greenroom(self.home.path());
        let said = command.args(arguments).envs(env.iter().cloned()).output();
        let Output {
            status,
            stdout,
            stderr,
        } = said.unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(
            status.success(),
            "{}: {arguments:?}: {stdout} {stderr}",
            self.name
        );
        stdout
    }

    /// The file that says that it serves.
    pub(super) fn ready_file(&self) -> PathBuf {
        self.home.path().join("ready.json")
    }

    /// No panic was logged.
    pub(super) fn assert_calm(&self) {
        let log = self.log();
        let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked at")).collect();
        assert!(panics.is_empty(), "{}: {panics:#?}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("last lines of {}'s log:\n{last}", self.name);
        }
    }
}
