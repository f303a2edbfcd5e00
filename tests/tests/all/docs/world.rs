//! Where the documents' commands are run: a model, a host with the documents' agents, and a server that may be killed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::agents::host;
use crate::agents::known;
use crate::support::{Client, FakeModel, Options, Server, nodes, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a page is told in.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) model: FakeModel,
    pub(super) client: Client,
    up: bool,
    stop: CancellationToken,
}

impl World {
    /// With a model server, which the server is told of or not.
    pub(super) async fn start(model: FakeModel, told: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let agents = vec![format!("http://{}", listener.local_addr().unwrap())];
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { host().serve(listener, stopped).await.unwrap() });
        let server = Server::start(Options {
            model: told.then(|| model.url.clone()),
            agents,
            ..Options::default()
        })
        .await;
        let client = Client::new(&server.http);
        known(&client, "box-office").await;
        Self {
            server,
            model,
            client,
            up: true,
            stop,
        }
    }

    /// SIGKILL, once `task` is inside a step, or soon.
    pub(super) async fn kill(&mut self, task: Option<&str>) {
        let begun = std::time::Instant::now();
        while let Some(task) = task
            && begun.elapsed() < Duration::from_secs(2)
        {
            let steps = nodes(&self.client.task(task).await["steps"]);
            if steps.iter().any(|step| step["status"] == "STARTED") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.server.kill();
        self.up = false;
    }

    /// Starts the server: after its death, or anew with another configuration file.
    pub(super) async fn launch(&mut self, config: Option<&str>) {
        if let Some(config) = config {
            std::fs::write(self.server.home().join("greenroom.toml"), config).unwrap();
            self.server.kill();
            self.up = false;
        }
        if self.up {
            return;
        }
        assert!(self.server.launch(&[]).await, "{}", self.server.log());
        self.up = true;
        self.client = self.client.at(&self.server.http);
        known(&self.client, "box-office").await;
    }

    /// A command of the binary, which finds this server, its store and its model.
    pub(super) fn command(&self) -> std::process::Command {
        let mut command = self.server.command();
        command
            .env("GREENROOM_URL", &self.server.http)
            .env("GREENROOM__STORE__PATH", self.server.store())
            .env("OPENAI_API_KEY", "test")
            .env("OPENAI_BASE_URL", &self.model.url);
        command
    }

    /// The program that embeds what this server is made of, on a store of its own and with this world's model.
    pub(super) async fn embedded(&self) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.server.command_of("embedding");
        command
            .current_dir(folder.path())
            .env("OPENAI_BASE_URL", &self.model.url);
        // The model answers on this thread.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{}: {said}{complained}", output.status);
        let expected = format!("Completed: {}\n", FakeModel::answer("I am Ada."));
        assert_eq!(said, expected);
        assert!(folder.path().join("embedded.sqlite").exists());
    }

    /// A turn at the box office that asks its question and waits.
    pub(super) async fn waiting(&self, session: &str) -> String {
        let made = "mutation($id: ID!) { createSession(id: $id) { id } }";
        self.client.call(made, json!({ "id": session })).await.data();
        let input = json!({ "sessionId": session, "agent": "box-office", "input": { "content": "Hamlet" } });
        let task = self.client.execute(input).await.data()["executeTaskOnAgent"].clone();
        assert_eq!(task["status"], "WAITING", "{task}");
        task["id"].as_str().unwrap().to_owned()
    }

    /// A task that was charging when its server died; and the step in question.
    pub(super) async fn unknown(&mut self, session: &str) -> (String, u64) {
        let id = self.waiting(session).await;
        let asked = self.step_in(&id, "WAITING").await;
        let resolve = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id } }";
        let yes = json!({ "input": { "taskId": id, "stepSeq": asked, "action": "APPROVE" } });
        self.client.call(resolve, yes).await.data();
        self.step_in(&id, "STARTED").await;
        self.kill(None).await;
        self.launch(None).await;
        let step = self.step_in(&id, "OUTCOME_UNKNOWN").await;
        (id, step)
    }

    /// The number of the task's step in that state, once there is one.
    async fn step_in(&self, id: &str, status: &str) -> u64 {
        until(&format!("a step is {status}"), PATIENCE, || async {
            let steps = nodes(&self.client.task(id).await["steps"]);
            let step = steps.into_iter().find(|step| step["status"] == status)?;
            step["seq"].as_u64()
        })
        .await
    }

    /// Sixty-four open turns in a session, which is all it takes.
    pub(super) async fn crowd(&self, session: &str) {
        self.waiting(session).await;
        for turn in 1..64 {
            let input =
                json!({ "sessionId": session, "content": format!("line {turn}"), "wait": "ACCEPTED" });
            self.client.send_chat(input).await.data();
        }
    }

    /// A task and a step for a command about one, in the state that the command is for.
    pub(super) async fn fixture(&mut self, verb: &str, session: &str) -> (String, u64) {
        match verb {
            "settle" => self.unknown(session).await,
            "retry" => {
                let id = self.waiting(session).await;
                let cancel = "mutation($id: ID!) { cancelTask(id: $id) { id } }";
                self.client.call(cancel, json!({ "id": id })).await.data();
                (id, 0)
            }
            _ => (self.waiting(session).await, 0),
        }
    }

    /// No panic but the agents' own.
    pub(super) fn end(self) {
        self.server.assert_calm();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The id of the first task in an answer.
pub(super) fn task_in(answer: &Value) -> Option<String> {
    match answer {
        Value::Object(map) => match (&answer["id"], &answer["status"]) {
            (Value::String(id), Value::String(_)) => Some(id.clone()),
            _ => map.values().find_map(task_in),
        },
        Value::Array(list) => list.iter().find_map(task_in),
        _ => None,
    }
}
