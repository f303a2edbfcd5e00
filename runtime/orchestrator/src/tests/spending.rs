//! What tasks have used: by calls that failed or were lost, and by children, whatever their end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{Limits, PageRequest};

use super::*;

fn limited(tokens: u64) -> crate::OrchestratorConfig {
    crate::OrchestratorConfig {
        limits: Limits {
            tokens,
            ..Limits::default()
        },
        ..Default::default()
    }
}

/// An agent that asks its model for ever, whatever comes of it.
async fn insatiable(mut talk: Talk) {
    for number in 0u32.. {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if talk.step(model(&number.to_string())).await.is_none() {
            return;
        }
    }
}

/// An agent that answers when its model has, and in its first attempt dies when told to.
fn caller(dies: bool) -> Host {
    host("h").agent("helper", move |mut talk: Talk| async move {
        if dies && talk.start.attempt == 1 {
            talk.say(FromAgent::Call(model("0")));
            tokio::time::sleep(Duration::from_secs(1)).await;
            return talk.say(FromAgent::Panicked("boom".into()));
        }
        if talk.step(model("0")).await.is_some() {
            talk.done("well");
        }
    })
}

fn used(row: &TaskRow) -> (u64, bool) {
    let usage = row.usage.unwrap_or_default();
    (usage.total_tokens(), usage.estimated)
}

async fn a_failed_model_call_shows_in_its_step_and_its_task(door: Door) {
    let stage = Stage::with(door, [Arc::new(caller(false))]).await;
    *stage.models.script.lock() = vec![
        Piece::Used(40),
        Piece::Text("half"),
        Piece::Used(50),
        Piece::Fail(Failure::unavailable("cut off")),
    ];
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(
        (told.task.status, used(&told.task).0),
        (TaskStatus::Completed, 50)
    );
    let steps = stage.show.steps(&ann(), &told.task.id).await.unwrap();
    assert_eq!(
        (steps[0].status, steps[0].usage.unwrap().total_tokens()),
        (StepStatus::Failed, 50)
    );
}

async fn failed_model_calls_stop_a_runaway_too(door: Door) {
    let stage = Stage::configured(
        door,
        limited(100),
        [Arc::new(host("h").agent("helper", insatiable))],
    )
    .await;
    *stage.models.script.lock() = vec![Piece::Used(50), Piece::Fail(Failure::unavailable("cut off"))];
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(told.task.error.as_ref().unwrap().code, ErrorCode::LimitExceeded);
    assert_eq!(
        (stage.models.calls.load(Ordering::SeqCst), used(&told.task).0),
        (3, 150)
    );
}

async fn what_streamed_to_an_agent_that_died_is_billed(door: Door) {
    let stage = Stage::with(door, [Arc::new(caller(true))]).await;
    *stage.models.script.lock() = vec![
        Piece::Used(6),
        Piece::Text("ha"),
        Piece::Used(7),
        Piece::Pause(Duration::from_secs(10)),
    ];
    let told = stage.task("helper", "k", NOT).await;
    stage.until(&told.task.id, |row| row.attempts == 2).await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!((ended.status, used(&ended).0), (TaskStatus::Completed, 7 + 10));
}

async fn a_model_call_that_is_cancelled_with_its_task_is_billed(door: Door) {
    let stage = Stage::with(door, [Arc::new(caller(false))]).await;
    *stage.models.script.lock() = vec![Piece::Used(7), Piece::Pause(Duration::from_secs(100))];
    let told = stage.task("helper", "k", Duration::from_secs(1)).await;
    let cancelled = stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    assert_eq!((cancelled.status, used(&cancelled).0), (TaskStatus::Cancelled, 7));
}

