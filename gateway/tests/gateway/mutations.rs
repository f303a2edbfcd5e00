//! Calls that change something.

use std::time::Duration;

use greenroom_gateway::GatewayConfig;
use greenroom_kernel::{AcceptCall, ResolveAction, SessionId, TaskId};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Counter, Noon, Running, SOON, start, start_with};

/// How many characters of a time-ordered id are the time.
const TIME: usize = 10;

const SEND: &str = "mutation($input: SendChatInput!) { sendChat(input: $input) {
    session { id title metadata cursor createdAt updatedAt } cursor
    message { id sessionId taskId role content agent createdAt usage { inputTokens } metadata }
    task { id sessionId agent status input cursor createdAt updatedAt deadline error { code } }
    response { agent content data provider model latencyMs attempts
        usage { inputTokens cachedInputTokens cacheWriteTokens outputTokens reasoningTokens costUsd estimated } } } }";

#[tokio::test]
async fn a_chat_is_answered_with_all_the_contract_promises() {
    let gateway = start().await;
    let variables =
        json!({ "input": { "content": "hi", "metadata": { "a": [1, 2.5, null] }, "idempotencyKey": "k1" } });
    let data = gateway.data(SEND, variables).await;
    let sent = &data["sendChat"];
    let session = sent["session"]["id"].as_str().unwrap();
    assert_eq!(sent["message"]["content"], "hi");
    assert_eq!(sent["message"]["role"], "USER");
    assert_eq!(sent["message"]["metadata"], json!({ "a": [1, 2.5, null] }));
    assert_eq!(sent["message"]["id"], format!("{session}.0.0"));
    assert_eq!(sent["task"]["id"], format!("{session}.0"));
    assert_eq!(sent["task"]["status"], "COMPLETED");
    assert_eq!(sent["task"]["input"], json!({ "content": "hi" }));
    assert_eq!(sent["task"]["createdAt"], "2026-11-21T23:59:59.123Z");
    assert_eq!(sent["cursor"], "0-0-0-0");
    assert_eq!(
        sent["response"],
        json!({
            "agent": "assistant", "content": "echo: hi", "data": { "said": true }, "provider": "fake",
            "model": "tiny", "latencyMs": 250, "attempts": 1,
            "usage": { "inputTokens": 3, "cachedInputTokens": 0, "cacheWriteTokens": 0, "outputTokens": 5,
                "reasoningTokens": 0, "costUsd": 0.25, "estimated": true },
        })
    );
    let accepted = gateway.fake.accepted.lock();
    let (who, request) = &accepted[0];
    assert_eq!((who.tenant.as_str(), who.subject.as_str()), ("dev", "dev"));
    assert_eq!(request.wait, Duration::from_secs(55));
    assert_eq!(request.key.as_str(), "k1");
}

#[tokio::test]
async fn waiting_is_bounded_as_the_caller_says() {
    let gateway = start().await;
    let execute =
        "mutation($i: ExecuteTaskInput!) { executeTaskOnAgent(input: $i) { status response { content } } }";
    let ask = async |extra: serde_json::Value| {
        let mut input = json!({ "agent": "echo", "input": { "x": 1 } });
        input
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        gateway.data(execute, json!({ "i": input })).await["executeTaskOnAgent"].clone()
    };
    assert_eq!(
        ask(json!({ "wait": "ACCEPTED" })).await,
        json!({ "status": "RUNNING", "response": null })
    );
    assert_eq!(
        ask(json!({ "waitMs": 1200, "timeoutMs": 7 })).await["status"],
        "COMPLETED"
    );
    assert_eq!(
        ask(json!({ "wait": null, "waitMs": null })).await["status"],
        "COMPLETED"
    );
    let waits: Vec<_> = gateway
        .fake
        .accepted
        .lock()
        .iter()
        .map(|(_, request)| (request.wait, request.timeout))
        .collect();
    let ms = Duration::from_millis;
    assert_eq!(
        waits,
        [(ms(0), None), (ms(1_200), Some(ms(7))), (ms(55_000), None)]
    );
    for bad in [
        json!({ "waitMs": -1 }),
        json!({ "waitMs": 600_001 }),
        json!({ "timeoutMs": 0 }),
    ] {
        let mut input = json!({ "agent": "echo", "input": {} });
        input
            .as_object_mut()
            .unwrap()
            .extend(bad.as_object().unwrap().clone());
        assert_eq!(
            gateway.refused(execute, json!({ "i": input })).await,
            "BAD_USER_INPUT"
        );
    }
}

