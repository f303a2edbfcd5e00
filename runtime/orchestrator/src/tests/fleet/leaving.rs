//! Processes that leave in good order.

use greenroom_kernel::{NodeState, Nodes};
use tokio_util::task::TaskTracker;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_process_that_leaves_turns_no_step_into_a_doubt_and_its_turns_go_on_at_once() {
    let host = careful();
    let mut fleet = Fleets::of(3, [Arc::clone(&host)]).await;
    let mut tasks = Vec::new();
    for number in 0..12 {
        let request = chat(None, "go", &format!("k{number}"), NOT);
        tasks.push(fleet.accept(request).await.task.id);
    }
    let held = tasks
        .iter()
        .filter(|id| fleet.holders(&id.journal) == ["n1"])
        .count();
    assert!(held > 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    let left = fleet.drain("n1", Duration::from_secs(20)).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let rows = fleet.memory.nodes().await.unwrap();
    let row = rows.iter().find(|row| row.node == left.node).unwrap();
    assert_eq!(row.state, NodeState::Left);
    for id in &tasks {
        let row = fleet.ended(id).await;
        assert_eq!(row.status, TaskStatus::Completed, "{row:?}");
    }
    // Five steps of two seconds, and what the way to another process took.
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    each_once(&host, 60);
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_of_goes_on_while_the_leaving_process_still_works_on_something_else() {
    let host = Arc::new(
        host("h")
            .agent("helper", |mut talk: Talk| async move {
                for number in 0..5 {
                    let step = tool(&number.to_string(), Effect::NonIdempotent);
                    if talk.slowly(step, 3).await.is_none() {
                        return;
                    }
                }
                talk.done("careful");
            })
            .agent("long", |mut talk: Talk| async move {
                if talk.slowly(tool("0", Effect::NonIdempotent), 30).await.is_some() {
                    talk.done("long");
                }
            }),
    );
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    for number in 0..20 {
        fleet.accept(task("long", &format!("l{number}"), NOT)).await;
    }
    let mut walkers = Vec::new();
    for number in 0..20 {
        let request = chat(None, "go", &format!("w{number}"), NOT);
        walkers.push(fleet.accept(request).await.task.id);
    }
    walkers.retain(|id| fleet.holders(&id.journal) == ["n0"]);
    assert!(!walkers.is_empty());
    let begun = tokio::time::Instant::now();
    let leaving = fleet.process("n0").orchestrator.clone();
    let tracker = TaskTracker::new();
    let drain = tracker.spawn(async move { leaving.drain(Duration::from_secs(60)).await });
    for id in &walkers {
        fleet.until(id, |row| row.attempts == 2).await;
    }
    assert!(
        begun.elapsed() < Duration::from_millis(4_700),
        "{:?}",
        begun.elapsed()
    );
    assert!(!drain.is_finished());
    drain.await.unwrap();
    for id in &walkers {
        assert_eq!(fleet.ended(id).await.status, TaskStatus::Completed);
    }
    fleet.drain("n0", NOT).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_about_to_leave_takes_nothing_new_and_sends_callers_on() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        if talk.slowly(tool("0", Effect::NonIdempotent), 10).await.is_some() {
            talk.done("done");
        }
    }));
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let mut number = 0;
    let working = loop {
        number += 1;
        let request = chat(None, "go", &format!("w{number}"), NOT);
        let told = fleet.accept(request).await.task.id;
        if fleet.holders(&told.journal) == ["n0"] {
            break told;
        }
        fleet.ended(&told).await;
    };
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(fleet.session().await);
    }
    let leaving = fleet.process("n0").orchestrator.clone();
    let tracker = TaskTracker::new();
    let drain = tracker.spawn(async move { leaving.drain(Duration::from_secs(30)).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (n0, n1) = (fleet.process("n0"), fleet.process("n1"));
    for session in &sessions {
        let request = chat(Some(session), "hi", "k", NOT);
        let refused = n0.orchestrator.accept(&ann(), request.clone()).await.unwrap_err();
        assert_eq!(refused.elsewhere.as_deref(), Some(&n1.address));
        n1.orchestrator.accept(&ann(), request).await.unwrap();
    }
    // What it works on is still its own.
    assert_eq!(fleet.holders(&working.journal), ["n0"]);
    let queued = chat(Some(&working.journal), "next", "k2", NOT);
    n0.orchestrator.accept(&ann(), queued).await.unwrap();
    drain.await.unwrap();
    let row = fleet.ended(&working).await;
    assert_eq!(row.status, TaskStatus::Completed);
    fleet.drain("n0", NOT).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_for_another_ends_and_a_child_that_can_t_begin_here_begins_elsewhere() {
    let host = Arc::new(
        host("h")
            .agent("helper", |mut talk: Talk| async move {
                let Some(ran) = talk.begin(tool("0", Effect::NonIdempotent)).await else {
                    return;
                };
                if ran.is_none() {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    // What it does asks for another step in the middle, and for a child beside it.
                    if talk.step(tool("1", Effect::ReadOnly)).await.is_none() {
                        return;
                    }
                    talk.say(FromAgent::Call(hand_off("2", "child")));
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    talk.report(&path("0"));
                    talk.linger().await;
                    return;
                }
                let _ = talk.step(tool("1", Effect::ReadOnly)).await;
                if let Some(Ok(_)) = talk.step(hand_off("2", "child")).await {
                    talk.done("both");
                }
            })
            .agent("child", |talk: Talk| async move { talk.done("child") }),
    );
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    let holder = fleet.holders(&told.journal)[0].to_owned();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    fleet.drain(&holder, Duration::from_secs(40)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let row = fleet.ended(&told).await;
    assert_eq!(row.status, TaskStatus::Completed, "{:?}", row.error);
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_a_leaving_process_is_sent_on_and_finds_the_same_task_elsewhere() {
    let host = careful();
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let session = fleet.session().await;
    let owner = fleet.owner(&session).node.to_string();
    let request = chat(Some(&session), "go", "k", LONG);
    let (leaving, waiting) = (Arc::clone(&fleet.process(&owner).orchestrator), request.clone());
    let who = ann();
    let begun = tokio::time::Instant::now();
    let (sent_on, _) = tokio::join!(leaving.accept(&who, waiting), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.drain(&owner, Duration::from_secs(20)).await
    });
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let sent_on = sent_on.unwrap_err();
    assert!(
        sent_on.retryable && sent_on.code == ErrorCode::Unavailable,
        "{sent_on}"
    );
    assert_eq!(sent_on.elsewhere.as_deref(), Some(&fleet.live[0].address));
    let found = fleet.accept(request).await.task;
    assert_eq!((found.status, found.id.ordinal), (TaskStatus::Completed, 0));
    each_once(&host, 5);
}

#[tokio::test(start_paused = true)]
async fn what_can_t_end_in_time_is_ended_and_left_in_doubt_for_a_person() {
    let host = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        talk.slowly(tool("0", Effect::NonIdempotent), 10_000).await;
    }));
    let mut fleet = Fleets::of(2, [Arc::clone(&host)]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    let holder = fleet.holders(&told.journal)[0].to_owned();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    fleet.drain(&holder, Duration::from_secs(10)).await;
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    fleet
        .until(&told, |row| row.status == TaskStatus::OutcomeUnknown)
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(16),
        "LEFT frees it at once: {:?}",
        begun.elapsed()
    );
    each_once(&host, 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_one_leaves_too() {
    let mut fleet = Fleets::of(1, [careful()]).await;
    let told = fleet.accept(chat(None, "go", "k", NOT)).await.task.id;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fleet.drain("n0", Duration::from_secs(20)).await;
    assert!(!fleet.row(&told).await.status.is_terminal());
    fleet.start("n9").await;
    assert_eq!(fleet.ended(&told).await.status, TaskStatus::Completed);
}
