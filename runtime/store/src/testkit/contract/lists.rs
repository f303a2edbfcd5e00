//! Cases about rows and lists.

use greenroom_kernel::{
    Appended, JournalKey, MessageRange, PageRequest, Position, Projection, SessionQuery, SessionRow,
    StoreError, TaskQuery, TaskRow, TaskStatus,
};

use super::{Subject, stored};
use crate::testkit::fixture::{
    Pen, append, at, key, key_of, message, session, subject, task, task_id, tenant,
};

fn page(after: Option<String>, limit: u32) -> PageRequest {
    PageRequest { after, limit }
}

async fn session_ids(store: &Subject, query: &SessionQuery) -> Vec<String> {
    let page = store
        .sessions(&tenant("acme"), query, &page(None, 100))
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.rows.iter().map(|row| row.id.to_string()).collect()
}

async fn task_ids(store: &Subject, query: &TaskQuery) -> Vec<String> {
    let page = store
        .tasks(&tenant("acme"), query, &page(None, 100))
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.rows.iter().map(|row| row.id.to_string()).collect()
}

async fn put_session(store: &Subject, key: &JournalKey, row: SessionRow) {
    stored(store, Pen::new(key.clone()).session(row)).await;
}

pub async fn rows_change_with_their_slot_and_a_later_row_replaces(store: &Subject) {
    let key = key("s");
    let mut pen = Pen::new(key.clone());
    let (first, task_0) = (session(&key, 5), task(&key, 0, 5));
    let said = message(&key, 0, 2);
    stored(
        store,
        pen.with(Projection {
            session: Some(first.clone()),
            tasks: vec![task_0.clone()],
            messages: vec![said.clone()],
        }),
    )
    .await;
    assert_eq!(
        store.session(&key.tenant, &key.journal).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        store.task(&key.tenant, &task_0.id).await.unwrap(),
        Some(task_0.clone())
    );
    assert_eq!(
        store.messages(&key, MessageRange::After(None), 9).await.unwrap(),
        [said]
    );

    let second = SessionRow {
        title: None,
        metadata: None,
        updated_at: at(6),
        last: Position { seq: 1, index: 1 },
        ..first
    };
    let mut done = task_0.clone();
    for (status, due) in [
        (TaskStatus::Running, None),
        (TaskStatus::Running, None),
        (TaskStatus::Waiting, Some(at(9))),
        (TaskStatus::Waiting, Some(at(10))),
        (TaskStatus::Completed, None),
    ] {
        done = TaskRow {
            status,
            due,
            attempts: done.attempts + 1,
            updated_at: at(done.updated_at.as_millis() + 1),
            parent: Some(task_id(&key, 7)),
            ..done
        };
        let rows = Projection {
            session: Some(second.clone()),
            tasks: vec![done.clone()],
            messages: vec![],
        };
        stored(store, pen.with(rows)).await;
        assert_eq!(
            store.task(&key.tenant, &done.id).await.unwrap(),
            Some(done.clone())
        );
    }
    assert_eq!(
        store.session(&key.tenant, &key.journal).await.unwrap(),
        Some(second)
    );
    assert_eq!(task_ids(store, &TaskQuery::default()).await, ["s.0"]);

    let nobody = key_of("bolt", "s");
    assert_eq!(store.session(&nobody.tenant, &key.journal).await.unwrap(), None);
    assert_eq!(store.task(&nobody.tenant, &done.id).await.unwrap(), None);
    assert_eq!(store.task(&key.tenant, &task_id(&key, 1)).await.unwrap(), None);
    assert_eq!(
        store
            .messages(&nobody, MessageRange::After(None), 9)
            .await
            .unwrap(),
        []
    );
}

async fn nothing_changed_by(store: &Subject, key: &JournalKey, seq: u64) {
    let before = session(key, 5);
    let mut late = append(key, seq, 99);
    late.rows = Projection {
        session: Some(SessionRow {
            title: Some("late".into()),
            ..before.clone()
        }),
        tasks: vec![task(key, 3, 5)],
        messages: vec![message(key, 0, 3)],
    };
    let answer = store.append(late).await;
    assert!(
        matches!(answer, Ok(Appended::Collided(_)) | Err(StoreError::Gap { .. })),
        "{answer:?}"
    );
    assert_eq!(
        store.session(&key.tenant, &key.journal).await.unwrap(),
        Some(before)
    );
    assert_eq!(store.task(&key.tenant, &task_id(key, 3)).await.unwrap(), None);
    assert_eq!(
        store.messages(key, MessageRange::After(None), 9).await.unwrap(),
        []
    );
}

pub async fn a_collided_append_changes_no_row(store: &Subject) {
    let key = key("s");
    put_session(store, &key, session(&key, 5)).await;
    nothing_changed_by(store, &key, 0).await;
}

pub async fn an_append_past_the_end_changes_no_row(store: &Subject) {
    let key = key("s");
    put_session(store, &key, session(&key, 5)).await;
    nothing_changed_by(store, &key, 2).await;
}

