//! Creating a session once, though its owner is lost meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

async fn quiet(door: Door) -> Stage {
    Stage::with(door, [Arc::new(host("h").agent("helper", echo))]).await
}

/// Creates the session, and kills its owner half a second after that has begun.
async fn created_over_a_lost_owner(stage: &Stage, id: &SessionId) -> Result<SessionId, Failure> {
    let key = stage.orchestrator.shared().key(&ann().tenant, id);
    let who = ann();
    let creating = stage.show.create_session(&who, Some(id.clone()), None);
    let killing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(stage.orchestrator.shared().journals.kill(&key), "it had an owner");
    };
    let (created, ()) = tokio::join!(creating, killing);
    created.map(|row| row.id)
}

/// Delays the first operation that is like `wanted` by a second.
fn delay_one(stage: &Stage, fault: Fault, wanted: fn(Asked<'_>) -> bool) {
    let met = AtomicBool::new(false);
    stage
        .store
        .set_rule(move |asked| (wanted(asked) && !met.swap(true, Ordering::SeqCst)).then_some(fault));
}

async fn a_taken_id_is_a_conflict_though_the_owner_was_lost_while_asked(door: Door) {
    let stage = quiet(door).await;
    let id = SessionId::parse("s").unwrap();
    stage
        .show
        .create_session(&ann(), Some(id.clone()), None)
        .await
        .unwrap();
    let key = stage.orchestrator.shared().key(&ann().tenant, &id);
    assert!(stage.orchestrator.shared().journals.kill(&key));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = Fault::StartLate(Duration::from_secs(1));
    delay_one(&stage, late, |asked| matches!(asked, Asked::Read("snapshot")));
    let taken = created_over_a_lost_owner(&stage, &id).await;
    assert_eq!(taken.unwrap_err().code, ErrorCode::Conflict);
}

async fn a_session_whose_owner_was_lost_before_it_answered_is_created_once(door: Door) {
    let stage = quiet(door).await;
    let id = SessionId::parse("s").unwrap();
    let late = Fault::AnswerLate(Duration::from_secs(1));
    delay_one(&stage, late, |asked| matches!(asked, Asked::Append(_)));
    assert_eq!(created_over_a_lost_owner(&stage, &id).await, Ok(id.clone()));
    let taken = stage.show.create_session(&ann(), Some(id), None).await;
    assert_eq!(taken.unwrap_err().code, ErrorCode::Conflict);
}

through_every_door! {
    a_taken_id_is_a_conflict_though_the_owner_was_lost_while_asked,
    a_session_whose_owner_was_lost_before_it_answered_is_created_once,
}