#[tokio::test]
async fn accepted_work_fails_as_data() {
    let gateway = start().await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "fails" }) {
        response { content } task { status error { code message retryable retryAfterMs } } } }"#;
    let sent = &gateway.data(query, json!({})).await["sendChat"];
    assert_eq!(
        *sent,
        json!({ "response": null, "task": { "status": "FAILED",
            "error": { "code": "AGENT_FAILED", "message": "it broke", "retryable": true, "retryAfterMs": 2000 } } })
    );
}

#[tokio::test]
async fn a_call_without_a_key_gets_one_and_is_repeated_once_with_it() {
    let gateway = start().await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "flaky" }) { task { status } } }"#;
    let data = gateway.data(query, json!({})).await;
    assert_eq!(data["sendChat"]["task"]["status"], "COMPLETED");
    let keys: Vec<_> = gateway
        .fake
        .accepted
        .lock()
        .iter()
        .map(|(_, request)| request.key.clone())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn an_unanswered_call_says_with_which_key_to_repeat_it() {
    let gateway = start().await;
    let query =
        r#"mutation { sendChat(input: { content: "x", agent: "away", idempotencyKey: "mine" }) { cursor } }"#;
    let answer = gateway.post(query, json!({})).await.json();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(answer["errors"][0]["message"], "no answer");
    assert_eq!(extensions["code"], "UNAVAILABLE");
    assert_eq!(extensions["retryable"], true);
    assert_eq!(extensions["idempotencyKey"], "mine");
    assert_eq!(gateway.fake.accepted.lock().len(), 2);

    let definite = r#"mutation { sendChat(input: { content: "x", agent: "closed" }) { cursor } }"#;
    let answer = gateway.post(definite, json!({})).await.json();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        (extensions["code"].as_str(), extensions["retryable"].as_bool()),
        (Some("UNAVAILABLE"), Some(false))
    );
    assert!(extensions.get("idempotencyKey").is_none());
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_given_up_with_its_key() {
    let config = GatewayConfig {
        answer_grace: Duration::from_millis(50),
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    let query = r#"mutation { executeTaskOnAgent(input: { agent: "slow", input: 1, waitMs: 10, idempotencyKey: "mine" }) { id } }"#;
    let answer = gateway.post(query, json!({})).await.json();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["idempotencyKey"]),
        (&json!("UNAVAILABLE"), &json!("mine"))
    );
    assert_eq!(answer["data"], json!(null));
}

#[tokio::test]
async fn a_call_without_capacity_says_when_to_come_back() {
    let gateway = start().await;
    let query = r#"mutation { executeTaskOnAgent(input: { agent: "exhausted", input: {} }) { id } }"#;
    let reply = gateway.post(query, json!({})).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("retry-after"), "2");
    let extensions = &reply.json()["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "RESOURCE_EXHAUSTED");
    assert_eq!(extensions["retryAfterMs"], 1500);
    assert_eq!(extensions["retryable"], true);
}

#[tokio::test]
async fn unknown_ids_are_not_found_and_not_repeated() {
    let gateway = start().await;
    for call in [
        r#"updateSession(input: { id: "XX", title: "t" }) { id }"#,
        r#"deleteSession(id: "XX")"#,
        r#"deleteSession(id: "XX/ not an id")"#,
        r#"sendChat(input: { content: "x", sessionId: "XX" }) { cursor }"#,
        r#"sendChat(input: { content: "x", agent: "nobody" }) { cursor }"#,
        r#"executeTaskOnAgent(input: { agent: "not an agent XX", input: 1 }) { id }"#,
        r#"cancelTask(id: "XX.0") { id }"#,
        r#"cancelTask(id: "XX") { id }"#,
        r#"retryTask(id: "XX.0") { id }"#,
        r#"resolveTask(input: { taskId: "XX.0", stepSeq: 0, action: APPROVE }) { id }"#,
        r#"resolveTask(input: { taskId: "XX.0", stepSeq: -1, action: APPROVE }) { id }"#,
    ] {
        let reply = gateway.post(&format!("mutation {{ {call} }}"), json!({})).await;
        assert_eq!(reply.code(), "NOT_FOUND", "{call}");
        assert!(!reply.text.contains("XX"), "{}", reply.text);
    }
}

