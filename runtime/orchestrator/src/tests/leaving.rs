//! Hosts that are let go: nothing new goes to them, and what runs there ends well.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::Health;

use super::*;

/// An agent that takes so many seconds.
fn slow(seconds: u64) -> impl Fn(Talk) -> futures::future::BoxFuture<'static, ()> + Send + Sync {
    move |mut talk: Talk| {
        Box::pin(async move {
            for _ in 0..seconds {
                talk.say(FromAgent::Heartbeat);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let _ = &mut talk;
            talk.done("done");
        })
    }
}

/// The addresses of the agent's instances with their health.
async fn instances(stage: &Stage) -> Vec<(String, Health)> {
    let status = stage.show.agent(&name("helper")).await.unwrap();
    let all = status.map(|status| status.instances).unwrap_or_default();
    all.into_iter().map(|one| (one.node, one.health)).collect()
}

async fn until_instances(stage: &Stage, wanted: &[(&str, Health)]) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(node, health)| ((*node).to_owned(), *health))
        .collect();
    let waiting = async {
        while instances(stage).await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    if waited.is_err() {
        panic!("{:?} did not become {wanted:?}", instances(stage).await);
    }
}

async fn one_that_is_let_go_ends_what_runs_and_gets_nothing_new(door: Door) {
    let (old, new) = (
        Arc::new(host("old").agent("helper", slow(20))),
        Arc::new(host("new").agent("helper", echo)),
    );
    let stage = Stage::with(door, [Arc::clone(&old)]).await;
    let running = stage.task("helper", "k", NOT).await.task;
    stage.at(&running.id, TaskStatus::Running).await;
    while old.runs() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.orchestrator.join(Arc::clone(&new) as _).await.unwrap();
    stage.orchestrator.leave("old").await.unwrap();
    until_instances(&stage, &[("old", Health::Draining), ("new", Health::Healthy)]).await;
    for number in 0..16 {
        let told = stage.task("helper", &format!("k{number}"), LONG).await;
        assert_eq!(told.task.status, TaskStatus::Completed);
    }
    assert_eq!((old.runs(), new.runs()), (1, 16));
    let row = stage.ended(&running.id).await;
    assert_eq!(
        (row.status, row.attempts),
        (TaskStatus::Completed, 1),
        "{:?}",
        row.error
    );
    until_instances(&stage, &[("new", Health::Healthy)]).await;
    let tree = stage.show.supervision_tree().await.unwrap();
    let left: Vec<_> = tree
        .iter()
        .filter(|node| format!("{:?}", node.path).contains("old"))
        .collect();
    assert!(left.is_empty(), "its actors are gone: {left:?}");
}

async fn one_that_comes_back_goes_on_whether_or_not_it_had_drained(door: Door) {
    let lone = Arc::new(host("lone").agent("helper", slow(8)));
    let stage = Stage::with(door, [Arc::clone(&lone)]).await;
    let running = stage.task("helper", "k", NOT).await.task;
    while lone.runs() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.orchestrator.leave("lone").await.unwrap();
    until_instances(&stage, &[("lone", Health::Draining)]).await;
    stage.orchestrator.join(Arc::clone(&lone) as _).await.unwrap();
    until_instances(&stage, &[("lone", Health::Healthy)]).await;
    assert_eq!(stage.ended(&running.id).await.attempts, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    until_instances(&stage, &[("lone", Health::Healthy)]).await;

    stage.orchestrator.leave("lone").await.unwrap();
    until_instances(&stage, &[]).await;
    // A task for it is no mistake: a host that is replaced is away for a moment.
    let (told, ()) = tokio::join!(stage.task("helper", "k2", LONG), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        stage.orchestrator.join(Arc::clone(&lone) as _).await.unwrap();
    });
    assert_eq!(told.task.status, TaskStatus::Completed, "{:?}", told.task.error);
}

async fn one_that_nobody_joined_is_no_error_and_one_that_died_is_let_go(door: Door) {
    let dead = Arc::new(host("dead").agent("helper", echo));
    let stage = Stage::with(door, [Arc::clone(&dead)]).await;
    dead.up.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        stage.orchestrator.leave("nobody").await.unwrap();
        stage.orchestrator.leave("dead").await.unwrap();
    }
    until_instances(&stage, &[]).await;
    let told = stage.task("helper", "k", LONG).await;
    let error = told.task.error.unwrap();
    assert!(error.code == ErrorCode::Unavailable && error.retryable, "{error}");
}

through_every_door! {
    one_that_is_let_go_ends_what_runs_and_gets_nothing_new,
    one_that_comes_back_goes_on_whether_or_not_it_had_drained,
    one_that_nobody_joined_is_no_error_and_one_that_died_is_let_go,
}
