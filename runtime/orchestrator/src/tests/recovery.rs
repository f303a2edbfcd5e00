//! Processes and actors that die: what was acknowledged goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;

/// Five keyed steps with a second between them.
fn walker() -> Arc<Host> {
    Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0..5 {
            if talk
                .step(tool(&number.to_string(), Effect::Idempotent))
                .await
                .is_none()
            {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        talk.done("walked");
    }))
}

async fn an_acknowledged_task_ends_though_its_process_dies_and_no_finished_step_runs_twice(door: Door) {
    for after in [0, 500, 1_500, 2_500, 4_999] {
        let host = walker();
        let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
        let told = stage.chat(None, "go", "k", NOT).await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        stage.crash_and_restart().await;
        assert_eq!(stage.ended(&told.task.id).await.status, TaskStatus::Completed);
        let mut fired = host.fired.lock().clone();
        fired.sort();
        fired.dedup();
        assert_eq!(
            (host.fired.lock().len(), fired.len()),
            (5, 5),
            "crashed after {after} ms"
        );
    }
}

async fn a_sleep_ends_at_its_time_though_the_process_dies_meanwhile(door: Door) {
    let host = host("h").agent("helper", |mut talk: Talk| async move {
        let sleep = call("0", StepKind::Timer, Effect::ReadOnly, "{\"ms\":60000}");
        if talk.step(sleep).await.is_some() {
            talk.done("awake");
        }
    });
    let mut stage = Stage::with(door, [Arc::new(host)]).await;
    let told = stage.chat(None, "go", "k", NOT).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    let slept = ended.created_at.until(ended.updated_at);
    assert!((60..70).contains(&slept.as_secs()), "{slept:?}");
}

async fn a_killed_session_actor_is_replaced_and_its_callers_get_their_answer(door: Door) {
    let host = walker();
    let stage = Stage::with(door, [Arc::clone(&host)]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let (told, ()) = tokio::join!(stage.chat(Some(&session), "go", "k", LONG), async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let key = stage.orchestrator.shared().key(&ann().tenant, &session);
        assert!(stage.orchestrator.shared().journals.kill(&key), "it had an actor");
    });
    assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 2));
    assert_eq!(host.fired.lock().len(), 5);
    assert_eq!(
        stage.chat(Some(&session), "more", "k2", LONG).await.task.status,
        TaskStatus::Completed
    );
}

async fn a_stopped_process_leaves_its_tasks_to_the_next(door: Door) {
    let mut stage = Stage::with(door, [walker()]).await;
    let told = stage.chat(None, "go", "k", NOT).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stage.orchestrator.stop().await;
    stage.restart().await;
    assert_eq!(stage.ended(&told.task.id).await.status, TaskStatus::Completed);
}

