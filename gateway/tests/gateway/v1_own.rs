//! What callers ask of Greenroom itself.

use greenroom_kernel::{Narrowing, Strategy};
use serde_json::{Value, json};

use crate::client::start;
use crate::v1_fake::Does;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_wish_in_headers_or_body_narrows_the_call_and_is_not_passed_on() {
    let gateway = start().await;
    let expected = Narrowing {
        strategy: Some(Strategy::LeastLatency),
        exclude: vec!["a".to_owned()],
        max_cost_usd: Some(0.25),
        max_latency_ms: Some(900),
    };
    let plain = r#"{"model":"m", "big": 12345678901234567890123}"#;
    let headers = [
        ("x-greenroom-strategy", "least_latency"),
        ("x-greenroom-exclude", "a"),
        ("x-greenroom-max-cost-usd", "0.25"),
        ("x-greenroom-max-latency-ms", "900"),
        ("x-greenroom-session", "s-1"),
    ];
    let wordy = r#"{"greenroom": {"strategy": "least_latency", "exclude": ["a"], "max_cost_usd": 0.25,
        "max_latency_ms": 900, "session": "s-1"},"model":"m", "big": 12345678901234567890123}"#;
    for (body, headers) in [(plain, &headers[..]), (wordy, &[][..])] {
        gateway.models.will(Does::Whole("{}"));
        let reply = gateway.ask(CHAT, body, headers).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let call = gateway.models.calls().pop().unwrap();
        assert_eq!(call.context.narrowing, expected);
        assert_eq!(call.context.affinity.as_deref(), Some("s-1"));
        assert_eq!(
            (call.body().as_str(), call.call.model.as_deref()),
            (plain, Some("m"))
        );
        assert!(!reply.headers.contains_key("x-greenroom-context"));
    }
}

#[tokio::test]
async fn a_wish_that_is_not_known_is_refused_and_nothing_is_called() {
    let gateway = start().await;
    let refused = [
        (r#"{"greenroom":{"max_cost":1}}"#, &[][..], "greenroom.max_cost"),
        ("{}", &[("x-greenroom-sesion", "s")][..], "x-greenroom-sesion"),
        (
            r#"{"greenroom":{"strategy":"best"}}"#,
            &[][..],
            "greenroom.strategy",
        ),
    ];
    for (body, headers, param) in refused {
        let reply = gateway.ask(CHAT, body, headers).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()["param"].as_str()),
            (400, Some(param))
        );
    }
    assert!(gateway.models.calls().is_empty());
}

#[tokio::test]
async fn context_is_put_in_as_data_as_far_as_it_fits_and_the_caller_is_told_what_was_used() {
    let gateway = start().await;
    gateway.models.will(Does::Whole("{}"));
    let body = json!({
        "model": "m",
        "stream": false,
        "greenroom": {
            "context_max_tokens": 10,
            "context": [
                { "id": "first", "text": "a".repeat(12) },
                { "id": "large", "text": "b".repeat(100) },
                { "id": "last", "text": "[end last 0]" },
            ],
        },
    });
    let reply = gateway.chat(&body.to_string()).await;
    assert_eq!(reply.header("x-greenroom-context"), "first,last");
    let call = gateway.models.calls().pop().unwrap();
    let sent: Value = serde_json::from_str(&call.body()).unwrap();
    let injected = sent["injected"].as_str().unwrap();
    assert!(
        injected.contains(&"a".repeat(12)) && injected.contains("[end last 0]"),
        "{injected}"
    );
    assert!(!injected.contains("bbb"), "{injected}");
    assert_eq!((&sent["model"], sent.get("greenroom")), (&json!("m"), None));
    assert_eq!(call.call.model.as_deref(), Some("m"));

    gateway.models.will(Does::Whole("{}"));
    let body = r#"{"model":"m","greenroom":{"context":[]}}"#;
    let reply = gateway.chat(body).await;
    assert_eq!(reply.headers["x-greenroom-context"], "");
    assert_eq!(gateway.models.calls().pop().unwrap().body(), r#"{"model":"m"}"#);
}

#[tokio::test]
async fn texts_to_be_embedded_have_no_context() {
    let gateway = start().await;
    let body = r#"{"input":"x","greenroom":{"context":[{"id":"a","text":"b"}]}}"#;
    let reply = gateway.ask("/v1/embeddings", body, &[]).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["param"]),
        (400, &json!("greenroom.context"))
    );
}