pub async fn sessions_are_listed_newest_first_and_by_every_filter(store: &Subject) {
    for (id, created, of, title, deleted) in [
        ("a", 10, "ann", Some("Grüne Wiese"), false),
        ("b", 30, "ann", Some("Green Room"), false),
        ("c", 20, "bob", Some("100% green_room"), false),
        ("d", 20, "ann", None, false),
        ("e", 40, "ann", Some("Green, gone"), true),
    ] {
        let key = key(id);
        let row = SessionRow {
            subject: subject(of),
            title: title.map(str::to_owned),
            deleted,
            ..session(&key, created)
        };
        put_session(store, &key, row).await;
    }
    let other = key_of("bolt", "z");
    put_session(store, &other, session(&other, 50)).await;

    let all = SessionQuery::default();
    assert_eq!(session_ids(store, &all).await, ["b", "d", "c", "a"]);
    let of = |name| SessionQuery {
        subject: Some(subject(name)),
        ..SessionQuery::default()
    };
    assert_eq!(session_ids(store, &of("ann")).await, ["b", "d", "a"]);
    assert_eq!(session_ids(store, &of("eve")).await, [] as [&str; 0]);
    let title = |part: &str| SessionQuery {
        title: Some(part.into()),
        ..SessionQuery::default()
    };
    assert_eq!(session_ids(store, &title("GREEN")).await, ["b", "c"]);
    assert_eq!(session_ids(store, &title("rüne")).await, ["a"]);
    // No pattern: these match themselves only.
    assert_eq!(session_ids(store, &title("%")).await, ["c"]);
    assert_eq!(session_ids(store, &title("_")).await, ["c"]);
    let created = |after: Option<i64>, before: Option<i64>| SessionQuery {
        created_after: after.map(at),
        created_before: before.map(at),
        ..SessionQuery::default()
    };
    assert_eq!(
        session_ids(store, &created(Some(20), None)).await,
        ["b", "d", "c"]
    );
    assert_eq!(session_ids(store, &created(None, Some(20))).await, ["a"]);
    assert_eq!(session_ids(store, &created(Some(20), Some(30))).await, ["d", "c"]);
    let both = SessionQuery {
        subject: Some(subject("bob")),
        title: Some("room".into()),
        ..created(Some(10), Some(30))
    };
    assert_eq!(session_ids(store, &both).await, ["c"]);

    // A deleted one still has its row.
    let gone = key("e");
    let row = store.session(&gone.tenant, &gone.journal).await.unwrap();
    assert!(row.is_some_and(|row| row.deleted));
}

pub async fn session_pages_stay_whole_while_sessions_are_added(store: &Subject) {
    // Two share a moment, across a page's end.
    for (id, created) in [("a", -5), ("b", 10), ("c", 20), ("d", 20), ("e", 30)] {
        let key = key(id);
        put_session(store, &key, session(&key, created)).await;
    }
    let (of, query) = (tenant("acme"), SessionQuery::default());
    let (mut after, mut seen) = (None, Vec::new());
    for round in 0.. {
        let page = store.sessions(&of, &query, &page(after, 2)).await.unwrap();
        seen.extend(page.rows.iter().map(|row| row.id.to_string()));
        let newer = key(&format!("n{round}"));
        put_session(store, &newer, session(&newer, 100 + round)).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["e", "d", "c", "b", "a"]);
    let none = store.sessions(&of, &query, &page(None, 0)).await.unwrap();
    assert_eq!((none.rows.len(), none.next), (0, None));
}

pub async fn messages_are_read_from_either_end(store: &Subject) {
    let (key, other) = (key("s"), key("t"));
    let mut pen = Pen::new(key.clone());
    for seq in 0..3_u64 {
        let messages = [0, 1, 12].map(|index| message(&key, seq, index)).to_vec();
        stored(
            store,
            pen.with(Projection {
                messages,
                ..Projection::default()
            }),
        )
        .await;
    }
    let mut elsewhere = append(&other, 0, 1);
    elsewhere.rows.messages = vec![message(&other, 0, 0)];
    stored(store, elsewhere).await;

    let read = async |range, limit| -> Vec<(u64, u32)> {
        let rows = store.messages(&key, range, limit).await.unwrap();
        for row in &rows {
            assert_eq!(*row, message(&key, row.position.seq, row.position.index));
        }
        rows.iter().map(|r| (r.position.seq, r.position.index)).collect()
    };
    let place = |seq, index| Some(Position { seq, index });
    use MessageRange::{After, Before};
    assert_eq!(read(After(None), 2).await, [(0, 0), (0, 1)]);
    assert_eq!(read(After(place(0, 1)), 2).await, [(0, 12), (1, 0)]);
    assert_eq!(read(After(place(0, 5)), 1).await, [(0, 12)]);
    assert_eq!(read(After(place(2, 12)), 5).await, [] as [(u64, u32); 0]);
    assert_eq!(read(Before(None), 2).await, [(2, 1), (2, 12)]);
    assert_eq!(read(Before(place(1, 1)), 3).await, [(0, 1), (0, 12), (1, 0)]);
    assert_eq!(read(Before(place(0, 0)), 3).await, [] as [(u64, u32); 0]);
    assert_eq!(read(After(None), 100).await.len(), 9);
    assert_eq!(read(Before(None), 100).await.len(), 9);
    assert_eq!(read(Before(None), 0).await.len(), 0);
}

