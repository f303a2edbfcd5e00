//! Agents that panic, hang, go away or come back, seen through the real binary.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;

use crate::support::{Client, FakeModel, Ledger, Options, Server, ToolHost, nodes, until};

pub(crate) async fn world() -> (Server, FakeModel, ToolHost, Client) {
    let model = FakeModel::start().await;
    let host = ToolHost::start().await;
    let options = Options {
        model: Some(model.url.clone()),
        agents: vec![host.url.clone()],
        ..Options::default()
    };
    let server = Server::start(options).await;
    let client = Client::new(&server.http);
    known(&client, "worker").await;
    (server, model, host, client)
}

pub(crate) async fn known(client: &Client, agent: &str) {
    until("the agent is known", Duration::from_secs(20), || async {
        let answer = client
            .try_call(
                "query($n: String!) { getAgentStatus(name: $n) { name } }",
                json!({ "n": agent }),
            )
            .await?;
        (!answer.body["data"]["getAgentStatus"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_takes_every_kind_of_step_once() {
    let (server, model, host, client) = world().await;
    let task = client.run("worker", "job-1").await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    let content = task["response"]["content"].as_str().unwrap();
    assert_eq!(
        content,
        format!("receipt for job-1; {}", FakeModel::answer("job-1"))
    );
    for what in ["pay", "write", "finish"] {
        assert_eq!(host.ledger.counts(what)["job-1"], 1, "{what}");
    }
    assert_eq!(model.asked()["job-1"], 1);
    let steps = client.task(task["id"].as_str().unwrap()).await["steps"].clone();
    let kinds: Vec<_> = nodes(&steps)
        .iter()
        .map(|step| step["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["MODEL", "EFFECT", "EFFECT", "TIMER"]);
    server.assert_calm();
}

#[tokio::test]
async fn a_hand_off_is_a_child_task_and_its_answer_comes_back() {
    let (_server, _, _host, client) = world().await;
    let task = client.run("parent", "ahoy").await;
    assert_eq!(task["response"]["content"], "echo said ahoy", "{task}");
    let query = "query($id: ID!) { getTask(id: $id) { children { edges { node { id agent status } } } } }";
    let children =
        client.call(query, json!({ "id": task["id"] })).await.data()["getTask"]["children"].clone();
    let children = nodes(&children);
    assert_eq!(children[0]["agent"], "echo");
    assert_eq!(children[0]["status"], "COMPLETED");
}

#[tokio::test]
async fn a_panic_loses_one_attempt_and_a_second_one_fails_the_task() {
    let (server, _, host, client) = world().await;
    let task = client.run("moody", "panic-once a").await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert_eq!(task["response"]["attempts"], 2);
    let task = client.run("moody", "panic b").await;
    assert_eq!(task["status"], "FAILED");
    assert_eq!(task["error"]["code"], "AGENT_FAILED");
    assert_eq!(task["error"]["retryable"], true);
    assert_eq!(host.ledger.counts("try")["panic b"], 2);
    let task = client
        .execute(json!({ "agent": "moody", "input": { "content": "fail c" } }))
        .await
        .data();
    assert_eq!(task["executeTaskOnAgent"]["status"], "FAILED");
    assert_eq!(task["executeTaskOnAgent"]["error"]["code"], "BAD_USER_INPUT");
    let status = client
        .call(
            "{ getAgentStatus(name: \"moody\") { health breaker lastError } }",
            json!({}),
        )
        .await
        .data();
    assert!(
        status["getAgentStatus"]["lastError"]
            .as_str()
            .unwrap()
            .contains("panic"),
        "{status}"
    );
    // The panics were the agents', outside the process under test.
    server.assert_calm();
}

#[tokio::test]
async fn an_agent_that_goes_away_loses_one_attempt_and_another_instance_finishes() {
    let model = FakeModel::start().await;
    let ledger = Ledger::default();
    let one = ToolHost::start_with(ledger.clone()).await;
    let two = ToolHost::start_with(ledger.clone()).await;
    let agents = vec![one.url.clone(), two.url.clone()];
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        agents,
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    known(&client, "worker").await;
    until("both instances are there", Duration::from_secs(20), || async {
        let status = client
            .call(
                "{ getAgentStatus(name: \"worker\") { instances { id health } } }",
                json!({}),
            )
            .await
            .data();
        (status["getAgentStatus"]["instances"].as_array()?.len() == 2).then_some(())
    })
    .await;
    let subscription = "subscription { onAgentStatus(name: \"worker\") { name health instances { id health breaker lastError } } }";
    let mut statuses = client.subscribe(subscription, json!({})).await.unwrap();
    model.slow(Duration::from_millis(100));
    let accepted = client
        .execute(json!({ "agent": "worker", "input": { "content": "moving" }, "wait": "ACCEPTED" }))
        .await
        .data();
    let id = accepted["executeTaskOnAgent"]["id"].as_str().unwrap().to_owned();
    until("the model is asked", Duration::from_secs(10), || async {
        model.asked().get("moving").map(|_| ())
    })
    .await;
    // Whichever of the two runs it: both stop in turn, and one comes back.
    one.stop();
    let task = until("the task ends", Duration::from_secs(40), || async {
        let task = client.task(&id).await;
        (task["status"] == "COMPLETED" || task["status"] == "FAILED").then_some(task)
    })
    .await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert_eq!(ledger.counts("pay")["moving"], 1);
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        while let Some(answer) = statuses.next().await {
            let instances = answer["data"]["onAgentStatus"]["instances"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if instances.iter().any(|instance| instance["health"] == "UNHEALTHY") {
                return true;
            }
        }
        false
    });
    assert!(
        seen.await.unwrap_or(false),
        "the lost instance is shown to those who watch"
    );
    server.assert_calm();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes the ten seconds after which a silent agent counts as dead"]
async fn an_agent_that_hangs_loses_one_attempt_and_the_next_one_finishes() {
    let (server, _, host, client) = world().await;
    let before = std::time::Instant::now();
    let task = client.run("moody", "block-once g").await;
    assert_eq!(task["status"], "COMPLETED", "{task}");
    assert_eq!(task["response"]["attempts"], 2);
    assert_eq!(host.ledger.counts("try")["block-once g"], 2);
    assert!(
        before.elapsed() >= Duration::from_secs(9),
        "silence was waited for"
    );
    let status = client
        .call("{ getAgentStatus(name: \"moody\") { lastError } }", json!({}))
        .await
        .data();
    assert!(
        status["getAgentStatus"]["lastError"]
            .as_str()
            .unwrap()
            .contains("silent"),
        "{status}"
    );
    server.assert_calm();
}

#[tokio::test]
async fn a_hung_task_is_cancelled_and_frees_its_place() {
    let (server, _, _host, client) = world().await;
    let accepted = client
        .execute(json!({ "agent": "moody", "input": { "content": "hang d" }, "wait": "ACCEPTED" }))
        .await
        .data();
    let id = accepted["executeTaskOnAgent"]["id"].as_str().unwrap();
    until("it runs", Duration::from_secs(10), || async {
        (client.task(id).await["status"] == "RUNNING").then_some(())
    })
    .await;
    let cancelled = client
        .call(
            "mutation($id: ID!) { cancelTask(id: $id) { status } }",
            json!({ "id": id }),
        )
        .await
        .data();
    assert_eq!(cancelled["cancelTask"]["status"], "CANCELLED");
    until("nothing is in flight", Duration::from_secs(25), || async {
        let status = client
            .call("{ getAgentStatus(name: \"moody\") { inFlight } }", json!({}))
            .await
            .data();
        (status["getAgentStatus"]["inFlight"] == 0).then_some(())
    })
    .await;
    server.assert_calm();
}

#[tokio::test]
async fn an_aggregation_returns_every_part_and_a_quorum_cancels_the_rest() {
    let (_server, _, _host, client) = world().await;
    let query = "query($input: AggregateInput!) { aggregateDataFromAgents(input: $input) { complete parts { agent ok response { content } error { code } } } }";
    let all =
        json!({ "agents": [{ "agent": "echo" }, { "agent": "worker" }], "input": { "content": "sum" } });
    let answer = client.call(query, json!({ "input": all })).await.data();
    assert_eq!(answer["aggregateDataFromAgents"]["complete"], true, "{answer}");
    let quorum = json!({ "agents": [{ "agent": "echo" }, { "agent": "moody", "input": { "content": "hang e" } }],
                         "input": { "content": "sum" }, "quorum": 1, "timeoutMs": 20000 });
    let answer = client.call(query, json!({ "input": quorum })).await.data();
    let parts = &answer["aggregateDataFromAgents"]["parts"];
    assert_eq!(parts[0]["ok"], true, "{answer}");
    assert_eq!(parts[1]["ok"], false);
    let partial = json!({ "agents": [{ "agent": "echo" }, { "agent": "moody", "input": { "content": "hang f" } }],
                          "input": { "content": "sum" }, "timeoutMs": 500 });
    let answer = client.call(query, json!({ "input": partial })).await.data();
    assert_eq!(answer["aggregateDataFromAgents"]["complete"], false);
    assert_eq!(
        answer["aggregateDataFromAgents"]["parts"][0]["response"]["content"],
        "sum"
    );
}
