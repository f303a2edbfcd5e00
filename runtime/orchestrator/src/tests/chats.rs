//! Turns: accepted, waited for, repeated, in order, deleted, retried.

use std::sync::Arc;

use super::*;

fn echoing() -> Arc<Host> {
    Arc::new(host("h").agent("helper", echo))
}

async fn a_chat_is_accepted_answered_and_found_again(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let told = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!(told.task.status, TaskStatus::Completed);
    assert_eq!(stage.text(&told.task).await, "hello");
    let session = told.session.unwrap().id;
    assert_eq!(told.message.unwrap().message.number, 0);
    let range = greenroom_kernel::MessageRange::After(None);
    let said = stage.show.messages(&ann(), &session, range, 10).await.unwrap();
    assert_eq!(said.len(), 2);
    assert_eq!(stage.row(&told.task.id).await, told.task);
}

async fn the_same_call_again_is_the_same_task_also_in_another_process_and_other_input_is_a_conflict(
    door: Door,
) {
    let host = echoing();
    let mut stage = Stage::with(door, [Arc::clone(&host)]).await;
    let first = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!(stage.chat(None, "hello", "k", LONG).await.task, first.task);
    stage.crash_and_restart().await;
    assert_eq!(stage.chat(None, "hello", "k", LONG).await.task, first.task);
    assert_eq!(host.runs(), 1);
    let other = stage.show.accept(&ann(), chat(None, "other", "k", LONG)).await;
    assert_eq!(other.unwrap_err().code, ErrorCode::Conflict);
}

async fn a_minted_key_names_its_session_so_that_its_call_may_be_repeated(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let random = stage_random();
    let key = IdempotencyKey::mint_with_session(&*stage.clock, &random);
    let again = || chat(None, "hello", key.as_str(), LONG);
    let first = stage.show.accept(&ann(), again()).await.unwrap();
    let second = stage.show.accept(&ann(), again()).await.unwrap();
    assert_eq!(first.task, second.task);
    assert_eq!(key.minted_session(), Some(first.session.unwrap().id));
}

