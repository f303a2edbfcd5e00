//! The agent hosts of `examples/`, written in other languages: processes that are killed and come back.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::house::root;

/// A language that an example is written in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Language {
    Python,
    TypeScript,
}

impl Language {
    /// What the names of its agents end in.
    fn suffix(self) -> &'static str {
        match self {
            Self::Python => "py",
            Self::TypeScript => "ts",
        }
    }
}

/// One example's process, on one port, and the shop that its agents work in: a file that no crash reaches.
pub(crate) struct ForeignHost {
    language: Language,
    home: TempDir,
    env: Vec<(String, String)>,
    child: Option<Child>,
    pub(crate) url: String,
}

impl ForeignHost {
    pub(crate) async fn start(language: Language) -> Self {
        Self::start_with(language, Vec::new()).await
    }

    /// With more environment.
    pub(crate) async fn start_with(language: Language, env: Vec<(String, String)>) -> Self {
        let home = tempfile::tempdir().unwrap();
        if matches!(language, Language::TypeScript) {
            compile(home.path());
        }
        let mut host = Self {
            language,
            home,
            env,
            child: None,
            url: String::new(),
        };
        host.launch("127.0.0.1:0").await;
        host
    }

    /// The name of one of its agents.
    pub(crate) fn agent(&self, name: &str) -> String {
        format!("{name}-{}", self.language.suffix())
    }

    /// Where its example is in the repository.
    pub(crate) fn folder(&self) -> &'static str {
        match self.language {
            Language::Python => "examples/python-agent",
            Language::TypeScript => "examples/typescript-agent",
        }
    }

    /// What the judge of hosts says of one of its agents.
    pub(crate) async fn judged(&self, agent: &str, input: &str) -> String {
        let mut judge = python();
        judge.args(["check.py", &self.url, &self.agent(agent), input]);
        said(judge).await
    }

    /// What a program in Python says, in the example's folder.
    pub(crate) async fn in_python(&self, program: &str, arguments: &[&str]) -> String {
        let mut asking = python();
        asking.args(["-c", program]).args(arguments);
        said(asking).await
    }

    /// What a program says that imports what the TypeScript example was compiled to.
    pub(crate) async fn in_node(&self, program: &str, arguments: &[&str]) -> String {
        let mut node = Command::new("node");
        node.args(["--input-type=module", "-e", program, "--"])
            .args(arguments)
            .current_dir(self.home.path());
        said(node).await
    }

    /// Starts the process where it was before.
    pub(crate) async fn restart(&mut self) {
        let address = self.url.split_once("://").map_or("", |(_, rest)| rest).to_owned();
        self.launch(&address).await;
    }

    async fn launch(&mut self, address: &str) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("host.log"))
            .unwrap();
        let mut child = self
            .command()
            .args(["--listen", address])
            .env("GREENROOM_PROTO", root().join("proto"))
            .env("SHOP_FILE", self.shop())
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        let line = ready
            .expect("the host starts in time")
            .unwrap()
            .unwrap_or_default();
        self.url = line
            .strip_prefix("ready: ")
            .unwrap_or_else(|| panic!("the host said {line:?}: {}", self.log()))
            .to_owned();
        self.child = Some(child);
    }

    fn command(&self) -> Command {
        match self.language {
            Language::Python => {
                let mut python = python();
                python.arg("agent.py");
                python
            }
            Language::TypeScript => {
                let mut node = Command::new("node");
                node.arg("dist/agent.js").current_dir(self.home.path());
                node
            }
        }
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let id = child.id()?.to_string();
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(15), child.wait()).await;
        ended.expect("the host ends on SIGTERM").unwrap().code()
    }

    fn shop(&self) -> PathBuf {
        self.home.path().join("shop.jsonl")
    }

    /// What happened to an item in the shop, in order.
    pub(crate) fn noted(&self, what: &str, item: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.shop()).unwrap_or_default();
        // The last line may be in the writing.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["what"] == what && line["item"] == item)
            .collect()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("host.log")).unwrap_or_default()
    }
}

impl Drop for ForeignHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log());
        }
    }
}

/// Whatever a program says until it ends.
async fn said(mut program: Command) -> String {
    let output = program.kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await;
    let output = output.expect("the program comes to an end").unwrap();
    [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .concat()
}

/// Python in its example's folder, leaving nothing there.
fn python() -> Command {
    let mut python = Command::new(parts().join("python-agent/bin/python"));
    python.arg("-B").current_dir(root().join("examples/python-agent"));
    python
}

fn parts() -> PathBuf {
    std::env::var_os("GREENROOM_TEST_PARTS")
        .expect("run by `cargo xtask test`")
        .into()
}

/// Compiles the TypeScript example beside its installed packages, as its README does in place.
fn compile(home: &Path) {
    let example = root().join("examples/typescript-agent");
    std::fs::create_dir(home.join("src")).unwrap();
    for entry in std::fs::read_dir(example.join("src")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), home.join("src").join(entry.file_name())).unwrap();
    }
    for file in ["package.json", "tsconfig.json"] {
        std::fs::copy(example.join(file), home.join(file)).unwrap();
    }
    let modules = parts().join("typescript-agent/node_modules");
    std::os::unix::fs::symlink(modules, home.join("node_modules")).unwrap();
    let compiled = std::process::Command::new("npm")
        .args(["run", "--silent", "build"])
        .current_dir(home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compiled.stdout);
    assert!(compiled.status.success(), "{said}");
}
