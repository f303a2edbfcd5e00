//! How agents were, by GraphQL and at a terminal, of the real binary and of the store that it leaves.

use std::time::Duration;

use serde_json::json;

use crate::agents::world;
use crate::support::{Server, until};

#[tokio::test]
async fn how_an_agent_was_is_told_while_it_runs_and_afterwards_by_the_store() {
    let (mut server, _, host, client) = world().await;
    host.stop();
    let query = "{ agentHistory(name: \"worker\") { nodes { node instance health breaker since until } } }";
    let told = until("that it went away is told", Duration::from_secs(20), || async {
        let told = client.call(query, json!({})).await.data()["agentHistory"]["nodes"].clone();
        (told[0]["health"] == "UNHEALTHY").then_some(told)
    })
    .await;
    let all = told.as_array().unwrap();
    assert!(all.iter().any(|record| record["health"] == "HEALTHY"), "{told}");
    assert!(all.iter().all(|record| record["node"] == "dev"), "{told}");
    let said = |server: &Server, args: &[&str]| {
        let mut command = server.command();
        command
            .arg("agents")
            .args(args)
            .arg("--store")
            .arg(server.store());
        let output = command.output().unwrap();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {complained}");
        String::from_utf8(output.stdout).unwrap()
    };
    let now = said(&server, &[]);
    let line = now.lines().find(|line| line.starts_with("worker")).unwrap();
    assert!(line.contains("UNHEALTHY"), "{now}");
    let lines = said(&server, &["worker", "--since", "5m"]);
    assert!(lines.lines().count() > all.len(), "{lines}");

    server.kill();
    let text = said(&server, &["worker", "--since", "1h", "--json"]);
    let after: serde_json::Value = serde_json::from_str(&text).unwrap();
    for record in all {
        let same = |kept: &&serde_json::Value| {
            kept["since"] == record["since"] && kept["instance"] == record["instance"]
        };
        let kept = after["records"].as_array().unwrap().iter().find(same);
        assert_eq!(
            kept.map(|kept| &kept["health"]),
            Some(&record["health"]),
            "{after}"
        );
    }
}
