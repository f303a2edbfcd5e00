//! Which page is told in which world, and how many of its blocks only illustrate.

use std::time::Duration;

use serde_json::Value;

use super::blocks::{blocks, documents};
use super::story::{Told, tell};
use super::world::World;
use crate::support::{FakeModel, Said};

/// Pages with a program that needs other people's clients: [`programs`](super::programs) runs it.
pub(super) const PROGRAMS: [&str; 1] = ["docs/first-chat.md"];

/// One test a page.
macro_rules! pages {
    ($($test:ident: $page:literal, $illustrations:literal;)*) => {
        const PAGES: &[(&str, usize)] = &[$(($page, $illustrations)),*];
        $(
            #[tokio::test]
            async fn $test() {
                told($page, $illustrations).await;
            }
        )*
    };
}

pages! {
    the_readme_is_true: "README.md", 0;
    the_first_chat_is_true: "docs/first-chat.md", 0;
    the_first_agent_is_true: "docs/first-agent.md", 0;
    the_first_tool_is_true: "docs/first-tool.md", 0;
    writing_an_agent_is_true: "docs/agents.md", 2;
    the_built_in_agents_are_as_told: "docs/built-in-agents.md", 0;
    clients_of_others_are_served_as_told: "docs/openai-and-anthropic-clients.md", 2;
    costs_are_as_told: "docs/costs.md", 0;
    embedding_is_true: "docs/embedding.md", 0;
    failing_over_is_true: "docs/failover.md", 0;
    operating_it_is_true: "docs/operations.md", 0;
    a_fleet_is_as_told: "docs/fleet.md", 2;
    certificates_are_as_told: "docs/tls.md", 1;
    the_store_on_dynamodb_is_as_told: "docs/dynamodb.md", 2;
    the_guarantees_are_true: "docs/guarantees.md", 0;
    the_performance_page_is_true: "docs/performance.md", 0;
    unauthenticated_is_true: "docs/errors/UNAUTHENTICATED.md", 1;
    forbidden_is_true: "docs/errors/FORBIDDEN.md", 0;
    not_found_is_true: "docs/errors/NOT_FOUND.md", 0;
    bad_user_input_is_true: "docs/errors/BAD_USER_INPUT.md", 0;
    conflict_is_true: "docs/errors/CONFLICT.md", 0;
    resource_exhausted_is_true: "docs/errors/RESOURCE_EXHAUSTED.md", 0;
    limit_exceeded_is_true: "docs/errors/LIMIT_EXCEEDED.md", 0;
    deadline_exceeded_is_true: "docs/errors/DEADLINE_EXCEEDED.md", 0;
    unavailable_is_true: "docs/errors/UNAVAILABLE.md", 0;
    agent_failed_is_true: "docs/errors/AGENT_FAILED.md", 0;
    provider_failed_is_true: "docs/errors/PROVIDER_FAILED.md", 0;
    cancelled_is_true: "docs/errors/CANCELLED.md", 0;
    outcome_unknown_is_true: "docs/errors/OUTCOME_UNKNOWN.md", 0;
    non_deterministic_is_true: "docs/errors/NON_DETERMINISTIC.md", 0;
    internal_is_true: "docs/errors/INTERNAL.md", 1;
}

/// Tells a page in a world of its own, arranged as the page says it is.
async fn told(page: &str, illustrations: usize) {
    let model = match page {
        "docs/built-in-agents.md" => FakeModel::scripted(plays_its_part).await,
        _ => FakeModel::start().await,
    };
    let mut world = World::start(model, page != "docs/errors/UNAVAILABLE.md").await;
    match page {
        "docs/first-agent.md" => world.model.slow(Duration::from_millis(150)),
        "docs/errors/DEADLINE_EXCEEDED.md" => world.model.slow(Duration::from_secs(1)),
        "docs/errors/PROVIDER_FAILED.md" => world.model.fail(),
        "docs/errors/RESOURCE_EXHAUSTED.md" => world.crowd("crowd").await,
        "docs/errors/OUTCOME_UNKNOWN.md" => drop(world.unknown("evening").await),
        _ => {}
    }
    let all = blocks(&super::blocks::document(page)).len();
    let told = tell(page, &mut world).await;
    world.end();
    let expected = Told {
        illustrations,
        run: all - illustrations,
    };
    assert_eq!(
        told, expected,
        "{page}: a block that is only looked at is marked `text` and counted here"
    );
}

/// A model that plays its part for every built-in agent.
fn plays_its_part(body: &Value) -> Said {
    let system = body["messages"][0]["content"].as_str().unwrap();
    let part = r#"{"parts": [{"agent": "assistant", "question": "What is a journal good for?"}]}"#;
    let said = match system {
        text if text.starts_with("You plan") => part,
        text if text.starts_with("You extract") => r#"{"name": "Ann", "age": 7}"#,
        text if text.contains("ummar") => "A ship with timber from Bergen reached Dover two weeks late.",
        text if text.contains("numbered sources") => "A journal remembers what was done [1].",
        _ => "It remembers what was done.",
    };
    Said::Text(said.to_owned())
}

#[test]
fn no_block_of_any_document_is_left_out() {
    for (name, text) in documents() {
        // The examples' own pages are told with their hosts (`languages`).
        if name.starts_with("examples/") {
            continue;
        }
        let told = PAGES.iter().any(|(page, _)| *page == name);
        assert_eq!(
            !told,
            blocks(&text).is_empty(),
            "{name}: a page with blocks has its line in the table above, another has none"
        );
    }
}
