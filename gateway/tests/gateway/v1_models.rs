//! The list of models.

use serde_json::{Value, json};

use crate::client::start;

const ANTHROPIC: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

fn ids(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|each| each["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn routes_models_and_agents_are_listed_in_openai_s_words() {
    let gateway = start().await;
    let list = gateway.get("/v1/models", &[]).await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(
        ids(&list),
        ["default", "main/large", "agent:assistant", "agent:echo"]
    );
    assert_eq!(
        list["data"][1],
        json!({
            "id": "main/large",
            "object": "model",
            "created": 1_767_268_800,
            "owned_by": "main",
            "greenroom": { "kind": "model", "can": { "context_window": 8_192 }, "provider": "main" },
        })
    );
    assert_eq!(list["data"][0]["greenroom"]["kind"], "route");
    assert_eq!(list["data"][3]["greenroom"]["description"], "the agent echo");
}

#[tokio::test]
async fn a_client_of_anthropic_gets_the_list_in_its_words() {
    let gateway = start().await;
    let list = gateway.get("/v1/models", &ANTHROPIC).await.json();
    assert_eq!(
        ids(&list),
        ["default", "main/large", "agent:assistant", "agent:echo"]
    );
    assert_eq!(
        (&list["has_more"], &list["first_id"], &list["last_id"]),
        (&json!(false), &json!("default"), &json!("agent:echo"))
    );
    assert_eq!(
        list["data"][0],
        json!({
            "type": "model",
            "id": "default",
            "display_name": "default",
            "created_at": "2026-01-01T12:00:00.000Z",
        })
    );
}

#[tokio::test]
async fn one_model_is_found_by_its_id_with_or_without_escapes() {
    let gateway = start().await;
    for path in ["/v1/models/main/large", "/v1/models/main%2Flarge"] {
        assert_eq!(gateway.get(path, &[]).await.json()["id"], "main/large");
    }
    let agent = gateway.get("/v1/models/agent%3Aecho", &ANTHROPIC).await.json();
    assert_eq!(
        (&agent["type"], &agent["display_name"]),
        (&json!("model"), &json!("echo"))
    );
    let reply = gateway.get("/v1/models/large", &[]).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["code"]),
        (404, &json!("model_not_found"))
    );
}
