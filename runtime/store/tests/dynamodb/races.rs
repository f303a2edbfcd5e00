//! Many stores that want the same slots, through trouble.

use greenroom_kernel::{Appended, Nonce, Projection, Store, StoreError};
use greenroom_store::testkit::fixture::{append, key, message, session, task};
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
