//! Callers that leave, lines that break, answers that are large: a handle promises the same wherever it is.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{AggregateRequest, JournalKind, MessageRange, PageRequest, Projection, SessionRow};
use greenroom_store::testkit::fixture::{self, Pen};

use super::*;

/// How long the store takes for everything it writes.
const WRITE: Duration = Duration::from_millis(100);

fn echoing() -> Arc<Host> {
    Arc::new(host("h").agent("helper", echo))
}

/// A stage whose store is slow, so that calls can be left in the middle.
async fn slow(door: Door) -> Stage {
    let stage = Stage::with(door, [echoing()]).await;
    stage.store.set_rule(|asked| {
        matches!(asked, Asked::Append(_) | Asked::Write("put_blob")).then_some(Fault::AnswerLate(WRITE))
    });
    stage
}

fn page() -> PageRequest {
    PageRequest {
        after: None,
        limit: 100,
    }
}

/// What became of a call that was left: every task there is, once all have ended.
async fn left_behind(stage: &Stage) -> Vec<TaskRow> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    stage.show.tasks(&ann(), None, None, page()).await.unwrap().rows
}

/// Leaves a call after `patience`, which is too short for it.
async fn leave<T>(call: impl Future<Output = Result<T, Failure>>, patience: Duration) {
    assert!(
        tokio::time::timeout(patience, call).await.is_err(),
        "it was answered before"
    );
}

async fn a_call_that_its_caller_left_before_it_was_written_is_accepted_and_answered(door: Door) {
    for (content, left_at) in [
        ("short".to_owned(), WRITE / 2),
        ("long".repeat(20_000), WRITE / 2),
    ] {
        let stage = slow(door).await;
        leave(
            stage.show.accept(&ann(), chat(None, &content, "k", LONG)),
            left_at,
        )
        .await;
        let tasks = left_behind(&stage).await;
        assert_eq!(tasks.len(), 1, "{} bytes", content.len());
        assert_eq!(tasks[0].status, TaskStatus::Completed);
        let again = stage.chat(None, &content, "k", LONG).await;
        assert_eq!(again.task, tasks[0], "its key finds it");
    }
}

async fn an_aggregation_that_its_caller_left_asks_everybody_all_the_same(door: Door) {
    for parts in 0..3_u32 {
        let stage = slow(door).await;
        let request = AggregateRequest {
            targets: vec![(name("helper"), None); 3],
            input: "{}".into(),
            timeout: None,
            quorum: None,
            synthesize: false,
            key: IdempotencyKey::parse("k").unwrap(),
            trace: None,
        };
        leave(stage.show.aggregate(&ann(), request), WRITE * parts + WRITE / 2).await;
        let tasks = left_behind(&stage).await;
        let completed = tasks.iter().filter(|row| row.status == TaskStatus::Completed);
        assert_eq!((tasks.len(), completed.count()), (3, 3), "left in part {parts}");
    }
}

async fn changes_that_their_caller_left_are_made(door: Door) {
    let stage = slow(door).await;
    // Left before the change itself is asked of anybody, where something must be read first.
    stage.store.set_rule(|asked| match asked {
        Asked::Read("session" | "task") => Some(Fault::StartLate(WRITE)),
        Asked::Append(_) => Some(Fault::AnswerLate(WRITE)),
        _ => None,
    });
    let session = SessionId::parse("mine").unwrap();
    let half = WRITE / 2;
    leave(
        stage.show.create_session(&ann(), Some(session.clone()), None),
        half,
    )
    .await;
    tokio::time::sleep(WRITE * 10).await;
    leave(
        stage.show.update_session(&ann(), &session, Some("told".into())),
        half,
    )
    .await;
    tokio::time::sleep(WRITE * 10).await;
    let row = stage.show.session(&ann(), &session).await.unwrap().unwrap();
    assert_eq!(row.title.as_deref(), Some("told"));
    let told = stage.chat(Some(&session), "hello", "k", LONG).await;
    leave(stage.show.retry(&ann(), &told.task.id), half).await;
    let tasks = left_behind(&stage).await;
    assert_eq!(tasks.len(), 2);
    leave(stage.show.delete_session(&ann(), &session), half).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.show.session(&ann(), &session).await.unwrap(), None);
}

