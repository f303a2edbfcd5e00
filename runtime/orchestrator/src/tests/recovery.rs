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

#[tokio::test(start_paused = true)]
async fn an_acknowledged_task_ends_though_its_process_dies_and_no_finished_step_runs_twice() {
    for after in [0, 500, 1_500, 2_500, 4_999] {
        let host = walker();
        let mut stage = Stage::with([Arc::clone(&host)]).await;
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

#[tokio::test(start_paused = true)]
async fn a_sleep_ends_at_its_time_though_the_process_dies_meanwhile() {
    let host = host("h").agent("helper", |mut talk: Talk| async move {
        let sleep = call("0", StepKind::Timer, Effect::ReadOnly, "{\"ms\":60000}");
        if talk.step(sleep).await.is_some() {
            talk.done("awake");
        }
    });
    let mut stage = Stage::with([Arc::new(host)]).await;
    let told = stage.chat(None, "go", "k", NOT).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    stage.crash_and_restart().await;
    let ended = stage.ended(&told.task.id).await;
    let slept = ended.created_at.until(ended.updated_at);
    assert!((60..70).contains(&slept.as_secs()), "{slept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_session_actor_is_replaced_and_its_callers_get_their_answer() {
    let host = walker();
    let stage = Stage::with([Arc::clone(&host)]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let (told, ()) = tokio::join!(stage.chat(Some(&session), "go", "k", LONG), async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let key = stage.show.shared().key(&ann().tenant, &session);
        assert!(stage.show.shared().journals.kill(&key), "it had an actor");
    });
    assert_eq!((told.task.status, told.task.attempts), (TaskStatus::Completed, 2));
    assert_eq!(host.fired.lock().len(), 5);
    assert_eq!(
        stage.chat(Some(&session), "more", "k2", LONG).await.task.status,
        TaskStatus::Completed
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_leaves_its_tasks_to_the_next() {
    let mut stage = Stage::with([walker()]).await;
    let told = stage.chat(None, "go", "k", NOT).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stage.show.stop().await;
    stage.restart().await;
    assert_eq!(stage.ended(&told.task.id).await.status, TaskStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn limits_and_deadlines_stop_a_runaway() {
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
    let stage = Stage::configured(config, [runaway]).await;
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

#[tokio::test(start_paused = true)]
async fn a_models_failure_reaches_its_agent_and_is_not_asked_again_at_replay() {
    let host = host("h").agent("helper", |mut talk: Talk| async move {
        if let Some(Err(failure)) = talk.step(model("0")).await {
            if talk.start.attempt == 1 {
                return talk.linger().await;
            }
            talk.done(&failure.message);
        }
    });
    let mut stage = Stage::with([Arc::new(host)]).await;
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

#[tokio::test(start_paused = true)]
async fn cancel_and_kill_end_what_runs() {
    let stuck = Arc::new(host("h").agent("helper", |mut talk: Talk| async move { talk.linger().await }));
    let stage = Stage::with([stuck]).await;
    let told = stage.task("helper", "k", Duration::from_secs(1)).await;
    let cancelled = stage.show.cancel(&ann(), &told.task.id).await.unwrap();
    assert_eq!(cancelled.status, TaskStatus::Cancelled);
    assert_eq!(stage.show.cancel(&ann(), &told.task.id).await.unwrap(), cancelled);
    let told = stage.task("helper", "l", Duration::from_secs(1)).await;
    let killed = stage.show.kill(&ann(), &told.task.id).await.unwrap();
    assert!(killed.status == TaskStatus::Failed && killed.error.unwrap().message.contains("ann"));
}
