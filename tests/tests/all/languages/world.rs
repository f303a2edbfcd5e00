//! The real binary with one example's host joined.

use std::time::Duration;

use serde_json::{Value, json};

use crate::agents::known;
use crate::support::{Client, FakeModel, ForeignHost, Language, Options, Server, nodes, until};

const RESOLVE: &str = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id status } }";
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// A supervisor, a model and one example's host.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) model: FakeModel,
    pub(super) host: ForeignHost,
    pub(super) client: Client,
}

impl World {
    pub(super) async fn start(language: Language) -> Self {
        let model = FakeModel::start().await;
        let host = ForeignHost::start(language).await;
        let options = Options {
            model: Some(model.url.clone()),
            agents: vec![host.url.clone()],
            ..Options::default()
        };
        let server = Server::start(options).await;
        let client = Client::new(&server.http);
        known(&client, &host.agent("buyer")).await;
        Self {
            server,
            model,
            host,
            client,
        }
    }

    /// Kills the supervisor and starts it again.
    pub(super) async fn restart_server(&mut self) {
        self.server.kill();
        assert!(self.server.launch(&[]).await);
        self.client = self.client.at(&self.server.http);
    }

    /// Kills the agents' host and starts it again.
    pub(super) async fn restart_host(&mut self) {
        self.host.kill().await;
        self.host.restart().await;
    }

    /// A task that is not waited for.
    pub(super) async fn begin(&self, agent: &str, input: Value) -> String {
        let input = json!({ "agent": self.host.agent(agent), "input": input, "wait": "ACCEPTED" });
        let task = self.client.execute(input).await.data();
        task["executeTaskOnAgent"]["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn stunt(&self, text: &str) -> Value {
        self.client.run(&self.host.agent("stuntman"), text).await
    }

    pub(super) async fn comes_to(&self, id: &str, status: &str) -> Value {
        until(&format!("{id} is {status}"), PATIENCE, || async {
            let task = self.client.task(id).await;
            let over = matches!(
                task["status"].as_str(),
                Some("COMPLETED" | "FAILED" | "CANCELLED")
            );
            assert!(!over || task["status"] == status, "{task}");
            (task["status"] == status).then_some(task)
        })
        .await
    }

    pub(super) async fn notes(&self, what: &str, item: &str) -> Vec<Value> {
        until(&format!("{item} is {what}"), PATIENCE, || async {
            Some(self.host.noted(what, item)).filter(|noted| !noted.is_empty())
        })
        .await
    }

    pub(super) async fn resolve(&self, id: &str, step: &Value, action: &str, value: Value) {
        let input = json!({ "taskId": id, "stepSeq": step["seq"], "action": action, "value": value });
        self.client.call(RESOLVE, json!({ "input": input })).await.data();
    }

    /// An order that was approved of.
    pub(super) async fn order(&self, order: Value) -> String {
        let id = self.begin("buyer", order.clone()).await;
        let task = self.comes_to(&id, "WAITING").await;
        let asked = nodes(&task["steps"]).pop().unwrap();
        assert_eq!(asked["kind"], "APPROVAL");
        assert_eq!(asked["prompt"]["buy"], order["item"]);
        let advice = FakeModel::answer(&advice_on(order["item"].as_str().unwrap()));
        assert_eq!(asked["prompt"]["advice"], advice);
        self.resolve(&id, &asked, "APPROVE", Value::Null).await;
        id
    }
}

/// What the buyer asks a model.
pub(super) fn advice_on(item: &str) -> String {
    format!("What is {item} good for?")
}
