//! Attempts that die: with their agent, with their owner, and how often.

use super::*;
use crate::{AttemptCause, DEATH_BOUND, OWNER_LOSS_BOUND, TaskStatus};

#[test]
fn a_death_costs_one_attempt() {
    let mut desk = Desk::running(turn("a"));
    assert_eq!(desk.die(0, 1).begun(), [(0, 2)]);
    let row = desk.row(0);
    assert_eq!((row.status, row.attempts), (TaskStatus::Running, 2));
    assert_eq!(row.error.unwrap().message, "boom");
    desk.end(0, 2, completed("at last"));
    assert_eq!(
        (desk.row(0).status, desk.row(0).error),
        (TaskStatus::Completed, None)
    );
}

#[test]
fn a_task_that_kills_its_agent_again_and_again_is_given_up_and_the_next_turn_runs() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    for attempt in 1..DEATH_BOUND {
        assert_eq!(desk.die(0, attempt).begun(), [(0, attempt + 1)]);
    }
    assert_eq!(desk.die(0, DEATH_BOUND).begun(), [(1, 1)]);
    let error = desk.row(0).error.unwrap();
    assert!(error.code == ErrorCode::AgentFailed && error.retryable, "{error}");
    assert!(
        error.message.contains("boom") && error.message.contains("retryTask"),
        "{error}"
    );
}

#[test]
fn a_newly_finished_step_is_progress_and_a_replayed_one_is_not() {
    let mut desk = Desk::running(turn("a"));
    desk.die(0, 1);
    desk.step(0, 2, "0", Effect::ReadOnly);
    assert_eq!(desk.die(0, 2).begun(), [(0, 3)], "step 0 was new");
    assert_eq!(desk.call(0, 3, call("0", Effect::ReadOnly)).answered().len(), 1);
    assert_eq!(desk.die(0, 3).begun(), []);
    assert_eq!(desk.failure(0), ErrorCode::AgentFailed);
}

#[test]
fn deaths_are_counted_over_owners() {
    let mut desk = Desk::running(turn("a"));
    desk.die(0, 1);
    assert_eq!(desk.take().begun(), [(0, 3)]);
    assert_eq!(desk.die(0, 3).begun(), []);
    assert_eq!(desk.failure(0), ErrorCode::AgentFailed);
}

#[test]
fn an_owner_lost_costs_an_attempt_and_too_many_without_progress_give_the_task_up() {
    let mut desk = Desk::running(turn("a"));
    for lost in 1..OWNER_LOSS_BOUND {
        assert_eq!(desk.take().begun(), [(0, lost + 1)]);
    }
    assert_eq!(desk.take().begun(), []);
    let error = desk.row(0).error.unwrap();
    assert!(error.code == ErrorCode::AgentFailed && error.retryable, "{error}");
}

#[test]
fn progress_forgives_lost_owners() {
    let mut desk = Desk::running(turn("a"));
    for lost in 1..OWNER_LOSS_BOUND {
        desk.take();
        if lost == 5 {
            desk.step(0, lost + 1, "0", Effect::ReadOnly);
        }
    }
    assert_eq!(desk.take().begun().len(), 1);
}

#[test]
fn a_sleeping_task_outlives_any_number_of_owners() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, kind_of_call("0", StepKind::Timer, "{\"ms\":3600000}"));
    for _ in 0..2 * OWNER_LOSS_BOUND {
        assert_eq!(desk.take().begun().len(), 1);
    }
}

#[test]
fn a_task_that_only_waited_in_the_queue_loses_no_attempt_with_its_owner() {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.settle();
    desk.take();
    assert_eq!(desk.end(0, 2, completed("a")).begun(), [(1, 1)]);
    assert!(
        !desk
            .entries()
            .any(|e| matches!(e, Entry::AttemptStarted { task: 1, .. }))
    );
}

#[test]
fn a_later_attempt_begins_only_when_its_start_is_stored() {
    let mut desk = Desk::running(turn("a"));
    desk.owner
        .attempt_ended(desk.now, 0, 1, AttemptEnd::Died("boom".into()));
    let seen = desk.pump();
    assert!(seen.begun().is_empty());
    let Some(Action::Append(append)) = seen.into_iter().next() else {
        panic!("an append")
    };
    assert!(matches!(
        &append.slot.entries[..],
        [Entry::AttemptStarted {
            attempt: 2,
            cause: AttemptCause::AgentDied(_),
            ..
        }]
    ));
    desk.store(*append);
    assert_eq!(desk.settle().begun(), [(0, 2)]);
}

#[test]
fn an_owner_that_lets_go_at_a_boundary_costs_nothing_however_often() {
    let mut desk = Desk::running(turn("a"));
    desk.owner.release(desk.now);
    desk.settle();
    assert!(desk.entries().any(|entry| matches!(entry, Entry::Released)));
    let model = || kind_of_call("0", StepKind::Model, "{}");
    for handed in 1..2 * OWNER_LOSS_BOUND {
        assert_eq!(desk.take().begun(), [(0, handed + 1)]);
        assert!(!desk.owner.journal().released, "it has an owner again");
        assert_eq!(desk.owner.journal().open[&0].unbilled, 0);
        desk.owner.release(desk.now);
        desk.settle();
    }
    assert_eq!(desk.folded(), *desk.owner.journal());
    // One that is lost afterwards counts.
    desk.take();
    assert_eq!(desk.take().begun().len(), 1);
    assert_eq!(desk.owner.journal().open[&0].unbilled, 1);
    let attempt = desk.owner.running().unwrap().1;
    desk.call(0, attempt, model());
    assert!(!desk.owner.is_at_boundary(), "a model call is under way");
}

#[test]
fn a_boundary_is_where_nothing_is_written_and_nothing_dear_runs() {
    let mut desk = Desk::running(turn("a"));
    assert!(desk.owner.is_at_boundary());
    desk.call(0, 1, kind_of_call("0", StepKind::Timer, "{\"ms\":3600000}"));
    desk.call(0, 1, call("1", Effect::Idempotent));
    desk.settle();
    assert!(desk.owner.is_at_boundary(), "what is run again does no harm");
    desk.call(0, 1, call("2", Effect::NonIdempotent));
    desk.settle();
    assert!(!desk.owner.is_at_boundary());
    desk.report(0, 1, "2", "1");
    assert!(desk.owner.is_at_boundary());
    desk.owner
        .step_called(desk.now, 0, 1, call("3", Effect::NonIdempotent));
    assert!(!desk.owner.is_at_boundary(), "its start is being written");
}
