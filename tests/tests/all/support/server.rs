//! One `greenroom dev` process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::Disk;

/// How the process is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Agent hosts to join.
    pub(crate) agents: Vec<String>,
    /// Base URL of an OpenAI-compatible model server.
    pub(crate) model: Option<String>,
    /// What `greenroom.toml` says.
    pub(crate) config: Option<String>,
    /// Whether the store is the table that `config` or the environment names, and no file.
    pub(crate) table: bool,
    /// More environment.
    pub(crate) env: Vec<(String, String)>,
    /// Where the store is, if not with the rest.
    pub(crate) disk: Option<Arc<Disk>>,
    /// Another build of the binary than the one that is tested.
    pub(crate) binary: Option<PathBuf>,
    /// Whether later starts listen where the first did: for clients that don't ask where.
    pub(crate) keep_port: bool,
}

/// A running server on a store that outlives it.
pub(crate) struct Server {
    options: Options,
    home: TempDir,
    child: Option<Child>,
    /// Where to listen: 0 for anywhere.
    port: u16,
    pub(crate) http: String,
    pub(crate) operator: String,
    pub(crate) starts: u32,
}

/// The binary under test: the one the runner built, else the one beside this test.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GREENROOM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = profile.join("greenroom");
    assert!(
        binary.exists(),
        "build the binary first: cargo build --package greenroom"
    );
    binary
}

impl Server {
    /// Starts one on a new store.
    pub(crate) async fn start(options: Options) -> Self {
        let home = tempfile::tempdir().unwrap();
        if let Some(config) = &options.config {
            std::fs::write(home.path().join("greenroom.toml"), config).unwrap();
        }
        let mut server = Self {
            options,
            home,
            child: None,
            port: 0,
            http: String::new(),
            operator: String::new(),
            starts: 0,
        };
        server.launch(&[]).await;
        server
    }

    /// Its working folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The store file.
    pub(crate) fn store(&self) -> PathBuf {
        let folder = self
            .options
            .disk
            .as_ref()
            .map_or(self.home.path(), |disk| disk.path());
        folder.join("greenroom.sqlite")
    }

    /// A command of the binary, with an environment of its own and without any credentials.
    pub(crate) fn command(&self) -> Command {
        let program = self.options.binary.clone().unwrap_or_else(binary);
        let command = match &self.options.disk {
            Some(disk) => disk.command(&program),
            None => Command::new(program),
        };
        self.isolated(command)
    }

    /// The same for another binary of the workspace, which is built beside it.
    pub(crate) fn command_of(&self, name: &str) -> Command {
        let program = binary().with_file_name(name);
        assert!(program.exists(), "build it first: cargo build --workspace --bins");
        self.isolated(Command::new(program))
    }

    fn isolated(&self, mut command: Command) -> Command {
        command.env_clear();
        for keep in ["PATH", "TMPDIR", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(keep) {
                command.env(keep, value);
            }
        }
        command
            .env("HOME", self.home.path())
            .env("RUST_BACKTRACE", "1")
            .current_dir(self.home.path());
        command
    }

    /// Starts the process, with more environment for this start alone, and waits until it serves. False when it
    /// ended before that.
    pub(crate) async fn launch(&mut self, env: &[(&str, &str)]) -> bool {
        self.starts += 1;
        let ready = self.home.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("server.log"))
            .unwrap();
        let mut command = self.command();
        command
            .arg("dev")
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .arg("--ready-file")
            .arg(&ready)
            .env("GREENROOM__OPERATOR__LISTEN", "127.0.0.1:0")
            .env("GREENROOM__AGENT__LISTEN", "127.0.0.1:0")
            .env("GREENROOM__SUPERVISOR__LISTEN", "127.0.0.1:0");
        if !self.options.table {
            command.arg("--store").arg(self.store());
        }
        for agent in &self.options.agents {
            command.args(["--agent", agent]);
        }
        match &self.options.model {
            Some(url) => command.env("OPENAI_API_KEY", "test").env("OPENAI_BASE_URL", url),
            None => command.env("GREENROOM_MODEL_PATH", self.home.path().join("no-model.gguf")),
        };
        command
            .envs(self.options.env.iter().map(|(k, v)| (k, v)))
            .envs(env.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready)
                && let Ok(bound) = serde_json::from_str::<Value>(&text)
            {
                let gateway = bound["gateway"].as_str().unwrap();
                self.http = format!("http://{gateway}");
                if self.options.keep_port {
                    self.port = gateway.rsplit(':').next().unwrap().parse().unwrap();
                }
                self.operator = format!("http://{}", bound["operator"].as_str().unwrap());
                return true;
            }
            if self.has_ended() {
                return false;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "the server did not start: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether the process is gone.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// The exit code of a process that ended by itself.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.as_mut()?.try_wait().unwrap()?.code()
    }

    /// The id of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let _ = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        for _ in 0..1_500 {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let _ = child.kill();
        panic!("the server did not stop on SIGTERM: {}", self.log());
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("server.log")).unwrap_or_default()
    }

    /// No panic was logged.
    pub(crate) fn assert_calm(&self) {
        let log = self.log();
        let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked at")).collect();
        assert!(panics.is_empty(), "{panics:#?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "last lines of the server's log:\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
        self.kill();
    }
}
