//! Media types, methods and status codes of GraphQL over HTTP.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::client::{start, start_with};
use greenroom_gateway::GatewayConfig;

const GRAPHQL: &str = "application/graphql-response+json";

#[tokio::test]
async fn the_media_type_decides_the_status_of_a_refused_query() {
    let gateway = start().await;
    for query in [
        "{",
        "{ nope }",
        "{ listAgents }",
        "query A { listAgents { name } } query B { listAgents { name } }",
    ] {
        let body = json!({ "query": query }).to_string();
        let old = gateway
            .post_raw(body.clone(), &[("accept", "application/json")])
            .await;
        assert_eq!(old.status, 200, "{query}");
        assert_eq!(old.header("content-type"), "application/json; charset=utf-8");
        let new = gateway.post_raw(body, &[("accept", GRAPHQL)]).await;
        assert_eq!(new.status, 400, "{query}");
        assert_eq!(
            new.header("content-type"),
            "application/graphql-response+json; charset=utf-8"
        );
        for reply in [old, new] {
            assert_eq!(reply.code(), "BAD_USER_INPUT");
            assert!(reply.json().get("data").is_none(), "{reply:?}");
        }
    }
    let fine = gateway
        .post_raw(r#"{"query":"{ __typename }"}"#, &[("accept", GRAPHQL)])
        .await;
    assert_eq!(
        (fine.status.as_u16(), fine.text.as_str()),
        (200, r#"{"data":{"__typename":"Query"}}"#)
    );
    let failed = gateway
        .post_raw(
            r#"{"query":"{ getSession(id: \"down\") { id } }"}"#,
            &[("accept", GRAPHQL)],
        )
        .await;
    assert_eq!(failed.status, 200);
    let refused = gateway
        .get("/graphql?query=%7B__typename%7D", &[("accept", "image/png")])
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (406, "BAD_USER_INPUT")
    );
}

#[tokio::test]
async fn queries_may_be_got_and_mutations_may_not() {
    let gateway = start().await;
    let reply = gateway.get("/graphql?query=query%20A($n:String!)%7BgetAgentStatus(name:$n)%7Bname%7D%7D&operationName=A&variables=%7B%22n%22:%22echo%22%7D", &[]).await;
    assert_eq!(reply.json()["data"]["getAgentStatus"]["name"], "echo");
    let mutation = gateway
        .get("/graphql?query=mutation%7BcreateSession%7Bid%7D%7D", &[])
        .await;
    assert_eq!(
        (mutation.status.as_u16(), mutation.header("allow")),
        (405, "POST")
    );
    assert_eq!(mutation.code(), "BAD_USER_INPUT");
    for bad in [
        "/graphql?variables=%7B%7D",
        "/graphql?query=%7B__typename%7D&variables=%5B%5D",
        "/graphql?query=%7B__typename%7D&variables=x",
        "/graphql?query=%7B__typename%7D&extensions=1",
        "/graphql?query=a&query=b",
        "/graphql",
    ] {
        let reply = gateway.get(bad, &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "BAD_USER_INPUT"),
            "{bad}"
        );
    }
    let listed = gateway.send(
        Request::builder()
            .method(Method::PUT)
            .uri(gateway.url("/graphql"))
            .body(Body::empty())
            .unwrap(),
    );
    let listed = listed.await;
    assert_eq!(
        (listed.status.as_u16(), listed.header("allow")),
        (405, "GET, POST")
    );
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_bounded() {
    let gateway = start().await;
    let batch = json!([
        { "query": "{ listAgents { name } }" },
        { "query": "{ nope }" },
        { "query": "mutation { createSession(id: \"b\") { id } }" },
    ]);
    let reply = gateway.post_raw(batch.to_string(), &[]).await;
    assert_eq!(reply.status, 200);
    let answers = reply.json();
    assert_eq!(answers[0]["data"]["listAgents"][0]["name"], "assistant");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(answers[2]["data"]["createSession"]["id"], "b");
    for count in [0, 11] {
        let batch = vec![json!({ "query": "{ __typename }" }); count];
        let reply = gateway.post_raw(json!(batch).to_string(), &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "BAD_USER_INPUT")
        );
    }
}

#[tokio::test]
async fn a_browser_gets_the_query_page_and_a_program_does_not() {
    let gateway = start().await;
    let browser = [(
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    )];
    let page = gateway.get("/graphql", &browser).await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    // It needs nothing from elsewhere, and the browser is told to hold it to that.
    assert!(
        page.text.contains("?graphiql") && !page.text.contains("://"),
        "{}",
        page.text
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let script = page
        .text
        .split('"')
        .find(|text| text.ends_with("/query/query.js"));
    let script = gateway.get(script.unwrap(), &[]).await;
    assert_eq!(script.status.as_u16(), 200);
    let asked = gateway.get("/graphql?graphiql", &browser).await;
    assert!(
        asked.text.contains("https://unpkg.com/graphiql@"),
        "{}",
        asked.text
    );
    for source in asked.text.split('"').filter(|text| text.starts_with("https://")) {
        let (package, _) = source["https://unpkg.com/".len()..].split_once('/').unwrap();
        let policy = asked.header("content-security-policy");
        assert!(
            policy.contains(&format!("https://unpkg.com/{package}/")),
            "{source}: {policy}"
        );
    }
    assert_eq!(gateway.get("/graphql?graphiql", &[]).await.status, 400);
    let asked = gateway.get("/graphql?query=%7B__typename%7D", &browser).await;
    assert_eq!(asked.json()["data"]["__typename"], "Query");
    let without = start_with(GatewayConfig {
        graphiql: false,
        introspection: false,
        ..GatewayConfig::default()
    })
    .await;
    assert_eq!(without.get("/graphql", &browser).await.status, 400);
    let answer = without
        .post("{ __schema { queryType { name } } }", json!({}))
        .await
        .json();
    assert!(answer["data"]["__schema"].is_null());
}

#[tokio::test]
async fn the_request_id_is_echoed_or_minted() {
    let gateway = start().await;
    let id = "c0ffee-1.2_3";
    let reply = gateway
        .post_raw(r#"{"query":"{ nope }"}"#, &[("x-request-id", id)])
        .await;
    assert_eq!(reply.header("x-request-id"), id);
    assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], id);
    for bad in [String::new(), "a".repeat(129), "a b".into()] {
        let reply = gateway
            .post_raw(r#"{"query":"{ nope }"}"#, &[("x-request-id", &bad)])
            .await;
        let minted = reply.header("x-request-id");
        assert!(minted != bad && minted.len() == 32);
        assert_eq!(reply.json()["errors"][0]["extensions"]["requestId"], minted);
    }
    for path in ["/healthz", "/nope"] {
        assert_eq!(
            gateway
                .get(path, &[("x-request-id", id)])
                .await
                .header("x-request-id"),
            id
        );
    }
    let unknown = gateway.get("/nope", &[]).await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.code().as_str()),
        (404, "NOT_FOUND")
    );
    assert_eq!(
        unknown.json()["errors"][0]["extensions"]["requestId"],
        unknown.header("x-request-id")
    );
}
