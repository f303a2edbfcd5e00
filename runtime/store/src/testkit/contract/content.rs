//! Cases about snapshots, large payloads, and how content goes.

use std::sync::Arc;

use greenroom_kernel::{
    BlobId, Entry, JournalKey, JournalKind, MessageRange, PageRequest, Projection, SessionQuery, SessionRow,
    Snapshot, StoreStats, TaskQuery, TaskRow, TaskStatus,
};

use super::{Subject, stored};
use crate::testkit::fixture::{Pen, append, at, key, key_of, message, session, task, task_id};

fn snapshot(next: u64, state: &str) -> Snapshot {
    Snapshot {
        next,
        state: state.into(),
    }
}

pub async fn an_older_snapshot_is_ignored(store: &Subject) {
    let (key, other) = (key("s"), key_of("bolt", "s"));
    assert_eq!(store.snapshot(&key).await.unwrap(), None);
    for (next, state) in [(5, "five"), (4, "four"), (5, "again"), (0, "none")] {
        store.put_snapshot(&key, snapshot(next, state)).await.unwrap();
        assert_eq!(store.snapshot(&key).await.unwrap(), Some(snapshot(5, "five")));
    }
    store.put_snapshot(&key, snapshot(6, "six")).await.unwrap();
    assert_eq!(store.snapshot(&key).await.unwrap(), Some(snapshot(6, "six")));
    assert_eq!(store.snapshot(&other).await.unwrap(), None);
}

pub async fn a_blob_is_kept_before_its_journal_has_a_slot(store: &Subject) {
    let (key, other) = (key("s"), key_of("bolt", "s"));
    let content = "large ü ".repeat(100_000);
    let id = BlobId::of(&content);
    assert_eq!(store.blob(&key, &id).await.unwrap(), None);
    for _ in 0..2 {
        store.put_blob(&key, &id, &content).await.unwrap();
        assert_eq!(store.blob(&key, &id).await.unwrap().as_deref(), Some(&*content));
    }
    assert_eq!(store.blob(&other, &id).await.unwrap(), None);
    assert_eq!(store.blob(&key, &BlobId::of("other")).await.unwrap(), None);
    assert_eq!(store.read(&key, 0, 1).await.unwrap(), []);
    stored(store, append(&key, 0, 1)).await;
    assert_eq!(store.blob(&key, &id).await.unwrap().as_deref(), Some(&*content));
}

/// A session with content of every kind; its last slot says `Deleted` at `deleted_at`.
async fn deleted_session(store: &Subject, key: &JournalKey, deleted_at: i64) -> Pen {
    let mut pen = Pen::new(key.clone());
    let row = session(key, 5);
    stored(
        store,
        pen.with(Projection {
            session: Some(row.clone()),
            tasks: vec![task(key, 0, 5)],
            messages: vec![message(key, 0, 0)],
        }),
    )
    .await;
    let mut tricky = pen.with(Projection::default());
    tricky.slot.entries = vec![Entry::Retitled {
        title: Some("deleted".into()),
    }];
    stored(store, tricky).await;
    store.put_snapshot(key, snapshot(1, "{}")).await.unwrap();
    store.put_blob(key, &BlobId::of("x"), "x").await.unwrap();
    let mut last = pen.session(SessionRow {
        deleted: true,
        updated_at: at(deleted_at),
        ..row
    });
    last.slot.at = at(deleted_at);
    last.slot.entries = vec![Entry::Epoch, Entry::Deleted];
    stored(store, last).await;
    pen
}

