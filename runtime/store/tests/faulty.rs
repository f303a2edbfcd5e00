//! The faults that the faulty store injects are those it names.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Appended, BlobId, Store, StoreError};
use greenroom_store::MemoryStore;
use greenroom_store::testkit::fixture::{append, key, slot};
use greenroom_store::testkit::{Fault, FaultyStore, Operation};
use tokio::time::Instant;

fn faulty() -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new())
}

#[tokio::test]
async fn a_lost_answer_took_effect_and_the_same_append_meets_itself() {
    let store = faulty();
    store.next_appends([Some(Fault::AnswerLost)]);
    let error = store.append(append(&key("s"), 0, 7)).await.unwrap_err();
    assert!(!error.is_definite());
    let again = store.append(append(&key("s"), 0, 7)).await.unwrap();
    assert_eq!(again, Appended::Collided(Box::new(slot(0, 7))));
}

#[tokio::test]
async fn lost_requests_and_refusals_take_no_effect_and_come_in_order() {
    let store = faulty();
    store.next_appends([
        Some(Fault::RequestLost),
        Some(Fault::Busy),
        None,
        Some(Fault::Full),
    ]);
    let lost = store.append(append(&key("s"), 0, 1)).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unanswered { .. }), "{lost:?}");
    let busy = store.append(append(&key("s"), 0, 1)).await.unwrap_err();
    assert!(
        matches!(busy, StoreError::Busy { operation: "append" }),
        "{busy:?}"
    );
    assert_eq!(store.read(&key("s"), 0, 9).await.unwrap(), []);
    assert_eq!(
        store.append(append(&key("s"), 0, 1)).await.unwrap(),
        Appended::Stored
    );
    let full = store.append(append(&key("s"), 1, 1)).await.unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert_eq!(
        store.append(append(&key("s"), 1, 1)).await.unwrap(),
        Appended::Stored
    );
}

#[tokio::test(start_paused = true)]
async fn lateness_is_on_the_test_clock_before_or_behind_the_effect() {
    let late = Duration::from_secs(5);
    for (fault, slots_meanwhile) in [(Fault::AnswerLate(late), 1), (Fault::StartLate(late), 0)] {
        let store = faulty();
        store.next_appends([Some(fault)]);
        let begun = Instant::now();
        let meanwhile = async {
            tokio::time::sleep(late / 2).await;
            store.inner().read(&key("s"), 0, 9).await.unwrap().len()
        };
        let (answer, slots) = tokio::join!(store.append(append(&key("s"), 0, 1)), meanwhile);
        assert_eq!(answer.unwrap(), Appended::Stored);
        assert_eq!(slots, slots_meanwhile, "{fault:?}");
        assert_eq!(begun.elapsed(), late);
    }
}

#[tokio::test]
async fn a_rule_sees_every_operation_until_healed() {
    let memory = Arc::new(MemoryStore::new());
    let store = FaultyStore::over(Arc::clone(&memory));
    store.set_rule(|operation| match operation {
        Operation::Append(append) => (append.slot.seq == 1).then_some(Fault::Busy),
        Operation::Write(name) => (name == "put_blob").then_some(Fault::Full),
        Operation::Read(name) => (name == "snapshot").then_some(Fault::RequestLost),
    });
    assert!(store.append(append(&key("s"), 0, 1)).await.is_ok());
    assert!(store.append(append(&key("s"), 1, 1)).await.is_err());
    assert!(store.put_blob(&key("s"), &BlobId::of("x"), "x").await.is_err());
    assert!(store.snapshot(&key("s")).await.is_err());
    assert!(store.read(&key("s"), 0, 1).await.is_ok());
    store.heal();
    assert!(store.append(append(&key("s"), 1, 1)).await.is_ok());
    assert!(store.snapshot(&key("s")).await.is_ok());
    assert_eq!(memory.stats().appends, 2);
}
