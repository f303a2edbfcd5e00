//! Approvals: asked once, answered by a person, over a restart.

use std::time::Duration;

use serde_json::{Value, json};

use crate::agents::known;
use crate::support::{Client, FakeModel, Options, Server, ToolHost, nodes, until};

const RESOLVE: &str = "mutation($input: ResolveTaskInput!) { resolveTask(input: $input) { id status } }";

async fn waiting(client: &Client, name: &str) -> (String, Value) {
    let task = client.run("asker", name).await;
    assert_eq!(task["status"], "WAITING", "{task}");
    let id = task["id"].as_str().unwrap().to_owned();
    let steps = client.task(&id).await["steps"].clone();
    (id, nodes(&steps)[0].clone())
}

async fn ended(client: &Client, id: &str) -> Value {
    until("the task ends", Duration::from_secs(20), || async {
        let task = client.task(id).await;
        matches!(
            task["status"].as_str(),
            Some("COMPLETED" | "FAILED" | "CANCELLED")
        )
        .then_some(task)
    })
    .await
}

#[tokio::test]
async fn an_approval_waits_over_a_crash_and_is_answered_once() {
    let model = FakeModel::start().await;
    let host = ToolHost::start().await;
    let options = Options {
        model: Some(model.url.clone()),
        agents: vec![host.url.clone()],
        ..Options::default()
    };
    let mut server = Server::start(options).await;
    let mut client = Client::new(&server.http);
    known(&client, "asker").await;
    let (id, step) = waiting(&client, "it").await;
    assert_eq!(step["kind"], "APPROVAL");
    assert_eq!(step["prompt"], "may I do it?");
    server.kill();
    server.launch(&[]).await;
    client = client.at(&server.http);
    known(&client, "asker").await;
    assert_eq!(client.task(&id).await["status"], "WAITING");
    let wrong = json!({ "input": { "taskId": id, "stepSeq": step["seq"], "action": "SETTLE_DONE" } });
    assert_eq!(client.call(RESOLVE, wrong).await.code(), "BAD_USER_INPUT");
    let yes =
        json!({ "input": { "taskId": id, "stepSeq": step["seq"], "action": "APPROVE", "note": "fine" } });
    client.call(RESOLVE, yes.clone()).await.data();
    let task = ended(&client, &id).await;
    assert_eq!(task["response"]["content"], "done: fine", "{task}");
    // The same answer again changes nothing.
    client.call(RESOLVE, yes).await.data();
    assert_eq!(host.ledger.counts("approved")["it"], 1);

    let (id, step) = waiting(&client, "that").await;
    let no = json!({ "input": { "taskId": id, "stepSeq": step["seq"], "action": "REJECT" } });
    client.call(RESOLVE, no).await.data();
    assert_eq!(ended(&client, &id).await["response"]["content"], "left alone");
    assert_eq!(host.ledger.counts("refused")["that"], 1);
}