async fn a_call_whose_line_broke_is_found_by_its_key_and_its_reader_goes_on_from_its_cursor(door: Door) {
    let slow = host("h").agent("helper", |talk: Talk| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        echo(talk).await;
    });
    let helper = Arc::new(slow);
    let stage = Stage::with(door, [Arc::clone(&helper)]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let scope = EventScope::Session(session.clone());
    let mut reader = stage
        .show
        .events(&ann(), scope.clone(), Some(Cursor::START))
        .await
        .unwrap();
    let who = ann();
    let call = || {
        let turn = chat(Some(&session), "hello", "k", LONG);
        stage.show.accept(&who, turn)
    };
    let (told, heard) = tokio::join!(call(), async {
        let heard = reader.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.cut();
        heard
    });
    if door == Door::Remote {
        let lost = told.unwrap_err();
        assert_eq!(
            (lost.code, lost.retryable),
            (ErrorCode::Unavailable, true),
            "{lost}"
        );
        let broken = reader.next().await.unwrap().unwrap_err();
        assert_eq!(
            (broken.code, broken.retryable),
            (ErrorCode::Unavailable, true),
            "{broken}"
        );
        assert!(reader.next().await.is_none(), "a failure is the last item");
    }
    let again = call().await.unwrap();
    assert_eq!((again.task.status, helper.runs()), (TaskStatus::Completed, 1));
    let mut rest = stage
        .show
        .events(&ann(), scope, Some(heard.cursor))
        .await
        .unwrap();
    let mut kinds = Vec::new();
    while !kinds.contains(&"ended") {
        kinds.push(match rest.next().await.unwrap().unwrap().body {
            ChatEventBody::Message(_) => "message",
            ChatEventBody::Delta { .. } => "delta",
            ChatEventBody::Ended(_) => "ended",
            _ => "other",
        });
    }
    assert_eq!(kinds, ["delta", "message", "ended"]);
}

async fn a_refusal_says_its_code_and_when_to_come_again(door: Door) {
    let config = crate::OrchestratorConfig {
        live_journals: 1,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [busy_for(LASTS)]).await;
    stage.show.accept(&ann(), task("helper", "k", NOT)).await.unwrap();
    let refused = stage.show.create_session(&ann(), None, None).await.unwrap_err();
    let expected = Failure::new(ErrorCode::ResourceExhausted, "too many sessions are at work");
    assert_eq!(refused, expected.retry_after(Duration::from_millis(500)));
}

