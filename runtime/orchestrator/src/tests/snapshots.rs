//! Snapshots bound what a wake must read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    Append, Appended, Entry, Journal, JournalKey, Message, NodeId, Nonce, Payload, Projection, Role, Slot,
    Snapshot, Writer,
};

use super::*;

async fn a_session_used_a_little_at_a_time_gets_its_snapshots_too(door: Door) {
    let config = crate::OrchestratorConfig {
        snapshot_every: 16,
        idle_ms: 1_000,
        ..Default::default()
    };
    let stage = Stage::configured(door, config, [Arc::new(host("h").agent("helper", echo))]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    let key = stage.orchestrator.shared().key(&ann().tenant, &session);
    for number in 0..20 {
        stage
            .chat(Some(&session), "hello", &format!("k{number}"), LONG)
            .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(
            !stage.orchestrator.shared().journals.is_live(&key),
            "it left when idle"
        );
    }
    let snapshot = stage.memory.snapshot(&key).await.unwrap().expect("a snapshot");
    let slots = stage.memory.read(&key, 0, 1_000).await.unwrap().len() as u64;
    assert!(slots - snapshot.next <= 16 + 3, "{} of {slots}", snapshot.next);
}

#[tokio::test]
async fn a_session_of_ten_thousand_messages_wakes_quickly() {
    let mut stage = Stage::with(Door::Local, [Arc::new(host("h").agent("helper", echo))]).await;
    let session = stage.show.create_session(&ann(), None, None).await.unwrap().id;
    stage.crash();
    let key = JournalKey {
        tenant: ann().tenant,
        journal: session.clone(),
    };
    let mut journal = Journal::empty(session.clone());
    for slot in stage.memory.read(&key, 0, 10).await.unwrap() {
        journal.apply(&slot).unwrap();
    }
    for number in 0..10_000u32 {
        let slot = Slot {
            seq: journal.next,
            nonce: Nonce(u128::from(number) + 1),
            writer: Writer {
                node: NodeId::parse("n").unwrap(),
                incarnation: 1,
            },
            at: journal.updated_at,
            entries: vec![Entry::Message(Message {
                task: number,
                number: 0,
                role: Role::User,
                content: Payload::inline("x".repeat(200)),
                agent: None,
                usage: None,
                metadata: None,
            })],
        };
        journal.apply(&slot).unwrap();
        let append = Append {
            key: key.clone(),
            slot,
            rows: Projection::default(),
        };
        assert_eq!(stage.memory.append(append).await.unwrap(), Appended::Stored);
        if number % 64 == 63 {
            let state = serde_json::to_string(&journal).unwrap().into();
            stage
                .memory
                .put_snapshot(
                    &key,
                    Snapshot {
                        next: journal.next,
                        state,
                    },
                )
                .await
                .unwrap();
        }
    }
    stage.restart().await;
    let read = Arc::new(AtomicU64::new(0));
    let (memory, counted, of) = (Arc::clone(&stage.memory), Arc::clone(&read), key.clone());
    stage.store.set_rule(move |asked| {
        if matches!(asked, Asked::Read("read")) {
            let end = futures::executor::block_on(memory.read(&of, 0, u32::MAX))
                .unwrap()
                .len() as u64;
            let from = futures::executor::block_on(memory.snapshot(&of))
                .unwrap()
                .map_or(0, |kept| kept.next);
            counted.fetch_add(end - from, Ordering::SeqCst);
        }
        None
    });
    let begun = std::time::Instant::now();
    let titled = stage
        .show
        .update_session(&ann(), &session, Some("awake".into()))
        .await
        .unwrap();
    let took = begun.elapsed();
    assert_eq!(titled.title.as_deref(), Some("awake"));
    assert!(
        read.load(Ordering::SeqCst) <= 64,
        "{} slots were read",
        read.load(Ordering::SeqCst)
    );
    assert!(
        took < Duration::from_millis(500),
        "loosely, in a debug build: {took:?}"
    );
}

async fn an_export_ends_at_its_bound(door: Door) {
    let long = |talk: Talk| async move { talk.done(&"x".repeat(200_000)) };
    let stage = Stage::with(door, [Arc::new(host("h").agent("helper", long))]).await;
    let row = stage.task("helper", "k", LONG).await.task;
    let tenant = ann().tenant;
    let within = |bound| crate::export::export_within(bound, &*stage.memory, &tenant, &row);
    let whole = crate::export(&*stage.memory, &tenant, &row).await.unwrap();
    let bytes = serde_json::to_string(&whole).unwrap().len() as u64;
    assert!(bytes > 200_000);
    for bound in [100, 150_000, 200_100] {
        let refused = within(bound).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::LimitExceeded, "{refused}");
    }
    assert_eq!(within(bytes).await.unwrap(), whole);
}

through_every_door! {
    an_export_ends_at_its_bound,
    a_session_used_a_little_at_a_time_gets_its_snapshots_too,
}
