//! Quoted by `docs/agents.md`.

use greenroom_agent_sdk::prelude::*;
use greenroom_agent_sdk::testkit::{Replay, ReplayError};

async fn it_still_does_as_it_did(buyer: Arc<dyn Agent>) -> Result<(), ReplayError> {
    Replay::from_file("journal.json")?.of(buyer).await?;
    Ok(())
}

#[tokio::test]
async fn a_replay_without_its_journal_names_the_file() {
    let buyer = Arc::new(crate::docs::agents::a_buyer());
    let error = it_still_does_as_it_did(buyer).await.unwrap_err();
    assert!(error.to_string().contains("journal.json"), "{error}");
}