#[tokio::test]
async fn sessions_are_created_retitled_and_deleted() {
    let gateway = start().await;
    let create = r#"mutation { createSession(id: "s-1", title: "one") { id title } }"#;
    let data = gateway.data(create, json!({})).await;
    assert_eq!(data["createSession"], json!({ "id": "s-1", "title": "one" }));
    assert_eq!(gateway.refused(create, json!({})).await, "CONFLICT");
    assert_eq!(
        gateway
            .refused(r#"mutation { createSession(id: "a b") { id } }"#, json!({}))
            .await,
        "BAD_USER_INPUT"
    );
    let update = r#"mutation { updateSession(input: { id: "s-1" }) { title } }"#;
    assert_eq!(
        gateway.data(update, json!({})).await["updateSession"]["title"],
        json!(null)
    );
    assert_eq!(
        gateway
            .data(r#"mutation { deleteSession(id: "s-1") }"#, json!({}))
            .await["deleteSession"],
        true
    );
    assert_eq!(
        gateway
            .data(r#"{ getSession(id: "s-1") { id } }"#, json!({}))
            .await["getSession"],
        json!(null)
    );
}

#[tokio::test]
async fn tasks_are_cancelled_retried_and_resolved() {
    let gateway = start().await;
    let make = r#"mutation { sendChat(input: { content: "x", wait: ACCEPTED }) { task { id status } } }"#;
    let data = gateway.data(make, json!({})).await;
    let id = data["sendChat"]["task"]["id"].clone();
    let retry = "mutation($id: ID!) { retryTask(id: $id) { status } }";
    assert_eq!(gateway.refused(retry, json!({ "id": id })).await, "CONFLICT");
    let cancel = "mutation($id: ID!) { cancelTask(id: $id) { status } }";
    assert_eq!(
        gateway.data(cancel, json!({ "id": id })).await["cancelTask"]["status"],
        "CANCELLED"
    );
    assert_eq!(
        gateway.data(retry, json!({ "id": id })).await["retryTask"]["status"],
        "CANCELLED"
    );
    let resolve = "mutation($i: ResolveTaskInput!) { resolveTask(input: $i) { id } }";
    for (action, value) in [("APPROVE", json!({ "by": 1 })), ("SETTLE_DONE", json!(null))] {
        let input = json!({ "taskId": id, "stepSeq": 3, "action": action, "value": value, "note": "n" });
        gateway.data(resolve, json!({ "i": input })).await;
    }
    for action in ["REJECT", "SETTLE_NOT_DONE"] {
        gateway
            .data(
                resolve,
                json!({ "i": { "taskId": id, "stepSeq": 4, "attempt": 2, "action": action } }),
            )
            .await;
        let input = json!({ "taskId": id, "stepSeq": 4, "action": action, "value": 1 });
        assert_eq!(
            gateway.refused(resolve, json!({ "i": input })).await,
            "BAD_USER_INPUT"
        );
    }
    let id = TaskId::parse(id.as_str().unwrap()).unwrap();
    let resolved = std::mem::take(&mut *gateway.fake.resolved.lock());
    assert_eq!(
        resolved,
        [
            (
                id.clone(),
                3,
                None,
                ResolveAction::Approve(Some(r#"{"by":1}"#.into())),
                Some("n".into())
            ),
            (
                id.clone(),
                3,
                None,
                ResolveAction::SettleDone(None),
                Some("n".into())
            ),
            (id.clone(), 4, Some(2), ResolveAction::Reject, None),
            (id, 4, Some(2), ResolveAction::SettleNotDone, None),
        ]
    );
}

#[tokio::test]
async fn a_caller_who_hangs_up_cancels_nothing() {
    let gateway = start_with(GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    })
    .await;
    let query = r#"mutation { a: sendChat(input: { content: "1", agent: "slow" }) { cursor }
                              b: sendChat(input: { content: "2", agent: "slow" }) { cursor } }"#;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(Running::raw_post(query).as_bytes())
        .await
        .unwrap();
    while gateway.fake.accepted.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    gateway.hung_up().await;
    gateway.fake.release.add_permits(2);
    let mut finished = gateway.fake.finished.subscribe();
    tokio::time::timeout(SOON, finished.wait_for(|n| *n == 2))
        .await
        .unwrap()
        .unwrap();
    gateway.tasks.close();
    tokio::time::timeout(SOON, gateway.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn root_fields_of_a_mutation_run_in_order_and_a_failure_is_told_with_its_path() {
    let gateway = start().await;
    let query = r#"mutation { a: createSession(id: "x1") { id } b: deleteSession(id: "nope") c: createSession(id: "x2") { id } }"#;
    let answer = gateway.post(query, json!({})).await.json();
    assert_eq!(answer["data"], json!(null));
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
    let twice = r#"mutation { createSession { id } createSession { id } }"#;
    assert_eq!(gateway.refused(twice, json!({})).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn several_agents_are_asked_at_once_but_never_by_get() {
    let gateway = start().await;
    let query = r#"query($i: AggregateInput!) { aggregateDataFromAgents(input: $i) { complete
        parts { agent taskId ok response { content data } error { code } } synthesis { content } } }"#;
    let input = json!({ "agents": [{ "agent": "echo", "input": [1] }, { "agent": "fails" }], "input": { "q": 1 },
        "timeoutMs": 50, "quorum": 1, "synthesize": true, "idempotencyKey": "agg" });
    let data = gateway.data(query, json!({ "i": input })).await;
    let result = &data["aggregateDataFromAgents"];
    assert_eq!(result["complete"], false);
    assert_eq!(
        result["parts"][0]["response"],
        json!({ "content": "part", "data": 1 })
    );
    assert_eq!(result["parts"][1]["ok"], false);
    assert_eq!(result["parts"][1]["error"], json!({ "code": "AGENT_FAILED" }));
    assert_eq!(result["synthesis"], json!({ "content": "part" }));
    let asked = gateway.fake.aggregated.lock()[0].clone();
    assert_eq!(asked.targets[0].1.as_deref(), Some("[1]"));
    assert_eq!(
        (asked.input.as_str(), asked.quorum, asked.synthesize),
        (r#"{"q":1}"#, Some(1), true)
    );
    for bad in [
        json!({ "agents": [], "input": 1 }),
        json!({ "agents": [{ "agent": "echo" }], "input": 1, "quorum": 2 }),
        json!({ "agents": [{ "agent": "echo" }], "input": 1, "quorum": 0 }),
        json!({ "agents": [{ "agent": "echo" }], "input": 1, "timeoutMs": -5 }),
    ] {
        assert_eq!(
            gateway.refused(query, json!({ "i": bad })).await,
            "BAD_USER_INPUT"
        );
    }
    let by_get = "/graphql?query=query%7B...F%7Dfragment%20F%20on%20Query%7BaggregateDataFromAgents(input:%7Bagents:%5B%5D,input:1%7D)%7Bcomplete%7D%7D";
    let reply = gateway.get(by_get, &[]).await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_chat_names_its_model_agent_and_session() {
    let gateway = start().await;
    gateway
        .data(r#"mutation { createSession(id: "s-9") { id } }"#, json!({}))
        .await;
    let query = r#"mutation { sendChat(input: { sessionId: "s-9", content: "x", agent: "echo", model: "big" }) { cursor } }"#;
    gateway.data(query, json!({})).await;
    let (_, request) = gateway.fake.accepted.lock()[0].clone();
    assert_eq!(request.session.unwrap().as_str(), "s-9");
    let AcceptCall::Chat { agent, model, .. } = request.call else {
        panic!("not a chat")
    };
    assert_eq!((agent.unwrap().as_str(), model.as_deref()), ("echo", Some("big")));
}

#[tokio::test]
async fn a_panic_in_a_call_is_an_internal_error_and_the_next_call_is_answered() {
    let gateway = start().await;
    let query = r#"mutation { sendChat(input: { content: "x", agent: "panics" }) { cursor } }"#;
    assert_eq!(gateway.refused(query, json!({})).await, "INTERNAL");
    assert_eq!(
        gateway
            .refused(r#"{ getSession(id: "panic") { id } }"#, json!({}))
            .await,
        "INTERNAL"
    );
    assert_eq!(gateway.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_chat_without_a_key_and_a_session_names_a_time_ordered_one() {
    let gateway = start().await;
    let query =
        r#"mutation($key: String) { sendChat(input: { content: "hi", idempotencyKey: $key }) { cursor } }"#;
    gateway.data(query, json!({})).await;
    gateway.data(query, json!({ "key": "mine" })).await;
    let keys: Vec<_> = gateway
        .fake
        .accepted
        .lock()
        .iter()
        .map(|(_, call)| call.key.clone())
        .collect();
    let session = keys[0].minted_session().unwrap();
    let now = SessionId::generate(&Noon, &Counter::default());
    assert_eq!(session.as_str()[..TIME], now.as_str()[..TIME], "made at noon");
    assert_eq!(keys[1].as_str(), "mine");
}

#[tokio::test]
async fn a_session_deleted_while_its_chat_is_waited_for_is_not_found() {
    let gateway = start().await;
    gateway
        .data(r#"mutation { createSession(id: "s") { id } }"#, json!({}))
        .await;
    let chat = r#"mutation { sendChat(input: { sessionId: "s", content: "x", agent: "slow" }) {
        session { id } message { content } task { status } response { content } } }"#;
    let waiting = gateway.post(chat, json!({}));
    let delete = async {
        while gateway.fake.accepted.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        gateway
            .data(r#"mutation { deleteSession(id: "s") }"#, json!({}))
            .await;
        gateway.fake.release.add_permits(1);
    };
    let (reply, ()) = tokio::join!(waiting, delete);
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    assert!(answer["data"].is_null(), "{answer}");
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(answer["errors"][0]["extensions"]["retryable"], false);
}
