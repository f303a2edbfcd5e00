//! A task's journal leaves the real binary as a document, and the agents' test kit replays it.

use std::sync::Arc;

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::testkit::{End, Replay};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::agents::known;
use crate::support::{Client, FakeModel, Options, Server};

/// Asks a model about the whole conversation, and keeps count by an effect of its own.
struct Talker {
    effect: &'static str,
}

#[async_trait]
impl Agent for Talker {
    fn card(&self) -> Card {
        Card::new("talker", "1.0.0", "Talks")
    }

    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError> {
        let said = ctx.history().iter().map(|message| message.content.clone());
        let mut messages: Vec<ModelMessage> = said
            .map(|text| ModelMessage::text(ModelRole::User, text))
            .collect();
        messages.push(ModelMessage::text(ModelRole::User, task.text()?));
        let request = ModelRequest {
            messages,
            ..ModelRequest::default()
        };
        let answer = ctx.model(request).visible().await?;
        let luck = ctx.random();
        // Long enough to be stored apart from its entry.
        let count = async { Ok("x".repeat(40_000)) };
        let counted: String = ctx.step(self.effect, Effect::NonIdempotent, count).await?;
        Output::text(answer.content).with_data(&json!([luck, counted.len()]))
    }
}

fn export(server: &Server, id: &str) -> (String, Value) {
    let file = server.store().with_file_name("journal.json");
    let mut command = server.command();
    command
        .args(["tasks", "export", id, "--store"])
        .arg(server.store());
    let printed = command.output().unwrap();
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    let written = command.arg("--output").arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&written.stdout);
    assert!(
        written.status.success() && told.ends_with(" entries, with their content\n"),
        "{told}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), value);
    (text, value)
}

#[tokio::test]
async fn an_exported_journal_is_replayed_and_a_changed_agent_is_told_apart() {
    let model = FakeModel::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let agents = AgentHost::new().agent(Arc::new(Talker { effect: "count" }));
    let hosting = tokio::spawn(agents.serve(listener, stop.clone()));
    let mut server = Server::start(Options {
        model: Some(model.url.clone()),
        agents: vec![host],
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    known(&client, "talker").await;
    let first = client
        .send_chat(json!({ "agent": "talker", "content": "one" }))
        .await
        .data();
    let session = first["sendChat"]["session"]["id"].clone();
    let second = client
        .send_chat(json!({ "agent": "talker", "sessionId": session, "content": "two" }))
        .await
        .data();
    let id = second["sendChat"]["task"]["id"].as_str().unwrap().to_owned();

    let (text, value) = export(&server, &id);
    assert_eq!(value["format"], "greenroom.task-journal");
    assert_eq!((&value["version"], &value["task"]), (&json!(1), &json!(id)));
    assert_eq!(
        value["history"].as_array().unwrap().len(),
        2,
        "{}",
        value["history"]
    );
    let replay = Replay::from_json(&text).unwrap();
    let replayed = replay.of(Arc::new(Talker { effect: "count" })).await.unwrap();
    assert_eq!(replayed.steps, 2);
    let Some(End::Completed { content, .. }) = &replayed.end else {
        panic!("{replayed:?}")
    };
    assert_eq!(*content, Some(FakeModel::answer("two")));
    let changed = replay.of(Arc::new(Talker { effect: "tally" })).await.unwrap_err();
    let why = changed.to_string();
    assert!(
        why.contains("an effect (count)") && why.contains("an effect (tally)"),
        "{why}"
    );

    // The same from the store alone.
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(export(&server, &id).1, value);
    let unknown = server
        .command()
        .args(["tasks", "export", "nobody.0", "--store"])
        .arg(server.store())
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    stop.cancel();
    hosting.await.unwrap().unwrap();
}
