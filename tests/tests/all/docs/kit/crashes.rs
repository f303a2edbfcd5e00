//! Quoted by `docs/agents.md`.

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::testkit::{Bench, Probe, Reply};
use serde_json::json;

/// To be called by a `#[tokio::test]`, with the agent above.
async fn it_pays_once(buyer: impl Agent, world: Probe) {
    let bench = Bench::new(buyer)
        .input(json!({ "item": "lamp", "cents": 250 }))
        .approve(json!(null)) // people, in order: approve, reject, ignore
        .reply(Reply::pieces(["Thank ", "you"])) // models, in order; or reply_by(|request| …)
        .agent_by("echo", |input| Ok(serde_json::from_value(input.clone())?))
        .probe(&world);

    let ran = bench.run().await;
    assert_eq!(ran.content(), Some("Thank you!"));
    assert_eq!(ran.steps_named("pay"), 1); // and data, failure, emitted, steps, effects

    bench.assert_survives_crashes().await;
}

#[tokio::test]
async fn the_documents_test_of_a_buyer_passes() {
    it_pays_once(crate::docs::agents::a_buyer(), Probe::new()).await;
}
