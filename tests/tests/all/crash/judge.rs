//! Every promise, checked once the load has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::World;
use super::load::{CREATE, Follower, Load};
use crate::support::{Client, FakeModel, Ledger, nodes, until};

pub(super) struct Summary {
    pub(super) tasks: usize,
    pub(super) deleted: usize,
    pub(super) settled: u32,
    pub(super) starts: u32,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            tasks,
            deleted,
            settled,
            starts,
        } = self;
        write!(
            f,
            "{tasks} tasks and {deleted} deletions acknowledged over {starts} starts, {settled} settled"
        )
    }
}

impl World {
    /// Ends the load, lets everything end, and checks every promise.
    pub(super) async fn judge(mut self) -> Summary {
        self.stop_load.cancel();
        while let Some(ended) = self.load.join_next().await {
            ended.unwrap();
        }
        let client = Client::new(&self.server.http);
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock());
        let turns = acknowledged.turns.values().flatten().map(|(id, _)| id.clone());
        let tasks = acknowledged
            .tasks
            .values()
            .chain(&acknowledged.approvals)
            .cloned();
        let all: BTreeSet<String> = tasks.chain(turns).collect();
        let (mut settled, mut failed) = (0, Vec::new());
        let answerer = Load {
            address: self.address.subscribe(),
            hold: self.hold.subscribe(),
            stop: CancellationToken::new(),
            acknowledged: Arc::clone(&self.acknowledged),
        };
        for id in &acknowledged.approvals {
            answerer.approve(id).await;
        }
        for id in &all {
            let task = self.ended(&client, id, &mut settled).await;
            if task["status"] != "COMPLETED" {
                failed.push(format!("{id}: {} {}", task["status"], task["error"]));
            }
        }
        assert!(
            failed.is_empty(),
            "acknowledged tasks that did not complete: {failed:#?}"
        );
        self.check_effects(&acknowledged.tasks);
        for session in &self.sessions {
            let messages = client.messages(session).await;
            check_order(session, &messages, &acknowledged.turns[session]);
        }
        for id in &acknowledged.deleted {
            let query =
                "query($id: ID!, $task: ID!) { getSession(id: $id) { id } getTask(id: $task) { id } }";
            let left = client
                .call(query, json!({ "id": id, "task": format!("{id}.0") }))
                .await
                .data();
            assert!(
                left["getSession"].is_null() && left["getTask"].is_null(),
                "{id} was deleted: {left}"
            );
            let again = client.call(CREATE, json!({ "id": id })).await;
            assert_eq!(again.code(), "CONFLICT", "a deleted session's id stays taken");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.stop_followers.cancel();
        while let Some(follower) = self.followers.join_next().await {
            let follower = follower.unwrap();
            let messages = client.messages(&follower.session).await;
            check_follower(&follower, &messages);
        }
        self.server.assert_calm();
        Summary {
            tasks: all.len(),
            deleted: acknowledged.deleted.len(),
            settled,
            starts: self.server.starts,
        }
    }

    /// Waits for a task's end, answering for effects of which only the world outside knows whether they happened.
    async fn ended(&self, client: &Client, id: &str, settled: &mut u32) -> Value {
        let mut answered = 0;
        let task = until("an acknowledged task ends", Duration::from_secs(60), || {
            let (client, ledger) = (client.clone(), self.host.ledger.clone());
            async move {
                let task = client.task(id).await;
                assert!(!task.is_null(), "the acknowledged task {id} is lost");
                if task["status"] == "OUTCOME_UNKNOWN" {
                    settle(&client, id, &task, &ledger).await;
                    return Some(Err(()));
                }
                matches!(
                    task["status"].as_str(),
                    Some("COMPLETED" | "FAILED" | "CANCELLED")
                )
                .then_some(Ok(task))
            }
        });
        match task.await {
            Ok(task) => task,
            Err(()) => {
                answered += 1;
                *settled += answered;
                Box::pin(self.ended(client, id, settled)).await
            }
        }
    }

    fn check_effects(&self, tasks: &BTreeMap<String, String>) {
        let (paid, finished) = (self.host.ledger.counts("pay"), self.host.ledger.counts("finish"));
        for name in tasks.keys() {
            assert_eq!(paid.get(name), Some(&1), "{name} was paid once");
            assert!(finished.contains_key(name), "{name} finished");
        }
        // What comes after a step is let go only when that step is durable: nothing before it may happen again.
        let mut reached: BTreeMap<String, usize> = BTreeMap::new();
        for (what, task) in self.host.ledger.all() {
            let Some(place) = ["model", "pay", "write", "finish"]
                .iter()
                .position(|step| *step == what)
            else {
                continue;
            };
            let reached = reached.entry(task.clone()).or_insert(place);
            let may_repeat = what == "write" && *reached == place || what == "model" && *reached == 0;
            assert!(
                place >= *reached || may_repeat,
                "{task}: {what} happened again after a later step"
            );
            *reached = place.max(*reached);
        }
    }
}

