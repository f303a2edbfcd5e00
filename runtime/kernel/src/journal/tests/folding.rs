//! Folding: from the start or from a snapshot, the same.

use super::*;
use crate::KEY_RETENTION;

#[test]
fn a_slot_out_of_order_is_refused() {
    let desk = Desk::running(turn("a"));
    let mut journal = Journal::empty(key().journal);
    let error = journal.apply(&desk.slots[1]).unwrap_err();
    assert_eq!((error.expected, error.found), (0, 1));
    journal.apply(&desk.slots[0]).unwrap();
    assert!(journal.apply(&desk.slots[0]).is_err());
}

#[test]
fn old_keys_of_ended_tasks_are_forgotten_after_their_retention_and_not_before() {
    let mut desk = Desk::running(turn("a"));
    desk.end(0, 1, completed("yes"));
    desk.accept(turn("b"));
    desk.settle();
    let mut journal = desk.folded();
    let used = |journal: &Journal, key: &str| journal.key_use(&IdempotencyKey::parse(key).unwrap()).is_some();
    journal.forget_old_keys(
        desk.now
            .after(KEY_RETENTION - std::time::Duration::from_millis(1)),
    );
    assert!(used(&journal, "a"));
    journal.forget_old_keys(desk.now.after(KEY_RETENTION));
    assert!(
        !used(&journal, "a") && used(&journal, "b"),
        "an open task's key stays"
    );
}

#[test]
fn what_is_staged_is_what_is_folded() {
    let mut desk = Desk::running(turn("a"));
    desk.step(0, 1, "0", Effect::NonIdempotent);
    desk.die(0, 1);
    desk.call(0, 2, call("0", Effect::NonIdempotent));
    desk.call(0, 2, approval("1", None));
    assert_eq!(desk.owner.journal(), &desk.folded());
}
