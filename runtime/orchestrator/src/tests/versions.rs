//! Instances of several versions, and instances that drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::{AcceptCall, BreakerState, Effect, Health};
use serde_json::json;

use super::*;

/// Asks for a step, then dies in its first attempts and ends in the next.
fn dies(times: u32) -> impl Fn(Talk) -> futures::future::BoxFuture<'static, ()> + Send + Sync {
    move |mut talk: Talk| {
        Box::pin(async move {
            let attempt = talk.start.attempt;
            talk.step(tool("0", Effect::ReadOnly)).await;
            if attempt > times {
                return talk.done("done");
            }
            // Time for others to join.
            for _ in 0..5 {
                talk.say(FromAgent::Heartbeat);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            talk.say(FromAgent::Panicked("as told".to_owned()));
        })
    }
}

async fn begun(stage: &Stage, host: &Host, tasks: u32) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for number in 0..tasks {
        ids.push(stage.task("helper", &format!("k{number}"), NOT).await.task.id);
    }
    while host.runs() < tasks {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ids
}

async fn new_ones(stage: &Stage) -> [Arc<Host>; 3] {
    let new = ["new-1", "new-2", "new-3"].map(|at| Arc::new(host(at).version("2").agent("helper", dies(1))));
    for host in &new {
        stage.orchestrator.join(Arc::clone(host) as _).await.unwrap();
    }
    new
}

async fn a_task_stays_with_the_version_that_it_began_with(door: Door) {
    let old = Arc::new(host("old").agent("helper", dies(1)));
    let stage = Stage::with(door, [Arc::clone(&old)]).await;
    let ids = begun(&stage, &old, 6).await;
    let new = new_ones(&stage).await;
    for id in &ids {
        let row = stage.ended(id).await;
        assert_eq!(
            (row.status, row.attempts),
            (TaskStatus::Completed, 2),
            "{:?}",
            row.error
        );
    }
    assert_eq!(old.runs(), 12);
    assert!(new.iter().all(|host| host.runs() == 0));
}

async fn a_new_owner_knows_the_version_and_another_one_replays_when_none_is_left(door: Door) {
    let old = Arc::new(host("old").agent("helper", dies(2)));
    let mut stage = Stage::with(door, [Arc::clone(&old)]).await;
    let ids = begun(&stage, &old, 4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.crash_and_restart().await;
    while old.runs() < 8 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The second attempts ask for nothing new, and die too: what the new owner knows it has read.
    let new = new_ones(&stage).await;
    for id in &ids {
        let row = stage.ended(id).await;
        assert_eq!(row.status, TaskStatus::Completed, "{:?}", row.error);
    }
    assert!(
        new.iter().all(|host| host.runs() == 0),
        "the journal told the version"
    );
    assert_eq!(old.runs(), 12);

    // The old version goes for good while tasks of it run.
    let (more, others) = begun_more(&stage, &old, 12).await;
    old.up.store(false, Ordering::SeqCst);
    stage.orchestrator.leave("old").await.unwrap();
    let row = stage.ended(&more).await;
    assert_eq!(
        (row.status, row.attempts),
        (TaskStatus::Completed, 2),
        "{:?}",
        row.error
    );
    let elsewhere: u32 = others.iter().map(|host| host.runs()).sum();
    assert_eq!((old.runs(), elsewhere), (13, 1));
}

/// A task that runs on the old one, where the new ones were away at its beginning.
async fn begun_more(stage: &Stage, old: &Host, before: u32) -> (TaskId, [Arc<Host>; 2]) {
    for at in ["new-1", "new-2", "new-3"] {
        stage.orchestrator.leave(at).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let id = stage.task("helper", "more", NOT).await.task.id;
    while old.runs() == before {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let others = ["new-4", "new-5"].map(|at| Arc::new(host(at).version("2").agent("helper", dies(1))));
    for host in &others {
        stage.orchestrator.join(Arc::clone(host) as _).await.unwrap();
    }
    (id, others)
}

async fn an_input_goes_only_to_versions_whose_cards_take_it(door: Door) {
    let needs = |member: &str| Some(json!({ "type": "object", "required": [member] }));
    let old = Arc::new(
        host("old")
            .schemas("helper", needs("content"), None)
            .agent("helper", echo),
    );
    let new = Arc::new(
        host("new")
            .version("2")
            .schemas("helper", needs("text"), None)
            .agent("helper", |talk: Talk| async move { talk.done("new") }),
    );
    let stage = Stage::with(door, [Arc::clone(&old), Arc::clone(&new)]).await;
    let met = async {
        while instances(&stage).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, met).await.unwrap();
    for number in 0..8 {
        for (input, said) in [(r#"{"content":"old"}"#, "old"), (r#"{"text":"x"}"#, "new")] {
            let mut request = task("helper", &format!("{said}{number}"), LONG);
            request.call = AcceptCall::Task {
                agent: name("helper"),
                input: input.to_owned(),
            };
            let told = stage.show.accept(&ann(), request).await.unwrap();
            assert_eq!(told.task.status, TaskStatus::Completed, "{:?}", told.task.error);
            assert_eq!(stage.text(&told.task).await, said);
        }
    }
    assert_eq!((old.runs(), new.runs()), (8, 8));
    let mut request = task("helper", "neither", LONG);
    request.call = AcceptCall::Task {
        agent: name("helper"),
        input: "{}".to_owned(),
    };
    let refused = stage.show.accept(&ann(), request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::BadUserInput);
}

async fn instances(stage: &Stage) -> Vec<greenroom_kernel::AgentInstance> {
    let status = stage.show.agent(&name("helper")).await.unwrap();
    status.map(|status| status.instances).unwrap_or_default()
}

async fn one_that_drains_gets_nothing_new_and_has_not_failed(door: Door) {
    let (drains, stays) = (
        Arc::new(host("drains").agent("helper", echo)),
        Arc::new(host("stays").agent("helper", echo)),
    );
    let stage = Stage::with(door, [Arc::clone(&drains), Arc::clone(&stays)]).await;
    drains.draining.store(true, Ordering::SeqCst);
    // Nobody has asked it yet: who meets it is refused and goes on elsewhere.
    for number in 0..16 {
        let told = stage.task("helper", &format!("k{number}"), LONG).await;
        assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 1));
    }
    assert_eq!((drains.runs(), stays.runs()), (0, 16));
    let shown = |node: &'static str, health: Health| {
        let stage = &stage;
        let seen = async move {
            loop {
                let all = instances(stage).await;
                let one = all.into_iter().find(|one| one.node == node).unwrap();
                if one.health == health {
                    return one;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen)
    };
    let one = shown("drains", Health::Draining).await.unwrap();
    assert_eq!((one.breaker, one.last_error), (BreakerState::Closed, None));
    drains.draining.store(false, Ordering::SeqCst);
    shown("drains", Health::Healthy).await.unwrap();
    stays.draining.store(true, Ordering::SeqCst);
    shown("stays", Health::Draining).await.unwrap();
    let told = stage.task("helper", "back", LONG).await;
    assert_eq!((told.task.status, drains.runs()), (TaskStatus::Completed, 1));
}

through_every_door! {
    a_task_stays_with_the_version_that_it_began_with,
    a_new_owner_knows_the_version_and_another_one_replays_when_none_is_left,
    an_input_goes_only_to_versions_whose_cards_take_it,
    one_that_drains_gets_nothing_new_and_has_not_failed,
}