async fn sessions_at_rest_keep_nobody_out(door: Door) {
    let config = crate::OrchestratorConfig {
        live_journals: 4,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [echoing()]).await;
    for _ in 0..40 {
        stage.show.create_session(&ann(), None, None).await.unwrap();
        // It rests as soon as it has nothing to do; no time passes.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How long a task of [`busy_for`] takes.
const LASTS: Duration = Duration::from_secs(5);

fn busy_for(time: Duration) -> Arc<Host> {
    let works = move |talk: Talk| async move {
        tokio::time::sleep(time).await;
        talk.done("done");
    };
    Arc::new(host("h").agent("helper", works))
}

async fn one_task_more_than_may_be_at_work_is_refused_at_once_until_one_rests(door: Door) {
    let config = crate::OrchestratorConfig {
        in_flight: 3,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [busy_for(LASTS)]).await;
    // Whether or not their callers wait for them, or for long enough.
    let waits = [NOT, LASTS / 5, LONG];
    let mut calls = tokio::task::JoinSet::new();
    for (index, wait) in waits.into_iter().enumerate() {
        let (show, key) = (Arc::clone(&stage.show), format!("k{index}"));
        calls.spawn(async move { show.accept(&ann(), task("helper", &key, wait)).await });
    }
    tokio::time::sleep(LASTS / 2).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..10 {
        let refused = stage.show.accept(&ann(), task("helper", "more", LONG)).await;
        let expected = Failure::new(
            ErrorCode::ResourceExhausted,
            "3 tasks are at work, as many as may be",
        );
        assert_eq!(refused.unwrap_err(), expected.retry_after(Duration::from_secs(1)));
    }
    assert!(begun.elapsed() < LASTS / 10, "{:?}", begun.elapsed());
    for call in calls.join_all().await {
        call.unwrap();
    }
    tokio::time::sleep(LASTS / 2).await;
    // All three are free again.
    for key in ["a", "b", "c"] {
        stage.show.accept(&ann(), task("helper", key, NOT)).await.unwrap();
    }
    let refused = stage.show.accept(&ann(), task("helper", "d", NOT)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::ResourceExhausted);
}

async fn a_task_that_is_run_once_more_takes_a_place_as_any_other(door: Door) {
    let config = crate::OrchestratorConfig {
        in_flight: 1,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [busy_for(LASTS)]).await;
    let first = stage
        .show
        .accept(&ann(), task("helper", "a", LONG))
        .await
        .unwrap();
    let again = stage.show.retry(&ann(), &first.task.id).await.unwrap();
    assert!(again.status.needs_owner());
    let full = |refused: Failure| {
        assert_eq!(refused.code, ErrorCode::ResourceExhausted);
        assert_eq!(refused.retry_after_ms, Some(1_000));
    };
    full(
        stage
            .show
            .accept(&ann(), task("helper", "b", NOT))
            .await
            .unwrap_err(),
    );
    full(stage.show.retry(&ann(), &first.task.id).await.unwrap_err());
    stage.ended(&again.id).await;
    stage.show.retry(&ann(), &first.task.id).await.unwrap();
}

async fn a_task_that_waits_for_a_person_takes_no_place(door: Door) {
    let config = crate::OrchestratorConfig {
        in_flight: 1,
        ..Default::default()
    };
    let asks = |mut talk: Talk| async move {
        if talk
            .step(approval("0", "{\"prompt\":\"may I?\"}"))
            .await
            .is_some()
        {
            talk.done("approved");
        }
    };
    let stage = Stage::configured(door, config, [Arc::new(host("h").agent("helper", asks))]).await;
    for key in ["a", "b"] {
        let told = stage
            .show
            .accept(&ann(), task("helper", key, LONG))
            .await
            .unwrap();
        assert_eq!(told.task.status, TaskStatus::Waiting);
    }
}

async fn a_page_of_large_rows_comes_whole(door: Door) {
    let stage = Stage::with(door, []).await;
    let key = fixture::key("s");
    let row = SessionRow {
        subject: ann().subject,
        ..fixture::session(&key, 1)
    };
    let large = serde_json::json!({ "own": "x".repeat(900_000) });
    let messages = (0..20).map(|index| {
        let mut row = fixture::message(&key, 0, index);
        row.message.metadata = Some(large.clone());
        row
    });
    let rows = Projection {
        session: Some(row),
        tasks: Vec::new(),
        messages: messages.collect(),
    };
    stage
        .memory
        .append(Pen::new(key.clone()).with(rows.clone()))
        .await
        .unwrap();
    let all = MessageRange::After(None);
    let said = stage.show.messages(&ann(), &key.journal, all, 100).await.unwrap();
    assert!(said == rows.messages, "{} came", said.len());
}

async fn a_task_without_a_session_is_one_also_for_who_lists_it(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let told = stage.task("helper", "k", LONG).await;
    assert_eq!((told.session, told.task.kind), (None, JournalKind::Task));
    let listed = stage
        .show
        .tasks(&ann(), None, Some(TaskStatus::Completed), page())
        .await;
    assert_eq!(listed.unwrap().rows, [told.task]);
}

through_every_door! {
    a_call_that_its_caller_left_before_it_was_written_is_accepted_and_answered,
    an_aggregation_that_its_caller_left_asks_everybody_all_the_same,
    changes_that_their_caller_left_are_made,
    a_call_whose_line_broke_is_found_by_its_key_and_its_reader_goes_on_from_its_cursor,
    a_refusal_says_its_code_and_when_to_come_again,
    sessions_at_rest_keep_nobody_out,
    one_task_more_than_may_be_at_work_is_refused_at_once_until_one_rests,
    a_task_that_is_run_once_more_takes_a_place_as_any_other,
    a_task_that_waits_for_a_person_takes_no_place,
    a_page_of_large_rows_comes_whole,
    a_task_without_a_session_is_one_also_for_who_lists_it,
}
