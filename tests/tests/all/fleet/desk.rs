//! An operator's commands at one machine, about sessions that another has.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, served};
use crate::support::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack: run by `cargo xtask test`"]
async fn a_task_is_shown_killed_and_retried_at_any_supervisor_whoever_has_it() {
    let stage = Stage::set().await;
    let _host = stage.host("the agent host").await;
    let one = stage.supervisor("supervisor one").await;
    let two = stage.supervisor("supervisor two").await;
    let gateway = stage.gateway("the gateway").await;
    served(&gateway, "assistant", 1).await;
    // Nobody answers before he is killed.
    stage.model.slow(Duration::from_secs(10));
    let client = Client::new(&gateway.http());
    let begun = (0..8).map(async |number| {
        let input = json!({ "content": format!("turn {number}"), "wait": "ACCEPTED" });
        let told = client.send_chat(input).await.data();
        told["sendChat"]["task"]["id"].as_str().unwrap().to_owned()
    });
    // Each is some session of its own, and so of one or the other: not all eight of the same.
    for id in futures::future::join_all(begun).await {
        let shown = stage.command(&one, &["tasks", "show", &id]);
        assert!(shown.contains("RUNNING") || shown.contains("ACCEPTED"), "{shown}");
        let killed = stage.command(&two, &["tasks", "kill", &id]);
        assert!(
            killed.contains("FAILED") && killed.contains("CANCELLED"),
            "{killed}"
        );
        let task = client.task(&id).await;
        assert_eq!(task["status"], "FAILED", "{task}");
        assert_eq!(task["error"]["code"], "CANCELLED", "{task}");
        let again = stage.command(&one, &["tasks", "retry", &id]);
        assert!(again.contains("RUNNING") || again.contains("ACCEPTED"), "{again}");
    }
    for supervisor in [&one, &two] {
        supervisor.assert_calm();
    }
}
