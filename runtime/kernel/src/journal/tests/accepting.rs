//! Accepting: acknowledged when durable, once a key, one turn at a time, bounded.

use super::*;
use crate::{QUEUE_BOUND, TaskStatus};

#[test]
fn an_accept_is_acknowledged_and_begun_only_when_it_is_stored() {
    let mut desk = Desk::open();
    desk.accept(turn("a"));
    let before = desk.pump();
    assert!(matches!(before.as_slice(), [Action::Append(_)]), "{before:?}");
    let Some(Action::Append(append)) = before.into_iter().next() else {
        panic!("an append")
    };
    desk.store(*append);
    let after = desk.settle();
    assert_eq!(after.begun(), [(0, 1)]);
    assert!(
        matches!(&after.replies()[..], [(1, Ok(Reply::Task(row)))] if row.status == TaskStatus::Accepted)
    );
    assert!(
        matches!(after[0], Action::Published { .. }),
        "events leave first: {after:?}"
    );
}

#[test]
fn the_opening_travels_with_the_first_task() {
    let mut desk = Desk::open_unsent();
    desk.accept(turn("a"));
    desk.settle();
    assert!(matches!(
        desk.slots[0].entries[..],
        [Entry::Opened(_), Entry::Accepted(_), Entry::Message(_)]
    ));
    assert_eq!(desk.slots.len(), 1);
}

#[test]
fn the_same_key_with_the_same_input_is_the_same_task_while_it_is_open_and_after_it_ended() {
    let mut desk = Desk::running(turn("a"));
    let again = desk.accept(turn("a"));
    let seen = desk.settle();
    assert!(
        matches!(&seen.replies()[..], [(id, Ok(Reply::Task(row)))] if *id == again && row.id.ordinal == 0)
    );
    desk.end(0, 1, completed("yes"));
    desk.accept(turn("a"));
    let seen = desk.settle();
    assert!(matches!(&seen.replies()[..], [(_, Ok(Reply::Ended(id)))] if id.ordinal == 0));
    desk.take();
    desk.accept(turn("a"));
    let seen = desk.settle();
    assert!(
        matches!(&seen.replies()[..], [(_, Ok(Reply::Ended(id)))] if id.ordinal == 0),
        "{seen:?}"
    );
    assert_eq!(
        desk.entries()
            .filter(|entry| matches!(entry, Entry::Accepted(_)))
            .count(),
        1
    );
}

#[test]
fn a_repeated_key_whose_task_ends_in_an_append_under_way_is_not_answered_before_that_is_durable() {
    let mut desk = Desk::running(turn("a"));
    desk.owner.attempt_ended(desk.now, 0, 1, completed("yes"));
    desk.accept(turn("a"));
    let seen = desk.pump();
    assert!(seen.replies().is_empty());
    let Some(Action::Append(append)) = seen.into_iter().next() else {
        panic!("an append")
    };
    desk.accept(turn("a"));
    assert!(desk.pump().is_empty());
    desk.store(*append);
    let replies = desk.settle().replies();
    assert!(matches!(&replies[0].1, Ok(Reply::Task(row)) if row.status == TaskStatus::Completed));
    assert!(matches!(&replies[1].1, Ok(Reply::Ended(_))));
}

#[test]
fn the_same_key_with_other_input_is_a_conflict() {
    let mut desk = Desk::running(turn("a"));
    let mut other = turn("a");
    other.accepted.input_hash = InputHash::of(&["b"]);
    desk.accept(other);
    assert!(
        matches!(&desk.settle().replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict)
    );
}

#[test]
fn turns_run_one_at_a_time_in_the_order_they_were_accepted() {
    let mut desk = Desk::open();
    for name in ["a", "b", "c"] {
        desk.accept(turn(name));
    }
    assert_eq!(desk.settle().begun(), [(0, 1)]);
    assert_eq!(desk.end(0, 1, completed("1")).begun(), [(1, 1)]);
    assert_eq!(
        desk.end(1, 1, AttemptEnd::Failed(Failure::internal("no")))
            .begun(),
        [(2, 1)]
    );
    assert_eq!(desk.end(2, 1, completed("3")).begun(), []);
    assert!(desk.owner.is_idle());
    let finals: Vec<_> = (0..3).map(|task| desk.row(task).status).collect();
    assert_eq!(
        finals,
        [TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Completed]
    );
}

#[test]
fn an_end_of_an_attempt_that_does_not_run_changes_nothing() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.settle();
    assert_eq!(desk.end(1, 1, completed("early")), []);
    assert_eq!(desk.end(0, 2, completed("late")), []);
    assert_eq!(desk.owner.running(), Some((0, 1)));
}

#[test]
fn a_full_queue_refuses_at_once_with_a_time_to_come_back_but_still_knows_its_keys() {
    let mut desk = Desk::open();
    for number in 0..QUEUE_BOUND {
        desk.accept(turn(&format!("t{number}")));
    }
    let refused = desk.accept(turn("one-too-many"));
    let at_once = desk.owner.actions();
    let now: Vec<_> = at_once.replies();
    assert!(matches!(&now[..], [(id, Err(failure))] if *id == refused
        && failure.code == ErrorCode::ResourceExhausted && failure.retryable && failure.retry_after_ms.is_some()));
    for action in at_once {
        if let Action::Append(append) = action {
            desk.store(*append);
        }
    }
    desk.settle();
    desk.accept(turn("t5"));
    assert!(matches!(&desk.settle().replies()[..], [(_, Ok(Reply::Task(row)))] if row.id.ordinal == 5));
    desk.end(0, 1, completed("1"));
    desk.accept(turn("one-too-many"));
    assert!(matches!(&desk.settle().replies()[..], [(_, Ok(Reply::Task(_)))]));
}
