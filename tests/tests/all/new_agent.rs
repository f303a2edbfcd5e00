//! `greenroom new agent`: the project that it makes is built, tested, served and chatted with, and then changed
//! while a task runs.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::agents::known;
use crate::house::root;
use crate::support::{Client, FakeModel, Options, Server, until};

const NAME: &str = "shop-keeper";

/// A project in a folder of its own. Its build is kept between runs.
struct Project {
    _folder: tempfile::TempDir,
    place: PathBuf,
    built: PathBuf,
}

impl Project {
    fn make(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = server.command();
        command.args(["new", "agent", NAME, "--sdk"]).arg(root());
        let made = command.current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let said = String::from_utf8_lossy(&made.stdout).to_string();
        assert!(said.contains("greenroom chat --agent shop-keeper"), "{said}");
        let again = command.output().unwrap();
        assert_eq!(again.status.code(), Some(1));
        Self {
            place: folder.path().join(NAME),
            built: root().join("target/new-agent"),
            _folder: folder,
        }
    }

    /// Runs cargo there, with what this machine has if that is enough.
    fn cargo(&self, words: &[&str]) {
        let run = |offline: &[&str]| -> Output {
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            command.args(words).args(offline).current_dir(&self.place);
            command
                .env("CARGO_TARGET_DIR", &self.built)
                .env_remove("RUSTFLAGS");
            command.output().unwrap()
        };
        let mut output = run(&["--offline"]);
        if !output.status.success() {
            output = run(&[]);
        }
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "cargo {words:?}: {}",
            String::from_utf8_lossy(&said)
        );
    }

    /// Changes a text of its program.
    fn edit(&self, from: &str, to: &str) {
        let file = self.place.join("src/main.rs");
        let program = std::fs::read_to_string(&file).unwrap();
        assert!(program.contains(from), "{program}");
        std::fs::write(file, program.replace(from, to)).unwrap();
    }

    fn serve(&self, listen: &str) -> Served {
        let mut command = Command::new(self.built.join("debug").join(NAME));
        command
            .env("GREENROOM__AGENT__LISTEN", listen)
            .stdout(Stdio::null());
        Served(command.spawn().unwrap())
    }
}

/// The running agent.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address that was free a moment ago: the agent's port must stay the same over its restart.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
#[ignore = "builds a project of its own: a minute or two, and cargo's registry"]
async fn a_new_agent_compiles_survives_crashes_chats_and_is_followed_through_its_change() {
    let begun = Instant::now();
    let model = FakeModel::start().await;
    let listen = free_address();
    let server = Server::start(Options {
        agents: vec![format!("http://{listen}")],
        model: Some(model.url.clone()),
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);

    let project = Project::make(&server);
    project.cargo(&["build"]);
    let served = project.serve(&listen);
    known(&client, NAME).await;
    let mut chat = server.command();
    chat.args(["chat", "--url", &server.http, "--agent", NAME, "--once", "hello"]);
    let said = tokio::task::spawn_blocking(move || chat.output().unwrap())
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    assert_eq!(
        answer,
        FakeModel::answer("hello"),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    println!(
        "from `greenroom new agent` to an answer: {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    // What the kit's one line says of it.
    project.cargo(&["test"]);
    println!("its own test as well: {:.0} s", begun.elapsed().as_secs_f64());

    // A task is in the middle of its model's answer when its agent is stopped, and another one started.
    project.edit(
        "Output::text(answer.content)",
        "Output::text(answer.content + \" Bye!\")",
    );
    project.cargo(&["build"]);
    model.slow(Duration::from_millis(100));
    let accepted = client
        .execute(json!({ "agent": NAME, "input": { "content": "moving" }, "wait": "ACCEPTED" }))
        .await
        .data();
    let id = accepted["executeTaskOnAgent"]["id"].as_str().unwrap().to_owned();
    until("the model is asked", Duration::from_secs(20), || async {
        model.asked().get("moving").map(|_| ())
    })
    .await;
    drop(served);
    let _served = project.serve(&listen);
    let task = until("the task ends", Duration::from_secs(60), || async {
        let task = client.task(&id).await;
        (task["status"] == "COMPLETED" || task["status"] == "FAILED").then_some(task)
    })
    .await;
    let content = task["response"]["content"].as_str().unwrap_or_default();
    assert!(content.starts_with(&FakeModel::answer("moving")), "{task}");
    assert_eq!(task["response"]["attempts"], 2, "{task}");
    let next = client.run(NAME, "and now").await;
    let expected = format!("{} Bye!", FakeModel::answer("and now"));
    assert_eq!(next["response"]["content"], expected, "{next}");
    server.assert_calm();
}
