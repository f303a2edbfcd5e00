//! What a query may ask for.

use greenroom_gateway::{GatewayConfig, QueryLimits};
use serde_json::{Value, json};

use crate::client::{start, start_with};

async fn message(query: &str, variables: Value) -> Option<String> {
    let gateway = start().await;
    let answer = gateway.post(query, variables).await.json();
    let error = answer.get("errors")?;
    assert_eq!(crate::client::code(&answer), "BAD_USER_INPUT");
    Some(error[0]["message"].as_str().unwrap().to_owned())
}

fn nested(depth: usize) -> String {
    format!(
        "{{ supervisionTree {{ {} path {} }} }}",
        "children {".repeat(depth - 2),
        "}".repeat(depth - 2)
    )
}

#[tokio::test]
async fn depth_is_limited_through_fragments_too() {
    assert_eq!(message(&nested(15), json!({})).await, None);
    assert_eq!(
        message(&nested(16), json!({})).await.unwrap(),
        "the query is deeper than 15 fields"
    );
    let hidden = format!(
        "{{ supervisionTree {{ ...F }} }} fragment F on ActorNode {{ {} path {} }}",
        "children {".repeat(14),
        "}".repeat(14)
    );
    assert_eq!(
        message(&hidden, json!({})).await.unwrap(),
        "the query is deeper than 15 fields"
    );
    let brackets = format!("{{ supervisionTree {}", "{ children ".repeat(5_000));
    assert!(
        message(&brackets, json!({}))
            .await
            .unwrap()
            .contains("nested deeper")
    );
    let list = format!("{{ getSession(id: {}", "[".repeat(20_000));
    assert!(message(&list, json!({})).await.unwrap().contains("nested deeper"));
}

#[tokio::test]
async fn rows_without_edges_count_for_each_row_too() {
    let query =
        "query($n: Int) { listSessions(first: $n) { nodes { messages(first: $n) { nodes { id } } } } }";
    assert_eq!(message(query, json!({ "n": 25 })).await, None);
    assert_eq!(
        message(query, json!({ "n": 35 })).await.unwrap(),
        "the query is more complex than 2000"
    );
}

#[tokio::test]
async fn pages_within_pages_multiply_also_by_variables() {
    let query = "query($n: Int) { listSessions(first: $n) { edges { node { messages(first: $n) { edges { node { id } } } } } } }";
    assert_eq!(message(query, json!({ "n": 20 })).await, None);
    assert_eq!(
        message(query, json!({ "n": 30 })).await.unwrap(),
        "the query is more complex than 2000"
    );
    assert_eq!(
        message(
            &query
                .replace("$n)", "30)")
                .replace("($n: Int)", "")
                .replace("query", "query Q"),
            json!({})
        )
        .await
        .unwrap(),
        "the query is more complex than 2000"
    );
    assert_eq!(
        message(
            "{ listSessions(first: 100) { edges { node { id title createdAt } } pageInfo { endCursor } } }",
            json!({})
        )
        .await,
        None
    );
}

#[tokio::test]
async fn a_bomb_of_fragments_is_refused_at_once() {
    let mut query = "{ listAgents { ...F0 } }".to_owned();
    for n in 0..14 {
        query += &format!(
            " fragment F{n} on AgentStatus {{ ...F{m} ...F{m} ...F{m} }}",
            m = n + 1
        );
    }
    query += " fragment F14 on AgentStatus { name }";
    assert_eq!(
        message(&query, json!({})).await.unwrap(),
        "the query is more complex than 2000"
    );
}

#[tokio::test]
async fn aliases_root_fields_tokens_and_bytes_are_limited() {
    let aliases = |n: usize| (0..n).map(|n| format!("a{n}: name ")).collect::<String>();
    assert_eq!(
        message(&format!("{{ listAgents {{ {} }} }}", aliases(30)), json!({})).await,
        None
    );
    let too_many = message(&format!("{{ listAgents {{ {} }} }}", aliases(31)), json!({})).await;
    assert_eq!(too_many.unwrap(), "the query has more than 30 aliases");
    let roots = |n: usize| (0..n).map(|_| "__typename ").collect::<String>();
    assert_eq!(message(&format!("{{ {} }}", roots(20)), json!({})).await, None);
    assert!(
        message(&format!("{{ {} }}", roots(21)), json!({}))
            .await
            .unwrap()
            .contains("20 fields at its root")
    );
    assert!(
        message(&format!("{{ {} }}", roots(5_000)), json!({}))
            .await
            .unwrap()
            .contains("5000 tokens")
    );
    let long = format!("{{ __typename }} # {}", "x".repeat(64 * 1024));
    assert!(message(&long, json!({})).await.unwrap().contains("65536 bytes"));
}

#[tokio::test]
async fn introspection_works_and_cannot_multiply() {
    let gateway = start().await;
    let kind = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
    let full = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
            types {{ ...FullType }} directives {{ name description locations args {{ ...InputValue }} }} }} }}
        fragment FullType on __Type {{ kind name description fields(includeDeprecated: true) {{ name description
            args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }} inputFields {{ ...InputValue }}
            interfaces {{ ...TypeRef }} enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
            possibleTypes {{ ...TypeRef }} }}
        fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue }}
        fragment TypeRef on __Type {{ {kind} }}"
    );
    let data = gateway.data(&full, json!({})).await;
    assert!(data["__schema"]["types"].as_array().unwrap().len() > 30);
    let bomb = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }";
    assert_eq!(gateway.refused(bomb, json!({})).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn limits_are_the_operators_to_set() {
    let query = QueryLimits {
        depth: 2,
        ..QueryLimits::default()
    };
    let gateway = start_with(GatewayConfig {
        query,
        ..GatewayConfig::default()
    })
    .await;
    gateway.data("{ listAgents { name } }", json!({})).await;
    assert_eq!(
        gateway
            .refused("{ listAgents { instances { id } } }", json!({}))
            .await,
        "BAD_USER_INPUT"
    );
}
