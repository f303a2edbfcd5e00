//! Whatever is done to the two stores, they answer alike.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Debug;

use greenroom_kernel::{
    BlobId, Entry, JournalKey, JournalKind, MessageRange, PageRequest, Position, Projection, SessionQuery,
    SessionRow, Snapshot, Store, StoreError, TaskQuery, TaskRow, TaskStatus,
};
use greenroom_store::testkit::fixture::{append, at, key_of, message, session, subject, task, task_id};
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Append {
        key: JournalKey,
        /// Relative to the journal's end.
        offset: i64,
        nonce: u8,
        deleted: bool,
        rows: Rows,
    },
    Snapshot(JournalKey, u8),
    Blob(JournalKey, u8),
    Hollow(JournalKey),
    Sweep(i64, i64),
}

#[derive(Debug, Clone)]
struct Rows {
    session: Option<(u8, bool, Option<String>)>,
    tasks: Vec<(u8, TaskStatus, bool, Option<i64>, u8)>,
    messages: Vec<u8>,
    now: i64,
}

fn keys() -> Vec<JournalKey> {
    ["acme", "bolt"]
        .into_iter()
        .flat_map(|tenant| ["a", "b", "c-1"].map(|journal| key_of(tenant, journal)))
        .collect()
}

fn any_key() -> impl Strategy<Value = JournalKey> {
    proptest::sample::select(keys())
}

fn any_status() -> impl Strategy<Value = TaskStatus> {
    proptest::sample::select(vec![
        TaskStatus::Accepted,
        TaskStatus::Running,
        TaskStatus::Waiting,
        TaskStatus::Completed,
        TaskStatus::Failed,
        TaskStatus::Cancelled,
        TaskStatus::OutcomeUnknown,
    ])
}

fn any_rows() -> impl Strategy<Value = Rows> {
    let title = proptest::option::of("[aAbBä%_]{0,3}");
    let session = proptest::option::of((0..3_u8, proptest::bool::weighted(0.1), title));
    let due = proptest::option::of(0..30_i64);
    let tasks = proptest::collection::vec((0..12_u8, any_status(), any::<bool>(), due, 0..4_u8), 0..3);
    let messages = proptest::collection::vec(0..3_u8, 0..3);
    (session, tasks, messages, 0..30_i64).prop_map(|(session, tasks, messages, now)| Rows {
        session,
        tasks,
        messages,
        now,
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    let offset = prop_oneof![12 => Just(0_i64), 2 => Just(-1), 1 => Just(-3), 1 => Just(1), 1 => Just(5)];
    let write = (
        any_key(),
        offset,
        0..3_u8,
        proptest::bool::weighted(0.3),
        any_rows(),
    );
    prop_oneof![
        20 => write.prop_map(|(key, offset, nonce, deleted, rows)| Op::Append { key, offset, nonce, deleted, rows }),
        2 => (any_key(), 0..6_u8).prop_map(|(key, next)| Op::Snapshot(key, next)),
        2 => (any_key(), 0..3_u8).prop_map(|(key, which)| Op::Blob(key, which)),
        2 => any_key().prop_map(Op::Hollow),
        1 => (0..40_i64, 0..40_i64).prop_map(|(deleted, ended)| Op::Sweep(deleted, ended)),
        // Days apart: what never got a slot goes as well.
        1 => (0..40_i64, 1..9_i64).prop_map(|(deleted, days)| Op::Sweep(deleted, days * 24 * 3_600 * 1_000)),
    ]
}

impl Rows {
    fn projection(&self, key: &JournalKey, seq: u64) -> Projection {
        let position = |index| Position { seq, index };
        let session = self.session.as_ref().map(|(who, deleted, title)| SessionRow {
            subject: subject(&format!("u{who}")),
            title: title.clone(),
            deleted: *deleted,
            updated_at: at(self.now),
            last: position(1),
            ..session(key, i64::from(*who) * 2)
        });
        let tasks = self
            .tasks
            .iter()
            .map(|(ordinal, status, own, due, created)| TaskRow {
                subject: subject(&format!("u{}", created % 2)),
                status: *status,
                kind: if *own {
                    JournalKind::Task
                } else {
                    JournalKind::Session
                },
                due: due.map(at),
                updated_at: at(self.now),
                parent: (*created == 3).then(|| task_id(key, 0)),
                first: position(if *own { 0 } else { 9 }),
                ..task(key, u32::from(*ordinal), i64::from(*created))
            });
        Projection {
            tasks: tasks.collect(),
            messages: self
                .messages
                .iter()
                .map(|index| message(key, seq, u32::from(*index)))
                .collect(),
            session,
        }
    }
}

fn plain<T: Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("error: {error}"),
    }
}