pub async fn hollowing_keeps_the_keys_and_removes_the_content(store: &Subject) {
    let key = key("s");
    let mut pen = deleted_session(store, &key, 50).await;
    let before = store.read(&key, 0, 9).await.unwrap();
    // What is deleted and still has content is work that somebody has to do.
    assert_eq!(
        store.open_journals(at(99), None, 9).await.unwrap(),
        std::slice::from_ref(&key)
    );
    for _ in 0..2 {
        store.hollow(&key).await.unwrap();
        let slots = store.read(&key, 0, 9).await.unwrap();
        assert_eq!(slots.len(), 3);
        for (slot, before) in slots.iter().zip(&before) {
            let entries = if slot.seq == 2 {
                vec![Entry::Deleted]
            } else {
                vec![]
            };
            assert_eq!(slot.entries, entries, "slot {}", slot.seq);
            assert_eq!((slot.nonce, slot.at), (before.nonce, before.at));
        }
        let row = store.session(&key.tenant, &key.journal).await.unwrap().unwrap();
        assert_eq!(
            row,
            SessionRow {
                deleted: true,
                updated_at: at(50),
                title: None,
                metadata: None,
                ..session(&key, 5)
            }
        );
        assert_eq!(store.task(&key.tenant, &task_id(&key, 0)).await.unwrap(), None);
        let messages = store.messages(&key, MessageRange::After(None), 9).await.unwrap();
        assert_eq!(messages, []);
        assert_eq!(store.snapshot(&key).await.unwrap(), None);
        assert_eq!(store.blob(&key, &BlobId::of("x")).await.unwrap(), None);
        assert_eq!(store.open_journals(at(99), None, 9).await.unwrap(), []);
    }
    // The log goes on, and its keys stay taken.
    assert!(matches!(
        store.append(append(&key, 0, 77)).await.unwrap(),
        greenroom_kernel::Appended::Collided(_)
    ));
    let next = pen.with(Projection::default());
    stored(store, next).await;
    // What never was can be hollowed too.
    store.hollow(&key_of("nobody", "s")).await.unwrap();
}

pub async fn hollowing_touches_no_other_journal(store: &Subject) {
    let others = [key("r"), key("t"), key_of("bolt", "s")];
    let key = key("s");
    for journal in others.iter().chain([&key]) {
        deleted_session(store, journal, 50).await;
    }
    store.hollow(&key).await.unwrap();
    for other in &others {
        assert_eq!(store.read(other, 0, 9).await.unwrap()[2].entries.len(), 2);
        let messages = store.messages(other, MessageRange::After(None), 9).await.unwrap();
        assert_eq!(messages, [message(other, 0, 0)]);
        assert!(
            store
                .task(&other.tenant, &task_id(other, 0))
                .await
                .unwrap()
                .is_some()
        );
        assert!(store.snapshot(other).await.unwrap().is_some());
        let blob = store.blob(other, &BlobId::of("x")).await.unwrap();
        assert_eq!(blob, Some(Arc::from("x")));
    }
}

pub async fn hollowing_leaves_a_journal_alone_whose_log_has_no_deletion(store: &Subject) {
    let key = key("s");
    let mut pen = Pen::new(key.clone());
    // Neither a text that looks like it nor a row that runs ahead of the log is a deletion.
    let row = SessionRow {
        deleted: true,
        ..session(&key, 5)
    };
    let mut first = pen.with(Projection {
        session: Some(row.clone()),
        tasks: vec![task(&key, 0, 5)],
        messages: vec![message(&key, 0, 0)],
    });
    first.slot.entries = vec![Entry::Retitled {
        title: Some("deleted".into()),
    }];
    let slot = first.slot.clone();
    stored(store, first).await;
    store.put_snapshot(&key, snapshot(1, "{}")).await.unwrap();
    store.put_blob(&key, &BlobId::of("x"), "x").await.unwrap();
    let unwritten = key_of("bolt", "s");
    store.put_blob(&unwritten, &BlobId::of("x"), "x").await.unwrap();

    for key in [&key, &unwritten] {
        store.hollow(key).await.unwrap();
        let blob = store.blob(key, &BlobId::of("x")).await.unwrap();
        assert_eq!(blob.as_deref(), Some("x"));
    }
    assert_eq!(store.read(&key, 0, 9).await.unwrap(), [slot]);
    let kept = store.session(&key.tenant, &key.journal).await.unwrap();
    assert_eq!(kept, Some(row));
    let kept = store.task(&key.tenant, &task_id(&key, 0)).await.unwrap();
    assert!(kept.is_some());
    let messages = store.messages(&key, MessageRange::After(None), 9).await.unwrap();
    assert_eq!(messages, [message(&key, 0, 0)]);
    assert_eq!(store.snapshot(&key).await.unwrap(), Some(snapshot(1, "{}")));
    // It is still somebody's work.
    assert_eq!(store.open_journals(at(99), None, 9).await.unwrap(), [key]);
}