async fn a_model_call_lost_with_its_process_is_billed_as_estimated_for_each_loss(door: Door) {
    let mut stage = Stage::with(door, [Arc::new(caller(false))]).await;
    *stage.models.script.lock() = vec![Piece::Used(3), Piece::Pause(Duration::from_secs(10))];
    let told = stage.task("helper", "k", Duration::from_secs(1)).await;
    stage.crash_and_restart().await;
    stage.until(&told.task.id, |row| row.attempts == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!(
        (ended.status, used(&ended)),
        (TaskStatus::Completed, (10 + 2 * 5, true))
    );
    assert_eq!(stage.models.calls.load(Ordering::SeqCst), 3);
}

async fn a_child_counts_whatever_its_end(door: Door) {
    let parent = host("h")
        .agent("helper", |mut talk: Talk| async move {
            for (place, child) in [("0", "fails"), ("1", "lingers")] {
                if talk.step(hand_off(place, child)).await.is_none() {
                    return;
                }
            }
            talk.done("well");
        })
        .agent("fails", |mut talk: Talk| async move {
            talk.step(model("0")).await;
            talk.say(FromAgent::Failed(Failure::internal("no")));
        })
        .agent("lingers", |mut talk: Talk| async move {
            talk.step(model("0")).await;
            talk.linger().await;
        });
    let stage = Stage::with(door, [Arc::new(parent)]).await;
    let told = stage.task("helper", "k", NOT).await;
    let lingers = async {
        loop {
            let page = PageRequest {
                after: None,
                limit: 10,
            };
            let children = stage.show.children(&ann(), &told.task.id, page).await.unwrap();
            let found = children.rows.into_iter().find(|row| row.agent == name("lingers"));
            if let Some(row) = found.filter(|row| row.usage.is_some()) {
                return row.id;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let lingers = lingers.await;
    stage.show.cancel(&ann(), &lingers).await.unwrap();
    let ended = stage.ended(&told.task.id).await;
    assert_eq!((ended.status, used(&ended).0), (TaskStatus::Completed, 20));
}

/// Hands off to all of these at once and waits for all.
async fn at_once(mut talk: Talk, children: &[&str]) {
    for (place, child) in children.iter().enumerate() {
        talk.say(FromAgent::Call(hand_off(&place.to_string(), child)));
    }
    for place in 0..children.len() {
        if talk.answer(&path(&place.to_string())).await.is_none() {
            return;
        }
    }
    talk.done("well");
}

async fn children_at_once_share_what_their_parent_has_left(door: Door) {
    let cast = host("h")
        .agent("helper", |talk: Talk| {
            at_once(talk, &["worker", "worker", "worker"])
        })
        .agent("worker", insatiable);
    let stage = Stage::configured(door, limited(100), [Arc::new(cast)]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(told.task.error.as_ref().unwrap().code, ErrorCode::LimitExceeded);
    let calls = stage.models.calls.load(Ordering::SeqCst);
    assert!((10..=10 + 3 + 1).contains(&calls), "{calls} calls of 10 tokens");
    assert!(used(&told.task).0 > 100, "what was used is told");
    let open = stage
        .show
        .tasks(
            &ann(),
            None,
            Some(TaskStatus::Running),
            PageRequest {
                after: None,
                limit: 10,
            },
        )
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let later = stage.models.calls.load(Ordering::SeqCst);
    assert!(later <= calls + 3, "the children were stopped: {later}, {open:?}");
}

async fn grandchildren_count_against_the_first_of_the_line(door: Door) {
    let cast = host("h")
        .agent("helper", |talk: Talk| at_once(talk, &["middle", "middle"]))
        .agent("middle", |talk: Talk| at_once(talk, &["worker", "worker"]))
        .agent("worker", insatiable);
    let stage = Stage::configured(door, limited(100), [Arc::new(cast)]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(told.task.error.as_ref().unwrap().code, ErrorCode::LimitExceeded);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = stage.models.calls.load(Ordering::SeqCst);
    assert!((10..=10 + 4 + 2).contains(&calls), "{calls} calls of 10 tokens");
}

async fn children_one_after_the_other_have_all_that_is_left(door: Door) {
    let cast = host("h")
        .agent("helper", |mut talk: Talk| async move {
            for place in ["0", "1"] {
                match talk.step(hand_off(place, "worker")).await {
                    Some(Ok(_)) => {}
                    Some(Err(failure)) => return talk.say(FromAgent::Failed(failure)),
                    None => return,
                }
            }
            talk.done("well");
        })
        .agent("worker", |mut talk: Talk| async move {
            for place in ["0", "1", "2", "3", "4"] {
                if talk.step(model(place)).await.is_none() {
                    return;
                }
            }
            talk.done("well");
        });
    let stage = Stage::configured(door, limited(100), [Arc::new(cast)]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(
        (told.task.status, used(&told.task).0),
        (TaskStatus::Completed, 100)
    );
}

async fn a_child_found_again_counts_from_what_it_had_used(door: Door) {
    let cast = host("h")
        .agent("helper", |talk: Talk| at_once(talk, &["worker", "worker"]))
        .agent("worker", insatiable);
    let mut stage = Stage::configured(door, limited(200), [Arc::new(cast)]).await;
    let told = stage.task("helper", "k", Duration::from_millis(950)).await;
    assert_eq!(told.task.status, TaskStatus::Running);
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!(ended.error.as_ref().unwrap().code, ErrorCode::LimitExceeded);
    let calls = stage.models.calls.load(Ordering::SeqCst);
    assert!((18..=20 + 6).contains(&calls), "{calls} calls of 10 tokens");
}

through_every_door! {
    a_failed_model_call_shows_in_its_step_and_its_task,
    failed_model_calls_stop_a_runaway_too,
    what_streamed_to_an_agent_that_died_is_billed,
    a_model_call_that_is_cancelled_with_its_task_is_billed,
    a_model_call_lost_with_its_process_is_billed_as_estimated_for_each_loss,
    a_child_counts_whatever_its_end,
    children_at_once_share_what_their_parent_has_left,
    grandchildren_count_against_the_first_of_the_line,
    children_one_after_the_other_have_all_that_is_left,
    a_child_found_again_counts_from_what_it_had_used,
}
