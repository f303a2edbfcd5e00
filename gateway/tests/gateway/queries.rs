//! Questions: every field of the contract, pages, laziness.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::client::{Running, start};

async fn chats(gateway: &Running, session: &str, count: usize) {
    gateway
        .data(
            &format!(r#"mutation {{ createSession(id: "{session}", title: "t-{session}") {{ id }} }}"#),
            json!({}),
        )
        .await;
    for n in 0..count {
        let query = format!(
            r#"mutation {{ sendChat(input: {{ sessionId: "{session}", content: "m{n}" }}) {{ cursor }} }}"#
        );
        gateway.data(&query, json!({})).await;
    }
}

#[tokio::test]
async fn agents_providers_and_the_tree_are_shown_whole() {
    let gateway = start().await;
    let agent = "name version description health breaker inFlight queued lastError latencyMsP50 latencyMsP99 checkedAt
        instances { id node version health breaker inFlight restarts lastError }";
    let query = format!(
        "{{ getAgentStatus(name: \"echo\") {{ {agent} }} listAgents {{ name }}
            listProviders {{ name node health breaker concurrencyLimit inFlight errorRate latencyMsP50 ttftMsP50 lastError
                concurrencyCeiling ttftMsAverage tokensPerSecond heldUntil credentialsUsable credentialsTotal requestsLeft tokensLeft
                quotaResetsAt }}
            supervisionTree {{ path kind state restarts lastCause mailbox breaker children {{ path state breaker children {{ path }} }} }} }}"
    );
    let data = gateway.data(&query, json!({})).await;
    assert_eq!(
        data["getAgentStatus"],
        json!({ "name": "echo", "version": "1.2.3", "description": "the agent echo", "health": "DEGRADED",
            "breaker": "HALF_OPEN", "inFlight": 2, "queued": 3, "lastError": null, "latencyMsP50": 12,
            "latencyMsP99": i32::MAX, "checkedAt": "2026-11-21T23:59:59.123Z",
            "instances": [{ "id": "echo@here", "node": "node-1", "version": "1.2.3", "health": "DRAINING",
                "breaker": "OPEN", "inFlight": 2, "restarts": 1, "lastError": "boom" }] })
    );
    assert_eq!(
        data["listAgents"],
        json!([{ "name": "assistant" }, { "name": "echo" }])
    );
    let provider = |node: &str| {
        json!({ "name": "local", "node": node, "health": "HEALTHY", "breaker": "CLOSED", "concurrencyLimit": 1,
            "inFlight": 0, "errorRate": 0.5, "latencyMsP50": null, "ttftMsP50": 80, "lastError": null,
            "concurrencyCeiling": 4, "ttftMsAverage": 90, "tokensPerSecond": 12.5, "heldUntil": "2026-11-21T23:59:59.123Z",
            "credentialsUsable": 1, "credentialsTotal": 2, "requestsLeft": 7, "tokensLeft": i32::MAX,
            "quotaResetsAt": "2026-11-21T23:59:59.123Z" })
    };
    // What a supervisor in the same process tells too is told once.
    assert_eq!(
        data["listProviders"],
        json!([provider("node-1"), provider("gateway-1")])
    );
    assert_eq!(
        data["supervisionTree"],
        json!([{ "path": "node", "kind": "agents", "state": "RUNNING", "restarts": 2, "lastCause": "panic: boom",
            "mailbox": 4, "breaker": null, "children": [{ "path": "node/agents", "state": "BACKOFF",
                "breaker": "CLOSED", "children": [] }] }])
    );
}