async fn limits_and_deadlines_stop_a_runaway(door: Door) {
    let runaway = Arc::new(host("h").agent("helper", |mut talk: Talk| async move {
        for number in 0u32.. {
            if talk.step(model(&number.to_string())).await.is_none() {
                return;
            }
        }
    }));
    let limits = greenroom_kernel::Limits {
        tokens: 100,
        ..Default::default()
    };
    let config = crate::OrchestratorConfig {
        limits,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [runaway]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!(told.task.error.unwrap().code, ErrorCode::LimitExceeded);
    assert_eq!(stage.models.calls.load(Ordering::SeqCst), 11);
    *stage.models.script.lock() = vec![Piece::Pause(Duration::from_secs(3_600))];
    let timeout = Some(Duration::from_secs(7));
    let told = stage
        .show
        .accept(
            &ann(),
            AcceptRequest {
                timeout,
                ..task("helper", "l", LONG)
            },
        )
        .await
        .unwrap();
    assert_eq!(told.task.error.unwrap().code, ErrorCode::DeadlineExceeded);
}

async fn a_models_failure_reaches_its_agent_and_is_not_asked_again_at_replay(door: Door) {
    let host = host("h").agent("helper", |mut talk: Talk| async move {
        if let Some(Err(failure)) = talk.step(model("0")).await {
            if talk.start.attempt == 1 {
                return talk.linger().await;
            }
            talk.done(&failure.message);
        }
    });
    let mut stage = Stage::with(door, [Arc::new(host)]).await;
    *stage.models.script.lock() = vec![
        Piece::Text("half"),
        Piece::Fail(Failure::unavailable("overloaded")),
    ];
    let told = stage.task("helper", "k", Duration::from_secs(1)).await;
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    assert_eq!(stage.text(&ended).await, "overloaded");
    assert_eq!(stage.models.calls.load(Ordering::SeqCst), 1);
}

async fn cancel_and_kill_end_what_runs(door: Door) {
    let stuck = Arc::new(host("h").agent("helper", |mut talk: Talk| async move { talk.linger().await }));
    let stage = Stage::with(door, [stuck]).await;
    let told = stage.task("helper", "k", Duration::from_secs(1)).await;
    let cancelled = stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    assert_eq!(cancelled.status, TaskStatus::Cancelled);
    assert_eq!(stage.show.cancel(&ann(), &told.task.id).await.unwrap(), cancelled);
    let told = stage.task("helper", "l", Duration::from_secs(1)).await;
    let killed = stage.orchestrator.kill(&ann(), &told.task.id).await.unwrap();
    assert!(killed.status == TaskStatus::Failed && killed.error.unwrap().message.contains("ann"));
}

/// An agent that does something of every kind: a keyed and an unkeyed effect, a model call, a sleep, a child, an
/// approval.
fn juggler() -> Host {
    host("h")
        .agent("worker", |mut talk: Talk| async move {
            if talk.step(tool("0", Effect::NonIdempotent)).await.is_some() {
                talk.done("worked");
            }
        })
        .agent("helper", |mut talk: Talk| async move {
            let steps = [
                tool("0", Effect::Idempotent),
                tool("1", Effect::NonIdempotent),
                model("2"),
                call("3", StepKind::Timer, Effect::ReadOnly, "{\"ms\":1000}"),
                hand_off("4", "worker"),
                approval("5", "{\"prompt\":1}"),
                tool("6", Effect::NonIdempotent),
            ];
            for step in steps {
                if talk.step(step).await.is_none() {
                    return;
                }
            }
            talk.done("juggled");
        })
}

/// Brings a task to its end, answering what it asks. How often an effect was said not to have happened.
async fn see_through(stage: &Stage, id: &TaskId) -> usize {
    let mut cleared = 0;
    loop {
        let row = stage.until(id, |row| !row.status.needs_owner()).await;
        if row.status.is_terminal() {
            assert_eq!(row.status, TaskStatus::Completed, "{:?}", row.error);
            return cleared;
        }
        let steps = stage.show.steps(&ann(), id).await.unwrap();
        let rests = |step: &&greenroom_kernel::StepView| {
            matches!(step.status, StepStatus::Waiting | StepStatus::OutcomeUnknown)
        };
        let step = steps.iter().find(rests).expect("a step that rests");
        let action = match step.status {
            StepStatus::Waiting => ResolveAction::Approve(None),
            _ => {
                cleared += 1;
                ResolveAction::SettleNotDone
            }
        };
        stage
            .show
            .resolve(&ann(), id, step.number, None, action, None)
            .await
            .unwrap();
    }
}

async fn a_process_that_dies_at_any_append_written_or_not_loses_nothing_and_repeats_nothing(door: Door) {
    for fault in [Fault::RequestLost, Fault::AnswerLost] {
        for dies_at in 0.. {
            let host = Arc::new(juggler());
            let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
            let dead = tokio_util::sync::CancellationToken::new();
            let (count, died) = (std::sync::atomic::AtomicU32::new(0), dead.clone());
            stage.store.set_rule(move |asked| {
                if died.is_cancelled() {
                    return Some(Fault::RequestLost);
                }
                let appends = matches!(asked, Asked::Append(_));
                (appends && count.fetch_add(1, Ordering::SeqCst) == dies_at).then(|| {
                    died.cancel();
                    fault
                })
            });
            let id = TaskId {
                journal: SessionId::derived(
                    &ann().tenant,
                    &ann().subject,
                    "executeTaskOnAgent",
                    &IdempotencyKey::parse("k").unwrap(),
                ),
                ordinal: 0,
            };
            let first_life = async {
                stage.task("helper", "k", NOT).await;
                see_through(&stage, &id).await
            };
            let mut cleared = tokio::select! {
                biased;
                () = dead.cancelled() => 0,
                cleared = first_life => cleared,
            };
            let died = dead.is_cancelled();
            if died {
                stage.crash_and_restart().await;
                // The caller heard nothing for certain: it repeats its call.
                assert_eq!(stage.task("helper", "k", NOT).await.task.id, id);
                let child = async {
                    loop {
                        let page = greenroom_kernel::PageRequest {
                            after: None,
                            limit: 10,
                        };
                        let children = stage.show.children(&ann(), &id, page).await.unwrap();
                        for row in children.rows {
                            if row.status == TaskStatus::OutcomeUnknown {
                                return see_through(&stage, &row.id).await;
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                };
                let parent = see_through(&stage, &id);
                tokio::pin!(parent);
                cleared += tokio::select! {
                    biased;
                    cleared = &mut parent => cleared,
                    cleared = child => cleared + parent.await,
                };
            }
            let fired = host.fired.lock().clone();
            let mut places = fired.clone();
            places.sort();
            places.dedup();
            assert_eq!(places.len(), 4, "{dies_at}: {fired:?}");
            assert!(
                fired.len() <= 4 + cleared + usize::from(died),
                "{dies_at}: {fired:?}, {cleared} cleared"
            );
            let unkeyed = |place: &String| !place.ends_with(" 0") || place.starts_with("c-");
            let twice = fired.iter().filter(|place| unkeyed(place)).count();
            assert!(twice <= 3 + cleared, "{dies_at}: {fired:?}, {cleared} cleared");
            if !died {
                assert!(dies_at > 10, "every append was met");
                break;
            }
        }
    }
}

through_every_door! {
    an_acknowledged_task_ends_though_its_process_dies_and_no_finished_step_runs_twice,
    a_sleep_ends_at_its_time_though_the_process_dies_meanwhile,
    a_killed_session_actor_is_replaced_and_its_callers_get_their_answer,
    a_stopped_process_leaves_its_tasks_to_the_next,
    limits_and_deadlines_stop_a_runaway,
    a_models_failure_reaches_its_agent_and_is_not_asked_again_at_replay,
    cancel_and_kill_end_what_runs,
    a_process_that_dies_at_any_append_written_or_not_loses_nothing_and_repeats_nothing,
}
