//! Agents that panic, hang or are gone: one attempt each, and it shows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{BreakerState, Health};

use super::*;

/// Two hosts of which one misbehaves, and a task that met the bad one first.
async fn met(door: Door, bad: Host) -> (Stage, TaskRow, Arc<Host>) {
    let (bad, good) = (Arc::new(bad), Arc::new(host("good").agent("helper", echo)));
    let stage = Stage::with(door, [Arc::clone(&bad), Arc::clone(&good)]).await;
    for number in 0..32 {
        let told = stage.task("helper", &format!("k{number}"), LONG).await;
        assert_eq!(told.task.status, TaskStatus::Completed, "{:?}", told.task.error);
        if bad.runs() > 0 {
            return (stage, told.task, bad);
        }
    }
    panic!("the bad one was never chosen")
}

async fn shows(stage: &Stage, error: &str) {
    let status = stage.show.agent(&name("helper")).await.unwrap().unwrap();
    assert!(
        status
            .last_error
            .as_ref()
            .is_some_and(|last| last.contains(error)),
        "{status:?}"
    );
    let bad = status
        .instances
        .iter()
        .find(|instance| instance.node == "bad")
        .unwrap();
    assert!(bad.last_error.is_some());
    assert_eq!(
        (status.health, status.breaker),
        (Health::Healthy, BreakerState::Closed),
        "the other one is well"
    );
}

async fn one_that_panics_costs_one_attempt_and_another_instance_finishes(door: Door) {
    let panics = host("bad").agent("helper", |talk: Talk| async move {
        talk.say(FromAgent::Panicked("index out of bounds".into()));
    });
    let (stage, row, bad) = met(door, panics).await;
    assert_eq!((row.attempts, bad.runs()), (2, 1));
    shows(&stage, "index out of bounds").await;
}

async fn one_that_hangs_costs_one_attempt_after_its_silence(door: Door) {
    let hangs = host("bad").agent("helper", |talk: Talk| async move {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        drop(talk);
    });
    let (stage, row, _) = met(door, hangs).await;
    assert_eq!(row.attempts, 2);
    assert!(row.created_at.until(row.updated_at) >= Duration::from_secs(10));
    shows(&stage, "silent").await;
}

async fn one_that_goes_away_costs_one_attempt(door: Door) {
    let (stage, row, _) = met(
        door,
        host("bad").agent("helper", |talk| async move { drop(talk) }),
    )
    .await;
    assert_eq!(row.attempts, 2);
    shows(&stage, "went away").await;
}

async fn one_that_is_not_there_costs_no_attempt(door: Door) {
    let (gone, good) = (
        Arc::new(host("bad").agent("helper", echo)),
        Arc::new(host("good").agent("helper", echo)),
    );
    let stage = Stage::with(door, [Arc::clone(&gone), Arc::clone(&good)]).await;
    gone.up.store(false, Ordering::SeqCst);
    for number in 0..16 {
        let told = stage.task("helper", &format!("k{number}"), LONG).await;
        assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 1));
    }
    let status = stage.show.agent(&name("helper")).await.unwrap().unwrap();
    let bad = status
        .instances
        .iter()
        .find(|instance| instance.node == "bad")
        .unwrap();
    assert_eq!(bad.health, Health::Unhealthy);
}

async fn a_lone_host_that_restarts_is_waited_for_and_one_that_stays_away_fails_its_tasks_clearly(door: Door) {
    let lone = Arc::new(host("lone").agent("helper", echo));
    let stage = Stage::with(door, [Arc::clone(&lone)]).await;
    lone.up.store(false, Ordering::SeqCst);
    let (told, ()) = tokio::join!(stage.task("helper", "k", LONG), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let status = stage.show.agent(&name("helper")).await.unwrap().unwrap();
        assert_eq!((status.queued, status.health), (1, Health::Unhealthy));
        lone.up.store(true, Ordering::SeqCst);
    });
    assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 1));
    lone.up.store(false, Ordering::SeqCst);
    let told = stage.task("helper", "k2", LONG).await;
    let error = told.task.error.unwrap();
    assert!(
        error.code == ErrorCode::Unavailable && error.retryable && error.message.contains("helper"),
        "{error}"
    );
}

