//! Cases about slots.

use std::sync::Arc;

use greenroom_kernel::{Appended, Entry, JournalKind, Nonce, Opened, Payload, StoreError, Timestamp};
use tokio::task::JoinSet;

use super::{Subject, stored};
use crate::testkit::fixture::{append, key, key_of, slot, subject};

pub async fn an_append_is_stored_where_absent_and_read_back_whole(store: &Subject) {
    let key = key("s");
    assert_eq!(store.read(&key, 0, 10).await.unwrap(), vec![]);
    stored(store, append(&key, 0, 1)).await;
    stored(store, append(&key, 1, 2)).await;
    assert_eq!(
        store.read(&key, 0, 10).await.unwrap(),
        vec![slot(0, 1), slot(1, 2)]
    );
}

pub async fn a_taken_slot_answers_with_its_occupant_and_changes_nothing(store: &Subject) {
    let key = key("s");
    stored(store, append(&key, 0, 1)).await;
    stored(store, append(&key, 1, 2)).await;
    for (seq, mine) in [(0, 1), (1, 2)] {
        let answer = store.append(append(&key, seq, 9)).await.unwrap();
        assert_eq!(answer, Appended::Collided(Box::new(slot(seq, mine))));
    }
    assert_eq!(
        store.read(&key, 0, 10).await.unwrap(),
        vec![slot(0, 1), slot(1, 2)]
    );
}

pub async fn the_same_append_again_collides_with_itself(store: &Subject) {
    let append = append(&key("s"), 0, 5);
    stored(store, append.clone()).await;
    match store.append(append).await.unwrap() {
        Appended::Collided(occupant) => assert_eq!(occupant.nonce, Nonce(5)),
        Appended::Stored => panic!("stored twice"),
    }
}

pub async fn an_append_beyond_the_end_is_refused_as_a_gap(store: &Subject) {
    let key = key("s");
    for (end, seq) in [(0, 1), (0, u64::MAX), (1, 2), (1, 1 << 40)] {
        if end == 1 && seq == 2 {
            stored(store, append(&key, 0, 1)).await;
        }
        let mut beyond = append(&key, 0, 3);
        beyond.slot.seq = seq;
        match store.append(beyond).await {
            Err(StoreError::Gap {
                journal,
                seq: told,
                end: at,
            }) => {
                assert_eq!((journal, told, at), (key.journal.clone(), seq, end));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.read(&key, 0, 10).await.unwrap().len(), 1);
}

pub async fn of_64_appends_to_one_slot_exactly_one_is_stored(store: &Subject) {
    let key = key("s");
    for seq in 0..3 {
        let mut writers = JoinSet::new();
        for nonce in 1..=64_u128 {
            let (store, append) = (Arc::clone(store), append(&key, seq, nonce));
            writers.spawn(async move { (nonce, store.append(append).await.unwrap()) });
        }
        let answers = writers.join_all().await;
        let winners: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| *answer == Appended::Stored)
            .map(|(nonce, _)| *nonce)
            .collect();
        assert_eq!(winners.len(), 1, "slot {seq}: {winners:?}");
        let winner = slot(seq, winners[0]);
        for (nonce, answer) in answers {
            if nonce != winners[0] {
                assert_eq!(answer, Appended::Collided(Box::new(winner.clone())));
            }
        }
        assert_eq!(store.read(&key, seq, 10).await.unwrap(), vec![winner]);
    }
}

pub async fn appends_to_64_journals_at_once_all_land(store: &Subject) {
    let mut writers = JoinSet::new();
    for number in 0..64_u128 {
        let store = Arc::clone(store);
        writers.spawn(async move {
            let key = key(&format!("s{number}"));
            for seq in 0..8 {
                stored(&store, append(&key, seq, number + 1)).await;
            }
        });
    }
    writers.join_all().await;
    for number in 0..64_u128 {
        let slots = store.read(&key(&format!("s{number}")), 0, 100).await.unwrap();
        assert_eq!(slots, (0..8).map(|seq| slot(seq, number + 1)).collect::<Vec<_>>());
    }
}

pub async fn reads_begin_where_asked_stop_at_the_limit_and_at_the_end(store: &Subject) {
    let key = key("s");
    for seq in 0..10 {
        stored(store, append(&key, seq, 1)).await;
    }
    let read = async |from, limit| -> Vec<u64> {
        let slots = store.read(&key, from, limit).await.unwrap();
        slots.iter().map(|slot| slot.seq).collect()
    };
    assert_eq!(read(0, 3).await, [0, 1, 2]);
    assert_eq!(read(7, 3).await, [7, 8, 9]);
    assert_eq!(read(8, 100).await, [8, 9]);
    assert_eq!(read(9, u32::MAX).await, [9]);
    assert_eq!(read(10, 5).await, [] as [u64; 0]);
    assert_eq!(read(u64::MAX, 5).await, [] as [u64; 0]);
    assert_eq!(read(0, 0).await, [] as [u64; 0]);
}

pub async fn tenants_with_the_same_ids_see_nothing_of_each_other(store: &Subject) {
    let (a, b) = (key_of("acme", "s"), key_of("bolt", "s"));
    stored(store, append(&a, 0, 1)).await;
    stored(store, append(&a, 1, 2)).await;
    stored(store, append(&b, 0, 3)).await;
    assert_eq!(store.read(&a, 0, 10).await.unwrap(), vec![slot(0, 1), slot(1, 2)]);
    assert_eq!(store.read(&b, 0, 10).await.unwrap(), vec![slot(0, 3)]);
    assert_eq!(store.read(&key_of("c", "s"), 0, 10).await.unwrap(), vec![]);
}

pub async fn a_slot_keeps_extreme_numbers_and_texts(store: &Subject) {
    let key = key("s");
    let mut first = append(&key, 0, u128::MAX);
    first.slot.writer.incarnation = u64::MAX;
    first.slot.at = Timestamp::from_millis(i64::MIN);
    first.slot.entries = vec![Entry::Opened(Opened {
        kind: JournalKind::Session,
        subject: subject("ann"),
        title: Some("\0 \u{10ffff} \"\\ \n".into()),
        metadata: Some(serde_json::json!({ "big": u64::MAX, "small": i64::MIN, "null": null })),
        call: None,
    })];
    let mut second = append(&key, 1, 0);
    second.slot.at = Timestamp::from_millis(i64::MAX);
    second.slot.entries = vec![];
    let mut third = append(&key, 2, 1);
    third.slot.entries = vec![Entry::Resolved {
        task: u32::MAX,
        number: 0,
        resolution: greenroom_kernel::Resolution::Approved(Payload::inline("x".repeat(32 * 1024))),
        by: None,
        note: None,
    }];
    let slots = [first, second, third];
    for append in slots.clone() {
        stored(store, append).await;
    }
    let expected: Vec<_> = slots.into_iter().map(|append| append.slot).collect();
    assert_eq!(store.read(&key, 0, 10).await.unwrap(), expected);
}
