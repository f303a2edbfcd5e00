//! Backup and restore by the real binary, while it works.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, Options, Server, until};

const SOON: Duration = Duration::from_secs(60);
const CALLERS: usize = 8;

async fn greenroom(server: &Server, arguments: &[&str]) -> Output {
    let mut command = server.command();
    command.args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    ended.await.unwrap()
}

/// What a command printed that did what it was asked for.
async fn done(server: &Server, arguments: &[&str]) -> Value {
    let output = greenroom(server, arguments).await;
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complained}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command complained of that did nothing: one line.
async fn refused(server: &Server, arguments: &[&str]) -> String {
    let output = greenroom(server, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Callers who go on until they are stopped, and what was acknowledged to them: content by the task's id.
struct Load {
    acknowledged: Arc<Mutex<BTreeMap<String, String>>>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let mut load = Self {
            acknowledged: Arc::default(),
            stop: Arc::default(),
            callers: JoinSet::new(),
        };
        for caller in 0..CALLERS {
            let (client, acknowledged, stop) = (
                client.clone(),
                Arc::clone(&load.acknowledged),
                Arc::clone(&load.stop),
            );
            load.callers.spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let content = format!("caller {caller}, call {number}");
                    let turn = json!({ "agent": "echo", "content": content, "wait": "ACCEPTED" });
                    let answer = client.send_chat(turn).await;
                    if let Some(id) = answer.body["data"]["sendChat"]["task"]["id"].as_str() {
                        acknowledged.lock().insert(id.to_owned(), content);
                    }
                }
            });
        }
        load
    }

    fn acknowledged(&self) -> BTreeMap<String, String> {
        self.acknowledged.lock().clone()
    }

    async fn more_than(&self, count: usize) {
        until("the callers are served", SOON, async || {
            (self.acknowledged.lock().len() > count).then_some(())
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_under_load_brings_back_all_that_was_acknowledged_before_it() {
    let mut server = Server::start(Options::default()).await;
    let client = Client::new(&server.http);
    let store = server.store().display().to_string();
    let load = Load::start(&client);
    load.more_than(60).await;

    let before = load.acknowledged();
    let told = done(&server, &["backup", "copy.sqlite", "--store", &store, "--json"]).await;
    assert!(told["tasks"].as_u64().unwrap() >= before.len() as u64, "{told}");
    load.more_than(load.acknowledged().len() + 40).await;
    assert!(load.acknowledged().len() > before.len() + 40);

    // Not over a process, though it be said twice.
    let said = refused(&server, &["restore", "copy.sqlite", "--store", &store, "--force"]).await;
    assert!(
        said.contains("in use by another process") && said.contains(&server.process().to_string()),
        "{said}"
    );
    load.end().await;
    server.kill();
    let said = refused(&server, &["restore", "copy.sqlite", "--store", &store]).await;
    assert!(
        said.contains("is there already") && said.contains("--force"),
        "{said}"
    );
    let told = done(
        &server,
        &["restore", "copy.sqlite", "--store", &store, "--force", "--json"],
    )
    .await;
    let aside = told["aside"].as_str().unwrap().to_owned();

    assert!(server.launch(&[]).await, "{}", server.log());
    let client = client.at(&server.http);
    for (id, content) in &before {
        let task = until("it is done", SOON, async || {
            let task = client.task(id).await;
            assert!(!task.is_null(), "{id} was acknowledged before the backup");
            (task["status"] == "COMPLETED").then_some(task)
        })
        .await;
        assert_eq!(task["response"]["content"], **content);
    }
    // It is one to work on, and the one before is whole.
    assert_eq!(client.run("echo", "on").await["status"], "COMPLETED");
    server.assert_calm();
    let all = done(
        &server,
        &["tasks", "list", "--store", &aside, "--limit", "100", "--json"],
    )
    .await;
    assert_eq!(all["tasks"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_backup_of_a_table_is_left_to_aws_by_name() {
    let mut server = Server::start(Options::default()).await;
    server.kill();
    std::fs::write(
        server.home().join("table.toml"),
        "[store]\nkind = \"dynamodb\"\ntable_prefix = \"prod\"\nregion = \"eu-west-1\"\n",
    )
    .unwrap();
    let said = refused(&server, &["--config", "table.toml", "backup", "copy"]).await;
    assert!(
        said.contains("create-backup --table-name prod-journal --backup-name NAME --region eu-west-1"),
        "{said}"
    );
    let said = refused(&server, &["--config", "table.toml", "restore", "copy"]).await;
    assert!(
        said.contains("restore-table-to-point-in-time --source-table-name prod-journal"),
        "{said}"
    );
}