async fn turns_of_a_session_run_one_at_a_time_in_the_order_they_were_accepted(door: Door) {
    let running = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let order: Arc<parking_lot::Mutex<Vec<u32>>> = Arc::default();
    let (counted, noted) = (Arc::clone(&running), Arc::clone(&order));
    let helper = host("h").agent("helper", move |talk| {
        let (counted, noted) = (Arc::clone(&counted), Arc::clone(&noted));
        async move {
            assert_eq!(counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
            noted.lock().push(talk.start.task.ordinal);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            counted.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            echo(talk).await;
        }
    });
    let stage = Stage::with(door, [Arc::new(helper)]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let calls = (0..20).map(|n| {
        let (stage, session) = (&stage, &session);
        async move {
            stage
                .chat(Some(session), &format!("m{n}"), &format!("k{n}"), LONG)
                .await
        }
    });
    let told = futures::future::join_all(calls).await;
    assert!(told.iter().all(|told| told.task.status == TaskStatus::Completed));
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
}

async fn a_wait_that_is_over_returns_the_task_as_it_stands_and_it_goes_on(door: Door) {
    let slow = host("h").agent("helper", |talk| async move {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        echo(talk).await;
    });
    let stage = Stage::with(door, [Arc::new(slow)]).await;
    let told = stage
        .chat(None, "hello", "k", std::time::Duration::from_secs(1))
        .await;
    assert_eq!(told.task.status, TaskStatus::Running);
    assert_eq!(stage.ended(&told.task.id).await.status, TaskStatus::Completed);
}

async fn others_of_the_tenant_see_nothing_of_it(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let told = stage.chat(None, "hello", "k", LONG).await;
    let bob = Principal {
        subject: greenroom_kernel::Subject::parse("bob").unwrap(),
        ..ann()
    };
    let session = told.session.unwrap().id;
    assert_eq!(stage.show.session(&bob, &session).await.unwrap(), None);
    assert_eq!(stage.show.task(&bob, &told.task.id).await.unwrap(), None);
    let code = |result: Result<TaskRow, Failure>| result.unwrap_err().code;
    assert_eq!(
        code(stage.show.cancel(&bob, &told.task.id).await),
        ErrorCode::NotFound
    );
    let foreign = stage
        .show
        .accept(&bob, chat(Some(&session), "hi", "b", LONG))
        .await;
    assert_eq!(foreign.unwrap_err().code, ErrorCode::NotFound);
    let taken = stage.show.create_session(&bob, Some(session), None).await;
    assert_eq!(taken.unwrap_err().code, ErrorCode::Conflict);
}

async fn a_call_whose_derived_journal_another_subject_holds_is_refused(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let bob = Principal {
        subject: greenroom_kernel::Subject::parse("bob").unwrap(),
        ..ann()
    };
    let key = IdempotencyKey::parse("k").unwrap();
    let id = SessionId::derived(&ann().tenant, &ann().subject, "sendChat", &key);
    stage.show.create_session(&bob, Some(id), None).await.unwrap();
    let refused = stage.show.accept(&ann(), chat(None, "secret", "k", LONG)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Conflict);
}

async fn deleting_a_session_during_a_turn_ends_it_and_frees_its_caller(door: Door) {
    let stuck = host("h").agent("helper", |mut talk| async move { talk.linger().await });
    let stage = Stage::with(door, [Arc::new(stuck)]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let (told, deleted) = tokio::join!(stage.chat(Some(&session), "hello", "k", LONG), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        stage.show.delete_session(&ann(), &session).await
    });
    assert_eq!((deleted, told.task.status), (Ok(()), TaskStatus::Cancelled));
    assert_eq!(told.session, None, "it is gone for its caller too");
    assert_eq!(stage.show.session(&ann(), &session).await.unwrap(), None);
    let late = stage
        .show
        .accept(&ann(), chat(Some(&session), "late", "l", LONG))
        .await;
    assert_eq!(late.unwrap_err().code, ErrorCode::NotFound);
    let key = greenroom_kernel::JournalKey {
        tenant: ann().tenant,
        journal: session,
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let left = stage.memory.read(&key, 0, 100).await.unwrap();
    let entries: Vec<_> = left.into_iter().flat_map(|slot| slot.entries).collect();
    assert_eq!(
        entries,
        [greenroom_kernel::Entry::Deleted],
        "the content is gone, the keys stay"
    );
}

async fn a_large_text_named_before_its_session_was_deleted_reads_as_empty(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let large = "x".repeat(greenroom_kernel::INLINE_LIMIT + 1);
    let told = stage.chat(Some(&session), &large, "k", LONG).await;
    let content = told.message.unwrap().message.content;
    assert!(matches!(content, greenroom_kernel::Payload::Blob { .. }));
    let read = async || stage.show.payload(&ann(), &session, &content).await;
    assert_eq!(*read().await.unwrap(), *large);
    stage.show.delete_session(&ann(), &session).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(*read().await.unwrap(), *"");
    let never = greenroom_kernel::Payload::Blob {
        id: greenroom_kernel::BlobId::of("never kept"),
        bytes: 10,
    };
    let other = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let missing = stage.show.payload(&ann(), &other, &never).await;
    assert_eq!(missing.unwrap_err().code, ErrorCode::Internal);
}

async fn steps_are_counted_by_kind_and_how_they_ended(door: Door) {
    let helper = host("h").agent("helper", |mut talk: Talk| async move {
        for place in ["0", "1"] {
            if talk.step(model(place)).await.is_none() {
                return;
            }
        }
        talk.done("ok");
    });
    let stage = Stage::with(door, [Arc::new(helper)]).await;
    let told = stage.chat(None, "hello", "k", LONG).await;
    assert_eq!(told.task.status, TaskStatus::Completed);
    let page = stage.orchestrator.shared().metrics.render();
    let line = r#"greenroom_steps_total{kind="MODEL",status="DONE"} 2"#;
    assert!(page.lines().any(|found| found == line), "{page}");
}

async fn retrying_makes_a_linked_task_in_a_session_and_in_a_tasks_own_journal(door: Door) {
    let stage = Stage::with(
        door,
        [Arc::new(host("h").agent("helper", |talk: Talk| async move {
            let failure = Failure::internal("no luck");
            if talk.start.task.ordinal == 0 {
                talk.say(FromAgent::Failed(failure))
            } else {
                talk.done("luck")
            }
        }))],
    )
    .await;
    for told in [
        stage.chat(None, "hello", "k", LONG).await,
        stage.task("helper", "t", LONG).await,
    ] {
        assert_eq!(told.task.status, TaskStatus::Failed);
        let again = stage.show.retry(&ann(), &told.task.id).await.unwrap();
        assert_eq!((again.id.ordinal, &again.id.journal), (1, &told.task.id.journal));
        let ended = stage.ended(&again.id).await;
        assert_eq!(
            (ended.status, ended.turn),
            (TaskStatus::Completed, told.task.turn)
        );
        let early = stage.show.retry(&ann(), &ended.id).await.unwrap();
        assert_eq!(early.id.ordinal, 2);
    }
}

async fn large_inputs_and_answers_are_stored_before_the_entry_that_names_them(door: Door) {
    let stage = Stage::with(door, [echoing()]).await;
    let seen: Arc<parking_lot::Mutex<std::collections::HashSet<String>>> = Arc::default();
    let memory = Arc::clone(&stage.memory);
    let named = Arc::clone(&seen);
    stage.store.set_rule(move |asked| {
        if let Asked::Append(append) = asked {
            let text = serde_json::to_string(&append.slot.entries).unwrap();
            for id in text
                .split("\"id\":\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                let id: greenroom_kernel::BlobId = serde_json::from_str(&format!("\"{id}\"")).unwrap();
                let blob = futures::executor::block_on(memory.blob(&append.key, &id)).unwrap();
                assert!(blob.is_some(), "named before it is stored");
                named.lock().insert(id.as_str().to_owned());
            }
        }
        None
    });
    let long = "x".repeat(100_000);
    let told = stage.chat(None, &long, "k", LONG).await;
    assert_eq!(told.task.status, TaskStatus::Completed);
    assert_eq!(stage.text(&told.task).await, long);
    assert!(seen.lock().len() >= 2);
}

through_every_door! {
    a_chat_is_accepted_answered_and_found_again,
    the_same_call_again_is_the_same_task_also_in_another_process_and_other_input_is_a_conflict,
    a_minted_key_names_its_session_so_that_its_call_may_be_repeated,
    turns_of_a_session_run_one_at_a_time_in_the_order_they_were_accepted,
    a_wait_that_is_over_returns_the_task_as_it_stands_and_it_goes_on,
    others_of_the_tenant_see_nothing_of_it,
    a_call_whose_derived_journal_another_subject_holds_is_refused,
    deleting_a_session_during_a_turn_ends_it_and_frees_its_caller,
    a_large_text_named_before_its_session_was_deleted_reads_as_empty,
    steps_are_counted_by_kind_and_how_they_ended,
    retrying_makes_a_linked_task_in_a_session_and_in_a_tasks_own_journal,
    large_inputs_and_answers_are_stored_before_the_entry_that_names_them,
}