/// How many slots the large session has that is deleted.
const LARGE: u64 = 40;
const LARGE_BLOBS: [&str; 2] = ["one", "two"];

/// A deleted session of 4 MB: more than one batch of any store.
async fn large_deleted_session(store: &Subject, key: &JournalKey) {
    let mut pen = Pen::new(key.clone());
    for seq in 0..LARGE {
        let mut turn = pen.with(Projection {
            session: (seq == 0).then(|| session(key, 5)),
            tasks: vec![task(key, u32::try_from(seq).unwrap(), 5)],
            messages: vec![message(key, seq, 0)],
        });
        turn.slot.entries = vec![Entry::Retitled {
            title: Some("x".repeat(100_000)),
        }];
        stored(store, turn).await;
        let content = format!("content {seq}");
        store
            .put_blob(key, &BlobId::of(&content), &content)
            .await
            .unwrap();
    }
    store.put_snapshot(key, snapshot(LARGE, "{}")).await.unwrap();
    let mut last = pen.session(SessionRow {
        deleted: true,
        ..session(key, 5)
    });
    last.slot.at = at(50);
    last.slot.entries = vec![Entry::Deleted];
    stored(store, last).await;
}

/// How much of the large session is left: slots, tasks, messages, payloads and snapshots.
async fn left_of(store: &Subject, key: &JournalKey) -> [usize; 5] {
    let slots = store.read(key, 0, 100).await.unwrap();
    let (last, others) = slots.split_last().unwrap();
    assert_eq!(
        (others.len() as u64, last.entries.as_slice()),
        (LARGE, &[Entry::Deleted][..])
    );
    let full = others.iter().take_while(|slot| !slot.entries.is_empty()).count();
    let hollow = others.iter().filter(|slot| slot.entries.is_empty()).count();
    assert_eq!(
        full + hollow,
        others.len(),
        "what is left of a log begins at its beginning"
    );
    let query = TaskQuery {
        journal: Some(key.journal.clone()),
        ..TaskQuery::default()
    };
    let page = PageRequest {
        after: None,
        limit: 100,
    };
    let tasks = store.tasks(&key.tenant, &query, &page).await.unwrap().rows;
    let messages = store.messages(key, MessageRange::After(None), 100).await.unwrap();
    let mut blobs = 0;
    for content in LARGE_BLOBS {
        blobs += usize::from(store.blob(key, &BlobId::of(content)).await.unwrap().is_some());
    }
    let snapshots = usize::from(store.snapshot(key).await.unwrap().is_some());
    [full, tasks.len(), messages.len(), blobs, snapshots]
}