pub async fn tasks_are_listed_newest_first_and_by_every_filter(store: &Subject) {
    let (a, b) = (key("a"), key("b"));
    let of = |name, row: TaskRow| TaskRow {
        subject: subject(name),
        ..row
    };
    let standing = |status, row: TaskRow| TaskRow { status, ..row };
    let child = TaskRow {
        parent: Some(task_id(&a, 1)),
        ..standing(TaskStatus::Running, task(&b, 0, 15))
    };
    let rows = [
        standing(TaskStatus::Completed, task(&a, 0, 10)),
        standing(TaskStatus::Waiting, task(&a, 1, 20)),
        of("bob", task(&a, 2, 30)),
    ];
    stored(store, Pen::new(a.clone()).tasks(rows)).await;
    stored(store, Pen::new(b.clone()).tasks([child])).await;
    let elsewhere = key_of("bolt", "a");
    stored(
        store,
        Pen::new(elsewhere.clone()).tasks([task(&elsewhere, 0, 99)]),
    )
    .await;

    let query = TaskQuery::default;
    assert_eq!(task_ids(store, &query()).await, ["a.2", "a.1", "b.0", "a.0"]);
    let subject_is = |name| TaskQuery {
        subject: Some(subject(name)),
        ..query()
    };
    assert_eq!(task_ids(store, &subject_is("ann")).await, ["a.1", "b.0", "a.0"]);
    let journal_is = |key: &JournalKey| TaskQuery {
        journal: Some(key.journal.clone()),
        ..query()
    };
    assert_eq!(task_ids(store, &journal_is(&a)).await, ["a.2", "a.1", "a.0"]);
    assert_eq!(task_ids(store, &journal_is(&key("x"))).await, [] as [&str; 0]);
    for (status, expected) in [
        (TaskStatus::Accepted, &["a.2"][..]),
        (TaskStatus::Running, &["b.0"]),
        (TaskStatus::Waiting, &["a.1"]),
        (TaskStatus::Completed, &["a.0"]),
        (TaskStatus::Failed, &[]),
        (TaskStatus::Cancelled, &[]),
        (TaskStatus::OutcomeUnknown, &[]),
    ] {
        let query = TaskQuery {
            status: Some(status),
            ..query()
        };
        assert_eq!(task_ids(store, &query).await, expected, "{status:?}");
    }
    let parent_is = |id| TaskQuery {
        parent: Some(id),
        ..query()
    };
    assert_eq!(task_ids(store, &parent_is(task_id(&a, 1))).await, ["b.0"]);
    assert_eq!(task_ids(store, &parent_is(task_id(&a, 0))).await, [] as [&str; 0]);
    let all = TaskQuery {
        subject: Some(subject("ann")),
        journal: Some(b.journal.clone()),
        status: Some(TaskStatus::Running),
        parent: Some(task_id(&a, 1)),
    };
    assert_eq!(task_ids(store, &all).await, ["b.0"]);
}

pub async fn task_pages_stay_whole_while_tasks_are_added_and_ordinals_order_as_numbers(store: &Subject) {
    let key = key("s");
    let mut pen = Pen::new(key.clone());
    // All of one moment: the ordinal alone orders them.
    stored(store, pen.tasks((0..12).map(|ordinal| task(&key, ordinal, 10)))).await;
    for journal in [None, Some(key.journal.clone())] {
        let query = TaskQuery {
            journal,
            ..TaskQuery::default()
        };
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = store.tasks(&key.tenant, &query, &page(after, 5)).await.unwrap();
            seen.extend(page.rows.iter().map(|row| row.id.ordinal).filter(|o| *o < 12));
            let next = u32::try_from(pen.next).unwrap() + 100;
            stored(store, pen.tasks([task(&key, next, 11)])).await;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..12).rev().collect::<Vec<_>>());
    }
}

pub async fn a_page_token_that_no_page_gave_is_refused(store: &Subject) {
    let of = tenant("acme");
    for bad in ["", "x", "1", "1.", ".a", "1.a b", "1.a.0.0"] {
        let page = page(Some(bad.into()), 1);
        let sessions = store.sessions(&of, &SessionQuery::default(), &page).await;
        assert!(
            matches!(sessions, Err(StoreError::BadPage { .. })),
            "{bad}: {sessions:?}"
        );
        let tasks = store.tasks(&of, &TaskQuery::default(), &page).await;
        assert!(
            matches!(tasks, Err(StoreError::BadPage { .. })),
            "{bad}: {tasks:?}"
        );
    }
}
