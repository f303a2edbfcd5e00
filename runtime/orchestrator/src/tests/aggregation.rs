//! Several agents at once.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::AggregateRequest;

use super::*;

async fn cast(door: Door) -> Stage {
    let host = host("h")
        .agent("quick", |talk: Talk| async move { talk.done("quick") })
        .agent("other", |talk: Talk| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            talk.done("other");
        })
        .agent("fails", |talk: Talk| async move {
            talk.say(FromAgent::Failed(Failure::internal("no")))
        })
        .agent("never", |mut talk: Talk| async move { talk.linger().await })
        .agent("helper", |talk: Talk| async move {
            talk.done(&talk.start.input.clone())
        });
    Stage::with(door, [Arc::new(host)]).await
}

fn ask(agents: &[&str], quorum: Option<u32>, synthesize: bool) -> AggregateRequest {
    AggregateRequest {
        targets: agents.iter().map(|agent| (name(agent), None)).collect(),
        input: "{}".into(),
        timeout: Some(Duration::from_secs(20)),
        quorum,
        synthesize,
        key: IdempotencyKey::parse("a").unwrap(),
        trace: None,
    }
}

fn statuses(parts: &[TaskRow]) -> Vec<TaskStatus> {
    parts.iter().map(|row| row.status).collect()
}

async fn all_answers_in_the_order_asked_and_one_made_of_them(door: Door) {
    let stage = cast(door).await;
    let told = stage
        .show
        .aggregate(&ann(), ask(&["other", "quick"], None, true))
        .await
        .unwrap();
    assert!(told.complete);
    assert_eq!(stage.text(&told.parts[0]).await, "other");
    assert_eq!(stage.text(&told.parts[1]).await, "quick");
    let synthesis = stage.text(&told.synthesis.unwrap()).await;
    assert!(
        synthesis.contains("[other]") && synthesis.contains("[quick]"),
        "{synthesis}"
    );
    let again = stage
        .show
        .aggregate(&ann(), ask(&["other", "quick"], None, false))
        .await
        .unwrap();
    assert_eq!(again.parts, told.parts, "the same call finds the same tasks");
}

async fn a_quorum_cancels_the_rest_at_once(door: Door) {
    let stage = cast(door).await;
    let begun = tokio::time::Instant::now();
    let told = stage
        .show
        .aggregate(&ann(), ask(&["never", "quick", "other"], Some(2), false))
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(!told.complete);
    assert_eq!(
        statuses(&told.parts),
        [
            TaskStatus::Cancelled,
            TaskStatus::Completed,
            TaskStatus::Completed
        ]
    );
}

async fn what_is_there_when_the_time_is_over_is_told(door: Door) {
    let stage = cast(door).await;
    let told = stage
        .show
        .aggregate(&ann(), ask(&["quick", "fails", "never"], None, false))
        .await
        .unwrap();
    assert!(!told.complete);
    assert_eq!(
        statuses(&told.parts)[..2],
        [TaskStatus::Completed, TaskStatus::Failed]
    );
    assert!(matches!(
        told.parts[2].status,
        TaskStatus::Cancelled | TaskStatus::Failed
    ));
}

async fn what_can_not_be_asked_is_refused_whole(door: Door) {
    let stage = cast(door).await;
    let code = |result: Result<greenroom_kernel::Aggregate, Failure>| result.unwrap_err().code;
    assert_eq!(
        code(stage.show.aggregate(&ann(), ask(&[], None, false)).await),
        ErrorCode::BadUserInput
    );
    assert_eq!(
        code(
            stage
                .show
                .aggregate(&ann(), ask(&["quick"], Some(2), false))
                .await
        ),
        ErrorCode::BadUserInput
    );
    assert_eq!(
        code(
            stage
                .show
                .aggregate(&ann(), ask(&["quick", "nobody"], None, false))
                .await
        ),
        ErrorCode::NotFound
    );
}

through_every_door! {
    all_answers_in_the_order_asked_and_one_made_of_them,
    a_quorum_cancels_the_rest_at_once,
    what_is_there_when_the_time_is_over_is_told,
    what_can_not_be_asked_is_refused_whole,
}
