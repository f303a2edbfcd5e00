//! Errors under `/v1`: each in the words of who asks.

use std::time::Duration;

use greenroom_gateway::GatewayConfig;
use greenroom_kernel::{ErrorCode, Failure, FaultClass};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::client::{Reply, start, start_refusing, start_with};
use crate::v1_fake::{Does, answered};

const CHAT: &str = "/v1/chat/completions";
const OPENAI: &str = r#"{ "error": {"message": "no", "type": "invalid_request_error"} }"#;
const ANTHROPIC: &str = r#"{ "type": "error", "error": {"type": "api_error", "message": "no"} }"#;

#[track_caller]
fn is(reply: &Reply, status: u16, family: &str, kind: &str) {
    let said = reply.json();
    assert_eq!(reply.status, status, "{said}");
    assert_eq!(
        (said["family"].as_str(), said["kind"].as_str()),
        (Some(family), Some(kind))
    );
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(!reply.header("x-request-id").is_empty());
}

#[tokio::test]
async fn an_upstream_s_own_error_goes_out_untouched_to_those_who_speak_its_words() {
    let gateway = start().await;
    for (path, body, family) in [
        (CHAT, OPENAI, None),
        ("/v1/messages", ANTHROPIC, None),
        (CHAT, ANTHROPIC, Some("OpenAiChat")),
        ("/v1/messages", OPENAI, Some("AnthropicMessages")),
        ("/v1/responses", "{}", Some("OpenAiResponses")),
    ] {
        gateway
            .models
            .will(Does::Fails(answered(FaultClass::BadRequest, 422, body)));
        let reply = gateway.ask(path, r#"{"model":"m"}"#, &[]).await;
        match family {
            None => assert_eq!((reply.status.as_u16(), reply.text.as_str()), (422, body)),
            Some(family) => {
                is(&reply, 400, family, "InvalidRequest");
                assert_eq!(reply.json()["code"], "its_code");
            }
        }
    }
}

#[tokio::test]
async fn a_failed_call_says_when_to_come_back() {
    let gateway = start().await;
    let wait = Failure::unavailable("all are busy").retry_after(Duration::from_millis(2_001));
    gateway.models.will(Does::Fails(wait.into()));
    let reply = gateway.chat(r#"{"model":"m","stream":true}"#).await;
    is(&reply, 503, "OpenAiChat", "Overloaded");
    assert_eq!(reply.header("retry-after"), "3");
}

#[tokio::test]
async fn a_model_that_nobody_knows_is_not_found_and_none_at_all_is_asked_for() {
    let gateway = start().await;
    let unknown = || Does::Fails(Failure::not_found("model").into());
    gateway.models.will(unknown());
    let reply = gateway.ask("/v1/messages", r#"{"model":"m"}"#, &[]).await;
    is(&reply, 404, "AnthropicMessages", "NotFound");
    assert_eq!(
        (&reply.json()["code"], &reply.json()["param"]),
        (&json!("model_not_found"), &json!("model"))
    );
    gateway.models.will(unknown());
    let reply = gateway.chat("{}").await;
    is(&reply, 400, "OpenAiChat", "InvalidRequest");
    assert_eq!(reply.json()["param"], "model");
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_with_the_field_at_fault() {
    let gateway = start().await;
    for (body, param) in [
        ("", Value::Null),
        ("[]", Value::Null),
        ("{\"a\":", Value::Null),
        (r#"{"model":7}"#, json!("model")),
    ] {
        let reply = gateway.chat(body).await;
        is(&reply, 400, "OpenAiChat", "InvalidRequest");
        assert_eq!(reply.json()["param"], param);
    }
    gateway.models.will(Does::Reads);
    let reply = gateway
        .ask("/v1/responses", r#"{"model":"m","messages":7}"#, &[])
        .await;
    is(&reply, 400, "OpenAiResponses", "InvalidRequest");
    assert!(reply.text.contains("unreadable"), "{}", reply.text);
}

#[tokio::test]
async fn bodies_over_the_limit_or_in_other_media_are_refused_before_they_are_read() {
    let config = GatewayConfig {
        v1_max_body_bytes: 100,
        ..GatewayConfig::default()
    };
    let gateway = start_with(config).await;
    gateway.models.will(Does::Whole("{}"));
    let of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert_eq!(gateway.chat(&of(100)).await.status, 200);
    is(&gateway.chat(&of(101)).await, 413, "OpenAiChat", "TooLarge");
    let reply = gateway
        .ask("/v1/messages", "{}", &[("content-type", "text/plain")])
        .await;
    is(&reply, 415, "AnthropicMessages", "UnsupportedMedia");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_in_the_client_s_words() {
    let gateway = start().await;
    let send = async |method: Method, path: &str, anthropic: bool| {
        let mut request = Request::builder().method(method).uri(gateway.url(path));
        if anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        gateway
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await
    };
    let reply = send(Method::POST, "/v1/completions", false).await;
    is(&reply, 404, "OpenAiChat", "NotFound");
    assert_eq!(reply.json()["code"], "unknown_path");
    is(
        &send(Method::GET, "/v1/files", true).await,
        404,
        "AnthropicMessages",
        "NotFound",
    );
    let reply = send(Method::GET, CHAT, false).await;
    is(&reply, 405, "OpenAiChat", "MethodNotAllowed");
    assert_eq!(reply.header("allow"), "POST");
    let reply = send(Method::DELETE, "/v1/models/default", false).await;
    is(&reply, 405, "OpenAiChat", "MethodNotAllowed");
    assert_eq!(reply.header("allow"), "GET");
    // Above it GraphQL's words are spoken.
    assert_eq!(send(Method::GET, "/v1/", false).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn foreign_pages_and_strangers_are_refused() {
    let gateway = start().await;
    let reply = gateway
        .ask("/v1/messages", "{}", &[("origin", "http://evil.example")])
        .await;
    is(&reply, 403, "AnthropicMessages", "Forbidden");
    let gateway = start_refusing().await;
    let reply = gateway.chat("{}").await;
    is(&reply, 401, "OpenAiChat", "Unauthenticated");
    is(
        &gateway.get("/v1/models", &[]).await,
        401,
        "OpenAiChat",
        "Unauthenticated",
    );
    gateway.models.will(Does::Whole("{}"));
    let reply = gateway.ask(CHAT, "{}", &[("authorization", "somebody")]).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_their_path_and_never_by_a_caller_s_words() {
    let gateway = start().await;
    gateway
        .models
        .will(Does::Fails(Failure::new(ErrorCode::Internal, "it broke").into()));
    gateway.chat("{}").await;
    gateway.get("/v1/models/of-the-callers", &[]).await;
    gateway.get("/v1/of-the-callers", &[]).await;
    let page = gateway.metrics.render();
    for line in [
        "greenroom_http_requests_total{operation=\"/v1/chat/completions\",status=\"500\"} 1",
        "greenroom_http_requests_total{operation=\"/v1/models\",status=\"404\"} 1",
        "greenroom_http_requests_total{operation=\"other\",status=\"404\"} 1",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "no line `{line}` in {page}"
        );
    }
    assert!(!page.contains("of-the-callers"), "{page}");
}