pub async fn hollowing_left_in_the_middle_stays_work_until_another_call_has_done_it(store: &Subject) {
    let mut halves = 0;
    for polls in [1, 2, 3, 4, 6] {
        let key = key(&format!("s{polls}"));
        large_deleted_session(store, &key).await;
        let mut hollowing = store.hollow(&key);
        let mut left = polls;
        // Woken about once a batch, and dropped some time.
        std::future::poll_fn(|cx| match hollowing.as_mut().poll(cx) {
            std::task::Poll::Pending if left > 1 => {
                left -= 1;
                std::task::Poll::Pending
            }
            _ => std::task::Poll::Ready(()),
        })
        .await;
        drop(hollowing);
        // What was queued is written before this.
        store
            .put_blob(&key_of("bolt", "s"), &BlobId::of("x"), "x")
            .await
            .unwrap();
        let rest = left_of(store, &key).await;
        let work = store.open_journals(at(99), None, 9).await.unwrap();
        let full = [LARGE, LARGE, LARGE, 2, 1].map(|count| usize::try_from(count).unwrap());
        match work.as_slice() {
            [] => assert_eq!(rest, [0; 5]),
            [of] => assert_eq!(*of, key),
            more => panic!("{more:?}"),
        }
        halves += u32::from(rest != full && rest != [0; 5]);
        store.hollow(&key).await.unwrap();
        assert_eq!(left_of(store, &key).await, [0; 5]);
        assert_eq!(store.open_journals(at(99), None, 9).await.unwrap(), []);
        let row = store.session(&key.tenant, &key.journal).await.unwrap().unwrap();
        assert_eq!((row.deleted, row.title, row.metadata), (true, None, None));
        assert_eq!(store.sweep(at(50), at(0), 9).await.unwrap(), 0);
        assert_eq!(
            store.sweep(at(51), at(0), 9).await.unwrap(),
            1,
            "it is hollow since then"
        );
    }
    assert!(halves > 1, "it was met in the middle {halves} times");
}

fn own(status: TaskStatus, updated: i64, key: &JournalKey, ordinal: u32) -> TaskRow {
    TaskRow {
        kind: JournalKind::Task,
        status,
        updated_at: at(updated),
        ..task(key, ordinal, 1)
    }
}

pub async fn sweeping_removes_old_hollow_journals_and_ended_task_journals_only(store: &Subject) {
    for (name, deleted_at, hollow) in [("old", 49, true), ("new", 50, true), ("full", 10, false)] {
        let key = key(name);
        deleted_session(store, &key, deleted_at).await;
        if hollow {
            store.hollow(&key).await.unwrap();
        }
    }
    use TaskStatus::{Cancelled, Completed, Failed, OutcomeUnknown, Running};
    for (name, rows) in [
        ("t-ended", &[(Failed, 20), (Completed, 29)][..]),
        ("t-late", &[(Failed, 20), (Completed, 30)]),
        ("t-runs", &[(Completed, 20), (Running, 20)]),
        ("t-rests", &[(OutcomeUnknown, 20)]),
        ("t-gone", &[(Cancelled, 1)]),
    ] {
        let key = key(name);
        let rows = (0..)
            .zip(rows)
            .map(|(n, (status, at))| own(*status, *at, &key, n));
        let rows: Vec<_> = rows.collect();
        stored(store, Pen::new(key.clone()).tasks(rows)).await;
    }
    let talk = key("talk");
    let ended = TaskRow {
        status: Completed,
        ..task(&talk, 0, 1)
    };
    stored(store, Pen::new(talk.clone()).tasks([ended])).await;

    assert_eq!(store.sweep(at(50), at(30), 100).await.unwrap(), 3);
    assert_eq!(store.sweep(at(50), at(30), 100).await.unwrap(), 0);
    for (name, stays) in [
        ("old", false),
        ("new", true),
        ("full", true),
        ("t-ended", false),
        ("t-late", true),
        ("t-runs", true),
        ("t-rests", true),
        ("t-gone", false),
        ("talk", true),
    ] {
        let key = key(name);
        let slots = store.read(&key, 0, 9).await.unwrap();
        // What is left of an ended journal, for a while, is a log that says no more than that it is over.
        let ended = slots
            .iter()
            .all(|slot| slot.entries.is_empty() || slot.entries == [Entry::Deleted])
            && slots.last().is_none_or(|last| last.entries == [Entry::Deleted]);
        assert!(if stays { !slots.is_empty() } else { ended }, "{name}: {slots:?}");
        if !stays {
            assert_eq!(
                store.session(&key.tenant, &key.journal).await.unwrap(),
                None,
                "{name}"
            );
            assert_eq!(
                store.task(&key.tenant, &task_id(&key, 0)).await.unwrap(),
                None,
                "{name}"
            );
        }
    }
    const TWO_HOURS: i64 = 2 * 3_600 * 1_000;
    // "new", and what is left of others.
    let later = store.sweep(at(51 + TWO_HOURS), at(30), 100).await.unwrap();
    assert!(later == 1 || later == 3, "{later}");
    for name in ["old", "new", "t-ended", "t-gone"] {
        let key = key(name);
        assert_eq!(store.read(&key, 0, 9).await.unwrap(), [], "{name}");
        // Gone for good: the id is free.
        stored(store, append(&key, 0, 1)).await;
    }
    assert_eq!(store.sweep(at(51 + TWO_HOURS), at(30), 100).await.unwrap(), 0);
}