async fn settle(client: &Client, id: &str, task: &Value, ledger: &Ledger) {
    let steps = nodes(&task["steps"]);
    let step = steps
        .iter()
        .find(|step| step["status"] == "OUTCOME_UNKNOWN")
        .expect("the unknown step is shown");
    assert_eq!(step["name"], "pay", "only the payment can be unknown: {task}");
    let query = "query($id: ID!) { getTask(id: $id) { input } }";
    let input = client.call(query, json!({ "id": id })).await.data()["getTask"]["input"].clone();
    let name = input["content"].as_str().unwrap();
    let paid = ledger.counts("pay").contains_key(name);
    let (action, value) = if paid {
        ("SETTLE_DONE", json!(format!("receipt for {name}")))
    } else {
        ("SETTLE_NOT_DONE", Value::Null)
    };
    let mutation = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id } }";
    let input = json!({ "taskId": id, "stepSeq": step["seq"], "action": action, "value": value });
    client.call(mutation, json!({ "input": input })).await.data();
}

/// Questions stand in the order in which they were acknowledged, each followed by its own answer.
fn check_order(session: &str, messages: &[Value], turns: &[(String, String)]) {
    let asked: Vec<&str> = messages
        .iter()
        .filter(|m| m["role"] == "USER")
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    let acknowledged: Vec<&str> = turns.iter().map(|(_, content)| content.as_str()).collect();
    assert_eq!(
        asked[..acknowledged.len()],
        acknowledged[..],
        "the order of {session}"
    );
    let answers: Vec<(&str, &str)> = messages
        .iter()
        .filter(|m| m["role"] == "ASSISTANT")
        .map(|m| (m["taskId"].as_str().unwrap(), m["content"].as_str().unwrap()))
        .collect();
    assert!(answers.len() >= acknowledged.len());
    for ((id, content), (task, answer)) in turns.iter().zip(&answers) {
        assert_eq!(
            (id.as_str(), FakeModel::answer(content).as_str()),
            (*task, *answer),
            "in {session}"
        );
    }
}

/// Every journaled event exactly once and in order, and deltas that assemble to the message.
fn check_follower(follower: &Follower, messages: &[Value]) {
    let said: Vec<&Value> = follower
        .events
        .iter()
        .filter(|event| event["kind"] == "MESSAGE")
        .collect();
    let seen: Vec<&str> = said
        .iter()
        .map(|event| event["message"]["id"].as_str().unwrap())
        .collect();
    let journaled: Vec<&str> = messages
        .iter()
        .map(|message| message["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        seen, journaled,
        "the messages of {} as a subscriber saw them",
        follower.session
    );
    let ends = follower
        .events
        .iter()
        .filter(|event| event["kind"] == "COMPLETED");
    let ended: Vec<&str> = ends
        .map(|event| event["taskId"].as_str().or(event["task"]["id"].as_str()).unwrap())
        .collect();
    assert_eq!(
        ended.len(),
        ended.iter().collect::<BTreeSet<_>>().len(),
        "an end was told twice"
    );
    let mut texts: BTreeMap<(String, u64), Vec<u16>> = BTreeMap::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in &follower.events {
        let task = event["taskId"].as_str().unwrap_or_default().to_owned();
        match event["kind"].as_str().unwrap() {
            "DELTA" => {
                let attempt = event["attempt"].as_u64().unwrap();
                let text = texts.entry((task.clone(), attempt)).or_default();
                let offset = usize::try_from(event["offset"].as_u64().unwrap()).unwrap();
                assert!(offset <= text.len(), "a delta at {offset} of {}", text.len());
                text.truncate(offset);
                text.extend(event["delta"].as_str().unwrap().encode_utf16());
                last.insert(task, attempt);
            }
            "MESSAGE" if event["message"]["role"] == "ASSISTANT" => {
                let attempt = last.get(&task).copied().unwrap_or(1);
                let text = texts.get(&(task.clone(), attempt)).cloned().unwrap_or_default();
                assert_eq!(
                    String::from_utf16(&text).unwrap(),
                    event["message"]["content"].as_str().unwrap(),
                    "of {task}"
                );
            }
            _ => {}
        }
    }
}