async fn run(store: &dyn Store, op: &Op) -> String {
    match op {
        Op::Append {
            key,
            offset,
            nonce,
            deleted,
            rows,
        } => {
            let end = store.read(key, 0, u32::MAX).await.unwrap().len();
            let seq = u64::try_from(i64::try_from(end).unwrap() + offset).unwrap_or(0);
            let mut append = append(key, seq, u128::from(*nonce));
            append.slot.at = at(rows.now);
            if *deleted {
                append.slot.entries.push(Entry::Deleted);
            }
            append.rows = rows.projection(key, seq);
            plain(store.append(append).await)
        }
        Op::Snapshot(key, next) => {
            let snapshot = Snapshot {
                next: u64::from(*next),
                state: format!("{next}").into(),
            };
            plain(store.put_snapshot(key, snapshot).await)
        }
        Op::Blob(key, which) => {
            let content = format!("content {which}");
            plain(store.put_blob(key, &BlobId::of(&content), &content).await)
        }
        Op::Hollow(key) => plain(store.hollow(key).await),
        Op::Sweep(deleted, ended) => plain(store.sweep(at(*deleted), at(*ended), u32::MAX).await),
    }
}

async fn observe_journal(store: &dyn Store, key: &JournalKey, seen: &mut Vec<String>) {
    seen.push(plain(store.read(key, 0, u32::MAX).await));
    seen.push(plain(store.read(key, 1, 2).await));
    seen.push(plain(store.snapshot(key).await));
    seen.push(plain(store.session(&key.tenant, &key.journal).await));
    for which in 0..3 {
        seen.push(plain(
            store.blob(key, &BlobId::of(&format!("content {which}"))).await,
        ));
    }
    for ordinal in 0..12 {
        seen.push(plain(store.task(&key.tenant, &task_id(key, ordinal)).await));
    }
    let place = Some(Position { seq: 2, index: 1 });
    for range in [
        MessageRange::After(None),
        MessageRange::After(place),
        MessageRange::Before(None),
        MessageRange::Before(place),
    ] {
        seen.push(plain(store.messages(key, range, 3).await));
    }
}

async fn observe_lists(store: &dyn Store, key: &JournalKey, seen: &mut Vec<String>) {
    let sessions = |change: fn(&mut SessionQuery)| {
        let mut query = SessionQuery::default();
        change(&mut query);
        query
    };
    let tasks = |change: fn(&mut TaskQuery)| {
        let mut query = TaskQuery::default();
        change(&mut query);
        query
    };
    for query in [
        sessions(|_| {}),
        sessions(|q| q.subject = Some(subject("u1"))),
        sessions(|q| q.title = Some("A".into())),
        sessions(|q| q.created_after = Some(at(2))),
        sessions(|q| q.created_before = Some(at(2))),
    ] {
        for limit in [1, 2] {
            let mut after = None;
            loop {
                let page = store
                    .sessions(&key.tenant, &query, &PageRequest { after, limit })
                    .await
                    .unwrap();
                seen.push(format!("{page:?}"));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    let mut queries = vec![
        tasks(|_| {}),
        tasks(|q| q.subject = Some(subject("u1"))),
        TaskQuery {
            journal: Some(key.journal.clone()),
            ..TaskQuery::default()
        },
        TaskQuery {
            parent: Some(task_id(key, 0)),
            ..TaskQuery::default()
        },
        TaskQuery {
            journal: Some(key.journal.clone()),
            subject: Some(subject("u0")),
            status: Some(TaskStatus::Running),
            parent: None,
        },
    ];
    queries.extend(
        [
            TaskStatus::Accepted,
            TaskStatus::Waiting,
            TaskStatus::Completed,
            TaskStatus::OutcomeUnknown,
        ]
        .map(|status| TaskQuery {
            status: Some(status),
            ..TaskQuery::default()
        }),
    );
    for query in queries {
        for limit in [2, 5] {
            let mut after = None;
            loop {
                let page = store
                    .tasks(&key.tenant, &query, &PageRequest { after, limit })
                    .await
                    .unwrap();
                seen.push(format!("{page:?}"));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
}

async fn observe(store: &dyn Store) -> Vec<String> {
    let mut seen = Vec::new();
    for key in keys() {
        observe_journal(store, &key, &mut seen).await;
        observe_lists(store, &key, &mut seen).await;
        seen.push(plain(store.open_journals(at(15), Some(&key), 2).await));
    }
    for limit in [1, 3, 100] {
        seen.push(plain(store.open_journals(at(15), None, limit).await));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_answer_alike(ops in proptest::collection::vec(any_op(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryStore::new();
            let sqlite = SqliteStore::open(folder.path().join("twin.db"), SqliteOptions::default()).unwrap();
            for op in &ops {
                prop_assert_eq!(run(&memory, op).await, run(&sqlite, op).await, "{:?}", op);
            }
            let (left, right) = (observe(&memory).await, observe(&sqlite).await);
            prop_assert_eq!(left.len(), right.len());
            for (left, right) in left.into_iter().zip(right) {
                prop_assert_eq!(left, right);
            }
            prop_assert_eq!(memory.stats().appends, sqlite.stats().appends);
            Ok(())
        })?;
    }
}