pub async fn sweeping_removes_journals_without_slots_a_day_after_they_were_met(store: &Subject) {
    const DAY: i64 = 24 * 3_600 * 1_000;
    let (refused, again, begun) = (key("refused"), key("again"), key("begun"));
    let late = key("late");
    let id = BlobId::of("x");
    for key in [&refused, &again, &begun] {
        store.put_blob(key, &id, "x").await.unwrap();
    }
    // All are met by this one; none is old enough for those before a day is over.
    for ended_before in [1_000, 1_500, DAY + 999] {
        assert_eq!(store.sweep(at(0), at(ended_before), 9).await.unwrap(), 0);
    }
    store.put_blob(&again, &id, "x").await.unwrap();
    store.put_blob(&late, &id, "x").await.unwrap();
    stored(store, append(&begun, 0, 1)).await;
    assert_eq!(store.sweep(at(0), at(DAY + 1_000), 9).await.unwrap(), 1);
    for (key, stays) in [(&refused, false), (&again, true), (&begun, true), (&late, true)] {
        let blob = store.blob(key, &id).await.unwrap();
        assert_eq!(blob.is_some(), stays, "{key:?}");
    }
    for (ended_before, expected) in [
        (2 * DAY + 999, 0),
        (2 * DAY + 1_000, 1),
        (2 * DAY + 1_000, 1),
        (9 * DAY, 0),
    ] {
        assert_eq!(store.sweep(at(0), at(ended_before), 1).await.unwrap(), expected);
    }
    assert_eq!(store.blob(&again, &id).await.unwrap(), None);
    assert_eq!(store.blob(&begun, &id).await.unwrap().as_deref(), Some("x"));
    // Gone for good, and usable again.
    store.put_blob(&refused, &id, "x").await.unwrap();
    stored(store, append(&refused, 0, 1)).await;
    assert_eq!(store.blob(&refused, &id).await.unwrap().as_deref(), Some("x"));
}

pub async fn sweeping_is_bounded(store: &Subject) {
    for number in 0..5 {
        let hollow = key(&format!("s{number}"));
        deleted_session(store, &hollow, 1).await;
        store.hollow(&hollow).await.unwrap();
        let ended = key(&format!("t{number}"));
        let row = own(TaskStatus::Completed, 1, &ended, 0);
        stored(store, Pen::new(ended.clone()).tasks([row])).await;
    }
    for expected in [4, 4, 2, 0] {
        assert_eq!(store.sweep(at(9), at(9), 4).await.unwrap(), expected);
    }
    let page = PageRequest {
        after: None,
        limit: 9,
    };
    let of = key("s").tenant;
    assert_eq!(
        store
            .sessions(&of, &SessionQuery::default(), &page)
            .await
            .unwrap()
            .rows,
        []
    );
    assert_eq!(
        store.tasks(&of, &TaskQuery::default(), &page).await.unwrap().rows,
        []
    );
}

pub async fn stats_count_appends_and_commits(store: &Subject) {
    assert_eq!(store.stats(), StoreStats::default());
    let key = key("s");
    for seq in 0..3 {
        stored(store, append(&key, seq, 1)).await;
    }
    store.append(append(&key, 0, 2)).await.unwrap();
    store.append(append(&key, 9, 2)).await.unwrap_err();
    let stats = store.stats();
    assert_eq!((stats.appends, stats.commits), (3, 3));
    store.put_blob(&key, &BlobId::of("x"), "x").await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.appends, stats.commits), (3, 4));
}
