//! Ends: cancelled, killed, timed out, deleted; the first terminal entry wins.

use super::*;
use crate::{Limits, TaskStatus};

#[test]
fn cancelling_the_running_turn_halts_it_and_begins_the_next() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.settle();
    let seen = desk.cancel(0);
    assert_eq!((seen.halted(), seen.begun()), (vec![(0, 1)], vec![(1, 1)]));
    assert!(
        matches!(&seen.replies()[..], [(_, Ok(Reply::Task(row)))] if row.status == TaskStatus::Cancelled)
    );
}

#[test]
fn cancelling_a_queued_turn_leaves_the_running_one_alone() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.accept(turn("c"));
    desk.settle();
    let seen = desk.cancel(1);
    assert_eq!((seen.halted(), seen.begun()), (vec![], vec![]));
    assert_eq!(desk.end(0, 1, completed("a")).begun(), [(2, 1)]);
}

#[test]
fn a_task_cancelled_before_its_first_attempt_is_stored_never_begins() {
    let mut desk = Desk::open();
    desk.accept(turn("a"));
    let request = desk.request();
    desk.owner.cancel(desk.now, request, 0);
    let seen = desk.settle();
    let halt = seen
        .iter()
        .position(|action| matches!(action, Action::Halt { .. }));
    let begin = seen
        .iter()
        .position(|action| matches!(action, Action::Begin { .. }));
    assert!(halt.is_some() && desk.owner.running().is_none());
    assert!(
        begin.is_none() || !desk.owner.journal().open.contains_key(&0),
        "the actor finds nothing to begin"
    );
}

#[test]
fn killing_ends_a_task_as_failed_with_the_operators_words() {
    let mut desk = Desk::running(turn("a"));
    let request = desk.request();
    let why = Failure::new(ErrorCode::Cancelled, "killed by ops");
    desk.owner.kill(desk.now, request, 0, why.clone());
    assert_eq!(desk.settle().halted(), [(0, 1)]);
    assert_eq!(
        (desk.row(0).status, desk.row(0).error),
        (TaskStatus::Failed, Some(why))
    );
}

#[test]
fn the_first_terminal_entry_wins() {
    let mut desk = Desk::running(turn("a"));
    desk.cancel(0);
    assert_eq!(desk.end(0, 1, completed("too late")), []);
    assert!(matches!(
        &desk.cancel(0).replies()[..],
        [(_, Ok(Reply::Ended(_)))]
    ));
    let ends = desk.entries().filter(|e| matches!(e, Entry::Ended { .. }));
    assert_eq!(ends.count(), 1);
    let mut late = desk.slots.last().unwrap().clone();
    late.seq += 1;
    late.entries = vec![Entry::Ended {
        task: 0,
        end: crate::TaskEnd::Completed(crate::TaskOutput::default()),
    }];
    let before = desk.folded();
    let mut after = before.clone();
    after.apply(&late).unwrap();
    assert_eq!(
        (after.open, after.next_ordinal),
        (before.open, before.next_ordinal)
    );
    desk.slots.push(late);
    let told = crate::OpenTask::replay(0, &desk.slots).unwrap();
    assert_eq!(told.status(), TaskStatus::Cancelled);
}

#[test]
fn deadlines_end_running_and_queued_tasks_alike() {
    let mut desk = Desk::open();
    for name in ["a", "b"] {
        let mut task = turn(name);
        task.accepted.deadline = Some(at(2_000));
        desk.accept(task);
    }
    desk.accept(turn("c"));
    desk.settle();
    assert_eq!(desk.pass(999), []);
    let seen = desk.pass(1);
    assert_eq!((seen.halted(), seen.begun()), (vec![(0, 1)], vec![(2, 1)]));
    assert_eq!(
        (desk.failure(0), desk.failure(1)),
        (ErrorCode::DeadlineExceeded, ErrorCode::DeadlineExceeded)
    );
}

#[test]
fn the_limit_of_time_ends_a_task() {
    let mut desk = Desk::running(limited(
        "a",
        Limits {
            time_ms: 500,
            ..Limits::default()
        },
    ));
    desk.pass(500);
    assert_eq!(desk.failure(0), ErrorCode::LimitExceeded);
}

#[test]
fn a_deadline_that_passed_while_nobody_owned_the_journal_is_met_by_the_next_owner() {
    let mut desk = Desk::open();
    let mut task = turn("a");
    task.accepted.deadline = Some(at(2_000));
    desk.accept(task);
    desk.settle();
    desk.now = at(10_000);
    desk.take();
    assert_eq!(desk.pass(0).halted(), [(0, 2)]);
    assert_eq!(desk.failure(0), ErrorCode::DeadlineExceeded);
}

#[test]
fn deleting_during_a_turn_cancels_everything_and_refuses_what_comes_later() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.settle();
    let request = desk.request();
    desk.owner.delete(desk.now, request);
    let seen = desk.settle();
    assert_eq!((seen.halted(), seen.begun()), (vec![(0, 1)], vec![]));
    assert!(matches!(&seen.replies()[..], [(_, Ok(Reply::Deleted))]));
    assert!(
        [0, 1]
            .iter()
            .all(|task| desk.row(*task).status == TaskStatus::Cancelled)
    );
    assert!(desk.rows.last().unwrap().session.as_ref().unwrap().deleted);
    assert_eq!(desk.end(0, 1, completed("late")), []);
    for _ in 0..2 {
        desk.accept(turn("c"));
        let seen = desk.settle();
        assert!(matches!(&seen.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::NotFound));
        desk.take();
    }
    let request = desk.request();
    desk.owner.delete(desk.now, request);
    assert!(
        matches!(&desk.settle().replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::NotFound)
    );
}
