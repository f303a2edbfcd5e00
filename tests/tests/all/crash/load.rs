//! Clients that go on whatever happens to the server, and what was acknowledged to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::Client;

const EXECUTE: &str = "mutation($input: ExecuteTaskInput!) { executeTaskOnAgent(input: $input) { id } }";
const SEND: &str = "mutation($input: SendChatInput!) { sendChat(input: $input) { task { id } } }";
const RESOLVE: &str = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id } }";
pub(super) const CREATE: &str = "mutation($id: ID) { createSession(id: $id) { id } }";
const RENAME: &str = "mutation($input: UpdateSessionInput!) { updateSession(input: $input) { id } }";
const DELETE: &str = "mutation($id: ID!) { deleteSession(id: $id) }";

/// What was acknowledged, by the name of the work.
#[derive(Default)]
pub(super) struct Acknowledged {
    pub(super) tasks: BTreeMap<String, String>,
    /// The turns of each session, in the order in which they were acknowledged.
    pub(super) turns: BTreeMap<String, Vec<(String, String)>>,
    pub(super) approvals: Vec<String>,
    /// Sessions whose deletion was acknowledged.
    pub(super) deleted: Vec<String>,
}

/// Clients that go on whatever happens to the server: a call that was not answered is repeated with its key.
pub(super) struct Load {
    pub(super) address: watch::Receiver<String>,
    /// While it holds, nothing new is sent.
    pub(super) hold: watch::Receiver<bool>,
    pub(super) stop: CancellationToken,
    pub(super) acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Load {
    fn client(&self) -> Client {
        Client::new(&self.address.borrow())
    }

    /// Repeats a mutation until it is accepted; none once the load has to stop.
    async fn insist(&self, query: &str, input: Value, field: &str) -> Option<Value> {
        loop {
            let client = self.client();
            let call = client.try_call(query, json!({ "input": input }));
            let answer = tokio::time::timeout(Duration::from_secs(20), call)
                .await
                .ok()
                .flatten();
            if let Some(accepted) = answer.and_then(|answer| accepted(&answer.body, field)) {
                return Some(accepted);
            }
            if self.stop.is_cancelled() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits while the load is held.
    async fn go_on(&self) {
        let mut hold = self.hold.clone();
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = hold.wait_for(|hold| !hold) => {}
        }
    }

    /// Tasks one after the other.
    pub(super) async fn tasks(self, worker: usize) {
        for number in 0.. {
            self.go_on().await;
            if self.stop.is_cancelled() {
                return;
            }
            let name = format!("task-{worker}-{number}");
            let input = json!({ "agent": "worker", "input": { "content": name }, "wait": "ACCEPTED", "idempotencyKey": name });
            let Some(task) = self.insist(EXECUTE, input, "executeTaskOnAgent").await else {
                return;
            };
            let id = task["id"].as_str().unwrap().to_owned();
            self.acknowledged.lock().tasks.insert(name, id);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The turns of one session, some of them sent before the one before has ended.
    pub(super) async fn turns(self, session: String) {
        for number in 0.. {
            self.go_on().await;
            if self.stop.is_cancelled() {
                return;
            }
            let content = format!("{session}-{number}");
            let input = json!({ "sessionId": session, "content": content, "wait": "ACCEPTED", "idempotencyKey": content });
            let Some(turn) = self.insist(SEND, input, "sendChat").await else {
                return;
            };
            let id = turn["task"]["id"].as_str().unwrap().to_owned();
            self.acknowledged
                .lock()
                .turns
                .entry(session.clone())
                .or_default()
                .push((id, content));
            tokio::time::sleep(Duration::from_millis(if number % 3 == 0 { 60 } else { 5 })).await;
        }
    }
}

impl Load {
    /// Approvals, each answered as soon as it is asked for.
    pub(super) async fn approvals(self) {
        for number in 0.. {
            self.go_on().await;
            if self.stop.is_cancelled() {
                return;
            }
            let name = format!("approval-{number}");
            let input = json!({ "agent": "asker", "input": { "content": name }, "wait": "ACCEPTED", "idempotencyKey": name });
            let Some(task) = self.insist(EXECUTE, input, "executeTaskOnAgent").await else {
                return;
            };
            let id = task["id"].as_str().unwrap().to_owned();
            self.acknowledged.lock().approvals.push(id.clone());
            self.approve(&id).await;
        }
    }

    /// Answers the question of a task, once it is asked.
    pub(super) async fn approve(&self, id: &str) {
        let query = "query($id: ID!) { getTask(id: $id) { status steps { edges { node { seq status } } } } }";
        loop {
            let client = self.client();
            let looked = client.try_call(query, json!({ "id": id })).await;
            let task = looked
                .map(|answer| answer.body["data"]["getTask"].clone())
                .unwrap_or_default();
            if task["status"] == "WAITING" {
                let input = json!({ "taskId": id, "stepSeq": 0, "action": "APPROVE" });
                self.insist(RESOLVE, input, "resolveTask").await;
                return;
            }
            if task["status"] == "COMPLETED" || self.stop.is_cancelled() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sessions that are renamed and deleted in the middle of a turn.
    pub(super) async fn deletions(self) {
        for number in 0.. {
            self.go_on().await;
            if self.stop.is_cancelled() {
                return;
            }
            let id = format!("doomed-{number}");
            let steps = [
                (CREATE, json!({ "id": id })),
                (RENAME, json!({ "input": { "id": id, "title": "not for long" } })),
                (
                    SEND,
                    json!({ "input": { "sessionId": id, "content": id, "wait": "ACCEPTED", "idempotencyKey": id } }),
                ),
                (DELETE, json!({ "id": id })),
            ];
            for (mutation, variables) in steps {
                loop {
                    let answer = self.client().try_call(mutation, variables.clone()).await;
                    // Repeated after a lost answer, it finds that it was done.
                    let done = answer.as_ref().is_some_and(|answer| {
                        answer.body["errors"].is_null() || matches!(answer.code(), "CONFLICT" | "NOT_FOUND")
                    });
                    if done {
                        break;
                    }
                    if self.stop.is_cancelled() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            self.acknowledged.lock().deleted.push(id);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// What was accepted; `None` asks to repeat the call, which only a passing failure may.
fn accepted(body: &Value, field: &str) -> Option<Value> {
    if let Some(error) = body["errors"].get(0) {
        let retryable =
            error["extensions"]["retryable"] == true || error["extensions"]["code"] == "NOT_FOUND";
        assert!(retryable, "{body}");
        return None;
    }
    Some(body["data"][field].clone())
}

/// A subscriber that reconnects by its cursor, and what it saw.
pub(super) struct Follower {
    pub(super) session: String,
    pub(super) events: Vec<Value>,
}

pub(super) async fn follow(
    session: String,
    address: watch::Receiver<String>,
    stop: CancellationToken,
) -> Follower {
    let mut events: Vec<Value> = Vec::new();
    let mut cursor = "0".to_owned();
    while !stop.is_cancelled() {
        let client = Client::new(&address.borrow().clone());
        let Some(mut stream) = client.on_chat(&session, Some(&cursor)).await else {
            tokio::time::sleep(Duration::from_millis(30)).await;
            continue;
        };
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = stream.next() => event,
            };
            let Some(event) = event.filter(|event| event.is_object()) else {
                break;
            };
            cursor = event["cursor"].as_str().unwrap().to_owned();
            events.push(event);
        }
    }
    Follower { session, events }
}