async fn an_agent_that_is_not_met_yet_is_waited_for_in_the_first_moments_and_never_later(door: Door) {
    let late = Arc::new(host("late").agent("helper", echo));
    late.up.store(false, Ordering::SeqCst);
    let stage = Stage::with(door, [Arc::clone(&late)]).await;
    let (told, ()) = tokio::join!(stage.task("helper", "k", LONG), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        late.up.store(true, Ordering::SeqCst);
    });
    assert_eq!(told.task.status, TaskStatus::Completed);
    tokio::time::sleep(LONG).await;
    let begun = tokio::time::Instant::now();
    let refused = stage
        .show
        .accept(&ann(), task("nobody", "l", LONG))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code, begun.elapsed()),
        (ErrorCode::NotFound, Duration::ZERO)
    );
}

async fn a_task_that_kills_its_agent_again_and_again_is_given_up_while_the_rest_goes_on(door: Door) {
    let helper = host("h")
        .agent("killer", |talk: Talk| async move {
            talk.say(FromAgent::Panicked("boom".into()))
        })
        .agent("helper", echo);
    let helper = Arc::new(helper);
    let stage = Stage::with(door, [Arc::clone(&helper)]).await;
    let (poison, fine) = tokio::join!(stage.task("killer", "k", LONG), stage.task("helper", "l", LONG));
    let error = poison.task.error.unwrap();
    assert!(error.code == ErrorCode::AgentFailed && error.retryable, "{error}");
    assert_eq!(
        (poison.task.attempts, fine.task.status),
        (2, TaskStatus::Completed)
    );
}

async fn watchers_hear_of_failures_and_of_the_breaker(door: Door) {
    let panics = host("h").agent("helper", |talk: Talk| async move {
        talk.say(FromAgent::Panicked("boom".into()));
    });
    let stage = Stage::with(door, [Arc::new(panics)]).await;
    let mut watch = stage.show.watch_agents(Some(name("helper"))).await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().last_error,
        None,
        "the present state comes first"
    );
    let (_, seen) = tokio::join!(
        async {
            for number in 0..30 {
                stage.task("helper", &format!("k{number}"), NOT).await;
            }
        },
        async {
            let mut seen = Vec::new();
            while !seen.contains(&BreakerState::Open) {
                let next = tokio::time::timeout(LONG, watch.next()).await;
                let status = next.expect("the breaker opens").unwrap();
                assert!(seen.is_empty() || status.last_error.is_some());
                seen.push(status.breaker);
            }
            seen
        }
    );
    assert!(
        seen.len() >= 2,
        "the failure was told before the breaker opened: {seen:?}"
    );
}

async fn an_agents_own_error_fails_its_task_and_says_nothing_about_the_instance(door: Door) {
    let fails = host("h").agent("helper", |talk: Talk| async move {
        talk.say(FromAgent::Failed(Failure::bad_input("no such city")));
    });
    let stage = Stage::with(door, [Arc::new(fails)]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Failed, 1));
    assert_eq!(told.task.error.unwrap(), Failure::bad_input("no such city"));
    let status = stage.show.agent(&name("helper")).await.unwrap().unwrap();
    assert_eq!(status.last_error, None);
}

through_every_door! {
    one_that_panics_costs_one_attempt_and_another_instance_finishes,
    one_that_hangs_costs_one_attempt_after_its_silence,
    one_that_goes_away_costs_one_attempt,
    one_that_is_not_there_costs_no_attempt,
    a_lone_host_that_restarts_is_waited_for_and_one_that_stays_away_fails_its_tasks_clearly,
    an_agent_that_is_not_met_yet_is_waited_for_in_the_first_moments_and_never_later,
    a_task_that_kills_its_agent_again_and_again_is_given_up_while_the_rest_goes_on,
    watchers_hear_of_failures_and_of_the_breaker,
    an_agents_own_error_fails_its_task_and_says_nothing_about_the_instance,
}
