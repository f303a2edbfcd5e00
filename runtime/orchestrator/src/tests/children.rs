//! Hand-offs: a child task is found again, inherits what is left, and goes with its parent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{JournalKey, Limits, PageRequest};

use super::*;

/// A helper that hands off to `child`.
fn parent(child: &'static str) -> Host {
    host("h").agent("helper", move |mut talk: Talk| async move {
        match talk.step(hand_off("0", child)).await {
            Some(Ok(answer)) => talk.done(&answer),
            Some(Err(failure)) => talk.say(FromAgent::Failed(failure)),
            None => {}
        }
    })
}

async fn child_of(stage: &Stage, parent: &TaskId) -> TaskRow {
    let page = PageRequest {
        after: None,
        limit: 10,
    };
    loop {
        let page = stage.show.children(&ann(), parent, page.clone()).await.unwrap();
        if let [child] = &page.rows[..] {
            return child.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_childs_answer_is_its_parents_step(door: Door) {
    let host = parent("worker").agent("worker", |talk: Talk| async move { talk.done("forty-two") });
    let stage = Stage::with(door, [Arc::new(host)]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert!(stage.text(&told.task).await.contains("\"content\":\"forty-two\""));
    let child = child_of(&stage, &told.task.id).await;
    assert_eq!(
        (child.parent, child.status),
        (Some(told.task.id), TaskStatus::Completed)
    );
}

async fn a_restarted_parent_finds_its_child_again(door: Door) {
    let host = Arc::new(parent("worker").agent("worker", |talk: Talk| async move {
        let rest = if talk.start.attempt == 1 { 3_600 } else { 2 };
        for _ in 0..rest {
            tokio::time::sleep(Duration::from_secs(1)).await;
            talk.say(FromAgent::Heartbeat);
        }
        talk.done("found");
    }));
    let mut stage = Stage::with(door, [host]).await;
    let told = stage.task("helper", "k", NOT).await;
    let child = child_of(&stage, &told.task.id).await;
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!(ended.status, TaskStatus::Completed, "{:?}", ended.error);
    assert!(stage.text(&ended).await.contains("found"));
    assert_eq!(
        child_of(&stage, &told.task.id).await.id,
        child.id,
        "no second child"
    );
}

async fn a_running_child_is_found_again_after_its_agents_card_was_tightened(door: Door) {
    let host = Arc::new(parent("worker").agent("worker", |talk: Talk| async move {
        let rest = if talk.start.attempt == 1 { 3_600 } else { 2 };
        for _ in 0..rest {
            tokio::time::sleep(Duration::from_secs(1)).await;
            talk.say(FromAgent::Heartbeat);
        }
        talk.done("found");
    }));
    let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
    let told = stage.task("helper", "k", NOT).await;
    let child = child_of(&stage, &told.task.id).await;
    host.takes_only("worker", serde_json::json!({ "required": ["city"] }));
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!(ended.status, TaskStatus::Completed, "{:?}", ended.error);
    assert_eq!(child_of(&stage, &told.task.id).await.id, child.id);
    let refused = stage.task("helper", "l", LONG).await.task.error.unwrap();
    assert_eq!(refused.code, ErrorCode::BadUserInput, "a new child is checked");
}

async fn a_cancelled_parent_cancels_its_children(door: Door) {
    let host = parent("worker").agent("worker", |mut talk: Talk| async move { talk.linger().await });
    let stage = Stage::with(door, [Arc::new(host)]).await;
    let told = stage.task("helper", "k", NOT).await;
    let child = child_of(&stage, &told.task.id).await;
    stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    assert_eq!(stage.at(&child.id, TaskStatus::Cancelled).await.error, None);
}

async fn a_child_whose_parent_ended_while_its_own_process_was_dying_is_found_and_cancelled(door: Door) {
    let host = parent("worker").agent("worker", |mut talk: Talk| async move { talk.linger().await });
    let mut stage = Stage::with(door, [Arc::new(host)]).await;
    let told = stage.task("helper", "k", NOT).await;
    let child = child_of(&stage, &told.task.id).await;
    // Of all that follows, only the parent's end is still written.
    let parent = told.task.id.journal.clone();
    stage.store.set_rule(move |asked| match asked {
        Asked::Append(append) if append.key.journal == parent => None,
        Asked::Read("task") => None,
        _ => Some(Fault::RequestLost),
    });
    stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    stage.crash_and_restart().await;
    assert_eq!(stage.ended(&child.id).await.status, TaskStatus::Cancelled);
}

async fn children_inherit_deadline_limits_and_depth(door: Door) {
    let host = Arc::new(parent("helper"));
    let limits = Limits {
        depth: 3,
        steps: 10,
        ..Limits::default()
    };
    let config = crate::OrchestratorConfig {
        limits,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [Arc::clone(&host)]).await;
    let timeout = Some(Duration::from_secs(50));
    let told = stage
        .show
        .accept(
            &ann(),
            AcceptRequest {
                timeout,
                ..task("helper", "k", LONG)
            },
        )
        .await
        .unwrap();
    let error = told.task.error.clone().unwrap();
    assert_eq!(error.code, ErrorCode::LimitExceeded, "{error}");
    assert_eq!(
        host.runs.load(Ordering::SeqCst),
        4,
        "three hand-offs below the first task"
    );
    let child = child_of(&stage, &told.task.id).await;
    assert_eq!(child.deadline, told.task.deadline);
    let key = JournalKey {
        tenant: ann().tenant,
        journal: child.id.journal,
    };
    let slots = stage.memory.read(&key, 0, 1).await.unwrap();
    let accepted = slots[0].entries.iter().find_map(|entry| match entry {
        greenroom_kernel::Entry::Accepted(accepted) => Some(accepted.limits),
        _ => None,
    });
    let accepted = accepted.unwrap();
    assert_eq!(accepted.depth, 2);
    assert!(accepted.steps <= 10 && accepted.time_ms <= limits.time_ms);
}

async fn an_unknown_agent_is_the_steps_failure(door: Door) {
    let stage = Stage::with(door, [Arc::new(parent("nobody"))]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(told.task.error.unwrap().code, ErrorCode::NotFound);
}

through_every_door! {
    a_childs_answer_is_its_parents_step,
    a_running_child_is_found_again_after_its_agents_card_was_tightened,
    a_restarted_parent_finds_its_child_again,
    a_cancelled_parent_cancels_its_children,
    a_child_whose_parent_ended_while_its_own_process_was_dying_is_found_and_cancelled,
    children_inherit_deadline_limits_and_depth,
    an_unknown_agent_is_the_steps_failure,
}
