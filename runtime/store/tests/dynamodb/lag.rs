//! Indexes that are far behind: they may only delay what is found by looking, never what is known.

use std::collections::BTreeSet;

use greenroom_kernel::{
    Appended, JournalKey, MessageRange, PageRequest, Projection, SessionQuery, Store, TaskQuery, TaskRow,
    TaskStatus,
};
use greenroom_store::DynamoStore;
use greenroom_store::testkit::fixture::{Pen, append, at, key, message, session, task};

use crate::emulator::Emulator;
use crate::proxy::{Proxy, Trouble};

/// Which journals are found by looking: in the lists of sessions and of tasks, and as having work.
async fn found(store: &DynamoStore) -> [BTreeSet<String>; 3] {
    let tenant = key("any").tenant;
    let page = PageRequest {
        after: None,
        limit: 9,
    };
    let sessions = store.sessions(&tenant, &SessionQuery::default(), &page).await;
    let tasks = store.tasks(&tenant, &TaskQuery::default(), &page).await;
    let work = store.open_journals(at(99), None, 9).await;
    [
        sessions
            .unwrap()
            .rows
            .iter()
            .map(|row| row.id.to_string())
            .collect(),
        tasks
            .unwrap()
            .rows
            .iter()
            .map(|row| row.id.journal.to_string())
            .collect(),
        work.unwrap().iter().map(|key| key.journal.to_string()).collect(),
    ]
}

fn of<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn begun(of: &JournalKey) -> (Projection, TaskRow) {
    let row = TaskRow {
        status: TaskStatus::Running,
        ..task(of, 0, 1)
    };
    let rows = Projection {
        session: Some(session(of, 1)),
        tasks: vec![row.clone()],
        messages: vec![message(of, 0, 0)],
    };
    (rows, row)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn an_index_that_lags_delays_what_is_found_and_nothing_that_is_known() {
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, Trouble::None).await;
    let store = emulator.store(&proxy.url).await;
    let (old, new) = (key("old"), key("new"));
    let mut pen = Pen::new(old.clone());
    let (rows, ran) = begun(&old);
    assert_eq!(store.append(pen.with(rows)).await.unwrap(), Appended::Stored);
    assert_eq!(found(&store).await, [of(["old"]), of(["old"]), of(["old"])]);

    proxy.indexes_lag(true);
    let ended = TaskRow {
        status: TaskStatus::Completed,
        updated_at: at(9),
        ..ran
    };
    assert_eq!(
        store.append(pen.tasks([ended.clone()])).await.unwrap(),
        Appended::Stored
    );
    let (rows, runs) = begun(&new);
    let first = Pen::new(new.clone()).with(rows);
    assert_eq!(store.append(first.clone()).await.unwrap(), Appended::Stored);
    let [sessions, tasks, work] = found(&store).await;
    assert_eq!(
        (sessions, tasks),
        (of(["old"]), of(["old"])),
        "no list is ahead of its index"
    );
    assert!(!work.contains("new"), "{work:?}");

    // The log and the rows are as they are.
    for (of, id, status) in [(&old, &ended.id, ended.status), (&new, &runs.id, runs.status)] {
        let row = store.task(&of.tenant, id).await.unwrap();
        assert_eq!(row.map(|row| row.status), Some(status));
    }
    assert!(store.session(&new.tenant, &new.journal).await.unwrap().is_some());
    assert_eq!(
        store
            .messages(&new, MessageRange::After(None), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        store.read(&new, 0, 9).await.unwrap(),
        std::slice::from_ref(&first.slot)
    );
    match store.append(append(&new, 0, 77)).await.unwrap() {
        Appended::Collided(occupant) => assert_eq!(*occupant, first.slot),
        Appended::Stored => panic!("two slots of one number"),
    }

    proxy.indexes_lag(false);
    assert_eq!(
        found(&store).await,
        [of(["new", "old"]), of(["new", "old"]), of(["new"])]
    );
}
