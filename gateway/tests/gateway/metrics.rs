//! Requests are counted by what they are about, never under a caller's own words.

use http::StatusCode;
use serde_json::json;

use crate::client::{Running, start};

#[track_caller]
fn counted(gateway: &Running, operation: &str, status: u16, count: u32) {
    let line =
        format!("greenroom_http_requests_total{{operation=\"{operation}\",status=\"{status}\"}} {count}");
    let page = gateway.metrics.render();
    assert!(
        page.lines().any(|found| found == line),
        "no line `{line}` in {page}"
    );
}

#[tokio::test]
async fn requests_are_counted_by_root_field_and_status() {
    let gateway = start().await;
    for name in ["", "ofTheCallers"] {
        let query = format!("query {name} {{ again: listAgents {{ name }} listProviders {{ name }} }}");
        gateway.data(&query, json!({})).await;
    }
    counted(&gateway, "listAgents", 200, 2);
    gateway
        .data("fragment F on Query { listAgents { name } } { ...F }", json!({}))
        .await;
    gateway.data("{ __typename }", json!({})).await;
    gateway.post("{ nonsense }", json!({})).await;
    gateway.post("{ unclosed", json!({})).await;
    counted(&gateway, "other", 200, 4);
    let by_get = "/graphql?query=mutation%7BdeleteSession(id:%22s%22)%7D";
    let refused = gateway.get(by_get, &[]).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    counted(&gateway, "deleteSession", 405, 1);
    gateway.post_raw("{", &[]).await;
    counted(&gateway, "other", 400, 1);
    gateway.get("/nowhere", &[]).await;
    counted(&gateway, "other", 404, 1);
    gateway.get("/graphql", &[("host", "elsewhere.example")]).await;
    counted(&gateway, "other", 403, 1);
    let page = gateway.metrics.render();
    assert!(
        !page.contains("ofTheCallers") && !page.contains("nonsense"),
        "{page}"
    );
    let seconds = "greenroom_http_request_seconds_count{operation=\"listAgents\"} 2";
    assert!(page.contains(seconds), "{page}");
}

#[tokio::test]
async fn an_upgrade_is_counted_once_and_not_what_is_said_on_it() {
    let gateway = start().await;
    let _socket = crate::websocket::connect(gateway.address).await;
    counted(&gateway, "other", 101, 1);
}