#[tokio::test]
async fn a_history_of_an_agent_is_paged_and_bounded_by_time() {
    let gateway = start().await;
    let record = "agent node instance version health breaker inFlight since until";
    let query = format!(
        "query($after: String, $since: DateTime, $before: DateTime) {{
            agentHistory(name: \"echo\", since: $since, before: $before, first: 2, after: $after) {{
                nodes {{ {record} }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }}"
    );
    let all = json!({ "since": "2026-11-21T23:00:00Z", "before": "2026-11-22T01:00:00Z" });
    let first = gateway.data(&query, all.clone()).await["agentHistory"].clone();
    assert_eq!(
        first["nodes"],
        json!([
            { "agent": "echo", "node": "supervisor-1", "instance": null, "version": null, "health": "UNHEALTHY",
              "breaker": null, "inFlight": null, "since": "2026-11-22T00:01:59.123Z", "until": "2026-11-22T00:01:59.123Z" },
            { "agent": "echo", "node": "supervisor-1", "instance": "echo@here", "version": "1.2.3", "health": "DEGRADED",
              "breaker": "HALF_OPEN", "inFlight": 4, "since": "2026-11-22T00:00:59.123Z",
              "until": "2026-11-22T00:00:59.123Z" },
        ])
    );
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let mut behind = all.clone();
    behind["after"] = first["pageInfo"]["endCursor"].clone();
    let second = gateway.data(&query, behind).await["agentHistory"].clone();
    assert_eq!(second["nodes"][0]["since"], "2026-11-21T23:59:59.123Z");
    assert_eq!(second["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &second["pageInfo"]["hasNextPage"],
            &second["pageInfo"]["hasPreviousPage"]
        ),
        (&json!(false), &json!(true))
    );
    // Nobody saw it in the last hour, and nobody ever saw another.
    let lately = gateway.data(&query, json!({})).await;
    assert_eq!(lately["agentHistory"]["nodes"], json!([]));
    let nobody = gateway
        .data("{ agentHistory(name: \"nope\") { edges { cursor } } }", json!({}))
        .await;
    assert_eq!(nobody["agentHistory"]["edges"], json!([]));

    for (asked, code) in [
        ("name: \"echo\", first: 0", "BAD_USER_INPUT"),
        ("name: \"echo\", first: 101", "BAD_USER_INPUT"),
        ("name: \"echo\", after: \"nonsense\"", "BAD_USER_INPUT"),
        (
            "name: \"echo\", since: \"2026-11-22T00:00:01Z\", before: \"2026-11-22T00:00:00Z\"",
            "BAD_USER_INPUT",
        ),
        ("name: \"a b\"", "NOT_FOUND"),
    ] {
        let reply = gateway
            .post(
                &format!("{{ agentHistory({asked}) {{ nodes {{ agent }} }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(reply.code(), code, "{asked}");
    }
}

#[tokio::test]
async fn lookups_of_unknown_ids_are_null_without_an_error() {
    let gateway = start().await;
    let query = r#"{ a: getSession(id: "nope") { id } b: getTask(id: "nope.0") { id } c: getTask(id: "no task id") { id }
        d: getSession(id: "not/an id") { id } e: getAgentStatus(name: "nope") { name } f: getAgentStatus(name: "a b") { name } }"#;
    let data = gateway.data(query, json!({})).await;
    assert!(data.as_object().unwrap().values().all(Value::is_null) && data.as_object().unwrap().len() == 6);
    let list = r#"{ listTasks(sessionId: "XX") { edges { cursor } } }"#;
    let reply = gateway.post(list, json!({})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    assert!(!reply.text.contains("XX"));
}

#[tokio::test]
async fn messages_are_paged_both_ways_oldest_first() {
    let gateway = start().await;
    chats(&gateway, "s", 4).await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) { getSession(id: \"s\") {
        id messages(first: $first, after: $after, last: $last, before: $before) {
            edges { cursor node { content } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let ask = async |variables: Value| gateway.data(query, variables).await["getSession"]["messages"].clone();
    let said = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap();
        edges
            .iter()
            .map(|edge| edge["node"]["content"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ask(json!({})).await;
    assert_eq!(
        said(&all),
        [
            "m0", "echo: m0", "m1", "echo: m1", "m2", "echo: m2", "m3", "echo: m3"
        ]
    );
    assert_eq!(all["pageInfo"]["hasNextPage"], false);

    let first = ask(json!({ "first": 3 })).await;
    assert_eq!(said(&first), ["m0", "echo: m0", "m1"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    assert_eq!(first["pageInfo"]["hasPreviousPage"], false);
    assert_eq!(first["pageInfo"]["startCursor"], first["edges"][0]["cursor"]);
    let second = ask(json!({ "first": 5, "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(said(&second), ["echo: m1", "m2", "echo: m2", "m3", "echo: m3"]);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    assert_eq!(second["pageInfo"]["hasPreviousPage"], true);

    let last = ask(json!({ "last": 2 })).await;
    assert_eq!(said(&last), ["m3", "echo: m3"]);
    assert_eq!(last["pageInfo"]["hasPreviousPage"], true);
    let before = ask(json!({ "last": 6, "before": last["pageInfo"]["startCursor"] })).await;
    assert_eq!(
        said(&before),
        ["m0", "echo: m0", "m1", "echo: m1", "m2", "echo: m2"]
    );
    assert_eq!(before["pageInfo"]["hasPreviousPage"], false);
    assert_eq!(said(&ask(json!({ "first": 0 })).await), Vec::<String>::new());

    for bad in [
        json!({ "first": 101 }),
        json!({ "first": -1 }),
        json!({ "last": 101 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "first": 1, "before": "0-0" }),
        json!({ "after": "nonsense" }),
        json!({ "before": "+1-0" }),
    ] {
        let answer = gateway.post(query, bad.clone()).await.json();
        assert_eq!(crate::client::code(&answer), "BAD_USER_INPUT", "{bad}");
        assert_eq!(answer["data"], json!({ "getSession": null }), "{bad}");
        assert_eq!(answer["errors"][0]["path"], json!(["getSession", "messages"]));
    }
}

#[tokio::test]
async fn lists_continue_behind_any_of_their_rows() {
    let gateway = start().await;
    for n in 0..7 {
        gateway
            .data(
                &format!(r#"mutation {{ createSession(id: "s{n}") {{ id }} }}"#),
                json!({}),
            )
            .await;
    }
    let query = "query($first: Int, $after: String) { listSessions(first: $first, after: $after) {
        edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let ask = async |variables: Value| gateway.data(query, variables).await["listSessions"].clone();
    let ids = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap().iter();
        let nodes: Vec<_> = edges.map(|edge| edge["node"].clone()).collect();
        assert_eq!(page["nodes"], json!(nodes), "the same rows without their edges");
        nodes
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ask(json!({})).await;
    let newest_first = ["s6", "s5", "s4", "s3", "s2", "s1", "s0"];
    assert_eq!(ids(&all), newest_first);
    for (index, edge) in all["edges"].as_array().unwrap().iter().enumerate() {
        let rest = ask(json!({ "first": 2, "after": edge["cursor"] })).await;
        let expected: Vec<_> = newest_first.iter().skip(index + 1).take(2).collect();
        assert_eq!(
            ids(&rest),
            expected.iter().map(|id| (**id).to_owned()).collect::<Vec<_>>()
        );
        assert_eq!(rest["pageInfo"]["hasNextPage"], json!(index + 3 < 7), "{index}");
        assert_eq!(rest["pageInfo"]["hasPreviousPage"], true);
    }
    let mut walked = Vec::new();
    let mut after = json!(null);
    loop {
        let page = ask(json!({ "first": 3, "after": after })).await;
        walked.extend(ids(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(walked, newest_first);
    for bad in ["x", "1", "-1.", "2000.", "0.not-a-token"] {
        assert_eq!(
            gateway.refused(query, json!({ "after": bad })).await,
            "BAD_USER_INPUT",
            "{bad}"
        );
    }
    assert_eq!(
        gateway.refused(query, json!({ "first": 101 })).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn sessions_and_tasks_are_filtered() {
    let gateway = start().await;
    chats(&gateway, "one", 1).await;
    chats(&gateway, "two", 2).await;
    let filtered =
        "query($f: SessionFilter) { listSessions(filter: $f) { edges { node { id title createdAt } } } }";
    let data = gateway.data(filtered, json!({ "f": { "title": "t-two" } })).await;
    let edges = data["listSessions"]["edges"].as_array().unwrap().clone();
    assert_eq!(edges.len(), 1);
    let at = edges[0]["node"]["createdAt"].clone();
    let after = gateway
        .data(filtered, json!({ "f": { "createdAfter": at } }))
        .await;
    let before = gateway
        .data(filtered, json!({ "f": { "createdBefore": at } }))
        .await;
    assert_eq!(after["listSessions"]["edges"][0]["node"]["id"], "two");
    assert_eq!(before["listSessions"]["edges"][0]["node"]["id"], "one");
    let wrong = json!({ "f": { "createdAfter": "yesterday" } });
    assert_eq!(gateway.refused(filtered, wrong).await, "BAD_USER_INPUT");

    let tasks = "query($s: ID, $t: TaskStatus) { listTasks(sessionId: $s, status: $t) { edges { node { id status } } } }";
    let count = async |variables: Value| {
        gateway.data(tasks, variables).await["listTasks"]["edges"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(json!({})).await, 3);
    assert_eq!(count(json!({ "s": "two" })).await, 2);
    assert_eq!(count(json!({ "s": "two", "t": "FAILED" })).await, 0);
}

#[tokio::test]
async fn steps_and_children_are_paged_and_read_only_when_asked() {
    let gateway = start().await;
    chats(&gateway, "s", 1).await;
    let calls = || gateway.fake.lazy_calls.load(Ordering::Relaxed);
    let before = calls();
    gateway
        .data(
            r#"{ getTask(id: "s.0") { id status response { provider } } getSession(id: "s") { id } }"#,
            json!({}),
        )
        .await;
    assert_eq!(calls(), before);
    let query = "query($a: String) { getTask(id: \"s.0\") { steps(first: 2, after: $a) { edges { cursor
        node { seq attempt kind name effect status startedAt finishedAt usage { inputTokens } error { code } prompt } }
        pageInfo { hasNextPage } } children(first: 2) { edges { node { id } } pageInfo { hasNextPage } } } }";
    let task = gateway.data(query, json!({})).await["getTask"].clone();
    assert_eq!(calls(), before + 1);
    assert_eq!(
        task["steps"]["edges"][0]["node"],
        json!({ "seq": 0, "attempt": 1, "kind": "APPROVAL", "name": "approve", "effect": "NON_IDEMPOTENT",
            "status": "WAITING", "startedAt": "2026-11-21T23:59:59.123Z", "finishedAt": null, "usage": null,
            "error": null, "prompt": { "question": "really?" } })
    );
    assert_eq!(task["steps"]["pageInfo"]["hasNextPage"], true);
    let rest = gateway
        .data(query, json!({ "a": task["steps"]["edges"][1]["cursor"] }))
        .await;
    assert_eq!(rest["getTask"]["steps"]["edges"].as_array().unwrap().len(), 1);
    assert_eq!(task["children"]["edges"][0]["node"]["id"], "s.100");
    assert_eq!(task["children"]["pageInfo"]["hasNextPage"], true);
}

#[tokio::test]
async fn a_large_payload_is_read_from_the_store() {
    let gateway = start().await;
    let query = r#"mutation { sendChat(input: { content: "large" }) { response { content } } }"#;
    assert_eq!(
        gateway.data(query, json!({})).await["sendChat"]["response"]["content"],
        "from the store"
    );
}

#[tokio::test]
async fn a_failed_lookup_says_why_and_leaves_the_others() {
    let gateway = start().await;
    let query = r#"{ bad: getSession(id: "down") { id } good: listAgents { name } }"#;
    let answer = gateway.post(query, json!({})).await.json();
    assert_eq!(answer["data"]["bad"], json!(null));
    assert_eq!(answer["data"]["good"].as_array().unwrap().len(), 2);
    assert_eq!(answer["errors"][0]["message"], "the store is away");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(answer["errors"][0]["extensions"]["retryAfterMs"], json!(null));
}
