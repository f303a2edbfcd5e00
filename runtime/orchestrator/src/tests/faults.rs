//! A store that loses answers, is busy or full.

use std::sync::Arc;
use std::time::Duration;

use super::*;

fn echoing() -> Arc<Host> {
    Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        if talk.step(tool("0", Effect::NonIdempotent)).await.is_some() {
            echo(talk).await;
        }
    }))
}

async fn lost_and_late_answers_change_nothing(door: Door) {
    let host = echoing();
    let stage = Stage::with(door, [Arc::clone(&host)]).await;
    let late = Duration::from_millis(700);
    stage.store.next_appends([
        Some(Fault::AnswerLost),
        Some(Fault::RequestLost),
        Some(Fault::AnswerLost),
        Some(Fault::AnswerLate(late)),
        Some(Fault::StartLate(late)),
        Some(Fault::Busy),
        Some(Fault::AnswerLost),
    ]);
    let told = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 1));
    assert_eq!(host.fired.lock().len(), 1);
    let again = stage
        .chat(Some(&told.session.unwrap().id), "more", "k2", LONG)
        .await;
    assert_eq!(again.task.status, TaskStatus::Completed);
}

async fn random_faults_of_every_kind_lose_nothing_and_repeat_nothing(door: Door) {
    let host = echoing();
    let stage = Stage::with(door, [Arc::clone(&host)]).await;
    let random = stage_random();
    stage.store.set_rule(move |asked| {
        use greenroom_kernel::Randomness;
        let faults = [
            Fault::AnswerLost,
            Fault::RequestLost,
            Fault::Busy,
            Fault::AnswerLate(Duration::from_millis(30)),
        ];
        let draw = random.next_u64();
        let writes = matches!(
            asked,
            Asked::Append(_) | Asked::Write("put_snapshot" | "put_blob")
        );
        (writes && draw.is_multiple_of(3)).then(|| faults[usize::try_from(draw >> 32).unwrap() % 4])
    });
    let calls = (0..40).map(|number| {
        let stage = &stage;
        async move {
            let (content, key) = ("x".repeat(number * 1_500), format!("k{number}"));
            loop {
                match stage.show.accept(&ann(), chat(None, &content, &key, LONG)).await {
                    Ok(told) => return told.task,
                    Err(failure) => assert!(failure.retryable, "{failure}"),
                }
            }
        }
    });
    for row in futures::future::join_all(calls).await {
        assert_eq!(row.status, TaskStatus::Completed, "{:?}", row.error);
    }
    assert_eq!(host.fired.lock().len(), 40);
}

async fn a_full_disk_is_told_at_once_and_what_was_asked_is_found_by_its_key_when_there_is_room(door: Door) {
    let host = echoing();
    let stage = Stage::with(door, [Arc::clone(&host)]).await;
    stage
        .store
        .set_rule(|asked| matches!(asked, Asked::Append(_)).then_some(Fault::Full));
    let refused = stage
        .show
        .accept(&ann(), chat(None, "hello", "k", LONG))
        .await
        .unwrap_err();
    assert!(
        refused.code == ErrorCode::Unavailable && refused.retryable,
        "{refused}"
    );
    assert!(refused.message.contains("full"), "{refused}");
    stage.store.heal();
    let told = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!((told.task.status, host.runs()), (TaskStatus::Completed, 1));
}

async fn a_store_that_stays_busy_is_not_taken_for_a_refusal(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    stage
        .store
        .set_rule(|asked| matches!(asked, Asked::Append(_)).then_some(Fault::Busy));
    let refused = stage
        .show
        .accept(&ann(), chat(None, "hello", "k", LONG))
        .await
        .unwrap_err();
    assert_eq!(
        refused.code,
        ErrorCode::Unavailable,
        "RESOURCE_EXHAUSTED would say that nothing was accepted"
    );
    stage.store.heal();
    assert_eq!(
        stage.chat(None, "hello", "k", LONG).await.task.status,
        TaskStatus::Completed
    );
}

async fn a_journal_that_can_not_be_read_is_a_clear_failure_and_no_task_of_it_is_lost(door: Door) {
    let mut stage = Stage::with(door, [echoing()]).await;
    let told = stage.chat(None, "hello", "k", LONG).await;
    let session = told.session.unwrap().id;
    stage.crash_and_restart().await;
    stage
        .store
        .set_rule(|asked| matches!(asked, Asked::Read("read" | "snapshot")).then_some(Fault::RequestLost));
    let refused = stage
        .show
        .accept(&ann(), chat(Some(&session), "more", "l", LONG))
        .await
        .unwrap_err();
    assert!(
        refused.code == ErrorCode::Unavailable && refused.retryable,
        "{refused}"
    );
    stage.store.heal();
    assert_eq!(
        stage.chat(Some(&session), "more", "l", LONG).await.task.status,
        TaskStatus::Completed
    );
}

through_every_door! {
    lost_and_late_answers_change_nothing,
    random_faults_of_every_kind_lose_nothing_and_repeat_nothing,
    a_full_disk_is_told_at_once_and_what_was_asked_is_found_by_its_key_when_there_is_room,
    a_store_that_stays_busy_is_not_taken_for_a_refusal,
    a_journal_that_can_not_be_read_is_a_clear_failure_and_no_task_of_it_is_lost,
}
