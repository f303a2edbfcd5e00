//! Many stores that want the same slots, through trouble.

use std::time::Duration;

use greenroom_kernel::{
    Append, Appended, Entry, JournalKey, JournalKind, Nonce, Projection, Store, StoreError, TaskRow,
    TaskStatus,
};
use greenroom_store::testkit::fixture::{Pen, append, at, key, message, session, task};
use greenroom_store::{DynamoOptions, DynamoStore};
use tokio::task::JoinSet;

use crate::emulator::Emulator;
use crate::proxy::{Proxy, Trouble};

/// Writers who all want the same slots, with rows, each sending the same append again until its fate is known.
async fn exactly_one_of_many_writes_each_slot(trouble: Trouble) {
    const WRITERS: u128 = 12;
    let emulator = Emulator::start();
    let proxy = Proxy::start(&emulator.url, trouble).await;
    let options = emulator.options(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let options = DynamoOptions {
        endpoint: Some(proxy.url.clone()),
        ..options
    };
    let of = key("s");
    for seq in 0..4 {
        let mut writers = JoinSet::new();
        for nonce in 1..=WRITERS {
            // Each has a store of its own, as each supervisor has.
            let store = DynamoStore::open(options.clone()).await.unwrap();
            let mut mine = append(&of, seq, u128::from(seq) * 100 + nonce);
            mine.rows = Projection {
                session: Some(session(&of, 5)),
                tasks: vec![task(&of, u32::try_from(nonce).unwrap(), 5)],
                messages: vec![message(&of, seq, 0)],
            };
            writers.spawn(async move {
                let nonce = mine.slot.nonce;
                loop {
                    match store.append(mine.clone()).await {
                        Ok(Appended::Stored) => return (nonce, nonce),
                        Ok(Appended::Collided(occupant)) => return (nonce, occupant.nonce),
                        Err(StoreError::Unanswered { .. } | StoreError::Busy { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        let answers: Vec<(Nonce, Nonce)> = writers.join_all().await;
        let store = DynamoStore::open(options.clone()).await.unwrap();
        let slots = store.read(&of, seq, 10).await.unwrap();
        assert_eq!(slots.len(), 1);
        for (mine, winner) in answers {
            assert_eq!(winner, slots[0].nonce, "slot {seq}, as writer {mine:?} was told");
        }
        let rows = store
            .messages(&of, greenroom_kernel::MessageRange::After(None), 9)
            .await
            .unwrap();
        assert_eq!(rows.len() as u64, seq + 1);
    }
    let store = DynamoStore::open(options).await.unwrap();
    let mut rows = 0;
    for nonce in 1..=WRITERS {
        let id = task(&of, u32::try_from(nonce).unwrap(), 5).id;
        rows += u64::from(store.task(&of.tenant, &id).await.unwrap().is_some());
    }
    assert!((1..=4).contains(&rows), "four slots, {rows} tasks");
    assert!(proxy.troubled() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn throttling_and_conflicts_are_never_taken_for_a_lost_fence() {
    exactly_one_of_many_writes_each_slot(Trouble::Throttles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_lost_answer_is_never_taken_for_another_s_slot() {
    exactly_one_of_many_writes_each_slot(Trouble::DropsAnswers).await;
}

/// What a sweep may remove: the journal of one task that ended at 1.
async fn ended_task(store: &DynamoStore, of: &JournalKey) -> TaskRow {
    let row = TaskRow {
        kind: JournalKind::Task,
        status: TaskStatus::Completed,
        updated_at: at(1),
        ..task(of, 0, 1)
    };
    let mut pen = Pen::new(of.clone());
    for rows in [vec![], vec![row.clone()]] {
        assert_eq!(store.append(pen.tasks(rows)).await.unwrap(), Appended::Stored);
    }
    row
}

/// What an owner writes behind the end: the task goes on.
fn goes_on(of: &JournalKey, seq: u64, row: &TaskRow) -> Append {
    let mut next = append(of, seq, 77);
    next.rows.tasks = vec![TaskRow {
        status: TaskStatus::Running,
        updated_at: at(99),
        ..row.clone()
    }];
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn an_owner_behind_the_end_of_a_swept_task_collides_and_finds_a_gap_when_the_keys_are_gone() {
    const TWO_HOURS: i64 = 2 * 3_600 * 1_000;
    let emulator = Emulator::start();
    let options = emulator.options(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let open = async || DynamoStore::open(options.clone()).await.unwrap();
    let (owner, sweeper) = (open().await, open().await);
    let of = key("t");
    let row = ended_task(&owner, &of).await;
    // The owner knows where the log ends: it asks nothing before it writes.
    assert_eq!(owner.read(&of, 0, 9).await.unwrap().len(), 2);
    assert_eq!(sweeper.sweep(at(5), at(9), 9).await.unwrap(), 1);
    match owner.append(goes_on(&of, 2, &row)).await.unwrap() {
        Appended::Collided(occupant) => assert_eq!(occupant.entries, [Entry::Deleted]),
        Appended::Stored => panic!("stored behind the end of what is being swept"),
    }
    // The keys stay while any process may know of them.
    assert_eq!(sweeper.sweep(at(5 + TWO_HOURS), at(9), 9).await.unwrap(), 0);
    assert_eq!(sweeper.read(&of, 0, 9).await.unwrap().len(), 3);
    assert_eq!(sweeper.task(&of.tenant, &row.id).await.unwrap(), None);
    assert_eq!(sweeper.sweep(at(6 + TWO_HOURS), at(9), 9).await.unwrap(), 1);
    assert_eq!(sweeper.read(&of, 0, 9).await.unwrap(), []);
    // To whom the end is not known any more, it is a gap.
    let gap = open().await.append(goes_on(&of, 2, &row)).await.unwrap_err();
    assert!(matches!(gap, StoreError::Gap { end: 0, .. }), "{gap}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn of_an_owner_and_a_sweep_at_once_exactly_one_comes_through() {
    let emulator = Emulator::start();
    let options = emulator.options(&emulator.url);
    DynamoStore::migrate(&options).await.unwrap();
    let open = async || DynamoStore::open(options.clone()).await.unwrap();
    let (owner, sweeper) = (open().await, open().await);
    for number in 0..24 {
        let of = key(&format!("t{number}"));
        let row = ended_task(&owner, &of).await;
        // The owner comes a little later each time.
        let late = async {
            tokio::time::sleep(Duration::from_millis(4 * number)).await;
            owner.append(goes_on(&of, 2, &row)).await.unwrap()
        };
        let (swept, appended) = tokio::join!(sweeper.sweep(at(5), at(9), 99), late);
        let slots = sweeper.read(&of, 0, 9).await.unwrap();
        let kept = sweeper.task(&of.tenant, &row.id).await.unwrap();
        match (swept.unwrap(), appended) {
            (0, Appended::Stored) => {
                assert_eq!(slots.last().map(|slot| slot.nonce), Some(Nonce(77)));
                assert_eq!(kept.map(|row| row.status), Some(TaskStatus::Running));
            }
            (1, Appended::Collided(_)) => {
                assert_eq!(
                    slots.last().map(|slot| &*slot.entries),
                    Some(&[Entry::Deleted][..])
                );
                assert_eq!(kept, None);
            }
            other => panic!("journal {number}: {other:?}"),
        }
    }
}
