//! Steps that had started and must not happen twice: nobody knows, until a person says.

use super::*;
use crate::{ResolveAction, TaskStatus};

fn doubtful() -> Desk {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    desk.call(0, 1, call("0", Effect::NonIdempotent));
    desk
}

#[test]
fn an_owner_lost_during_such_a_step_leaves_it_unknown_and_frees_the_turn() {
    let mut desk = doubtful();
    let seen = desk.take();
    assert_eq!(seen.begun(), [(1, 1)], "the next turn goes on");
    assert_eq!(desk.row(0).status, TaskStatus::OutcomeUnknown);
    assert!(matches!(
        desk.slots.last().unwrap().entries[..],
        [Entry::Epoch, Entry::StepUnknown { task: 0, number: 0 }]
    ));
    assert_eq!(desk.row(0).due, None, "it rests: no deadline ends it");
}

#[test]
fn an_agent_that_dies_during_such_a_step_leaves_it_unknown_too() {
    let mut desk = doubtful();
    assert_eq!(desk.die(0, 1).begun(), [(1, 1)]);
    assert_eq!(desk.row(0).status, TaskStatus::OutcomeUnknown);
}

#[test]
fn settled_as_done_the_result_is_replayed() {
    let mut desk = doubtful();
    desk.take();
    assert_eq!(
        desk.resolve(0, 0, ResolveAction::SettleDone(Some("42".into())))
            .begun(),
        []
    );
    assert_eq!(
        desk.end(1, 1, completed("b")).begun(),
        [(0, 2)],
        "an attempt was queued"
    );
    let seen = desk.call(0, 2, call("0", Effect::NonIdempotent));
    assert_eq!(
        (seen.answered(), seen.gone()),
        (vec![("0".to_owned(), done("42"))], vec![])
    );
}

#[test]
fn settled_as_not_done_the_step_runs_again_with_its_start_stored_first() {
    let mut desk = doubtful();
    desk.take();
    desk.end(1, 1, completed("b"));
    assert_eq!(desk.resolve(0, 0, ResolveAction::SettleNotDone).begun(), [(0, 2)]);
    desk.owner
        .step_called(desk.now, 0, 2, call("0", Effect::NonIdempotent));
    assert!(desk.pump().gone().is_empty());
}

#[test]
fn settling_the_same_way_again_changes_nothing_and_another_way_is_a_conflict() {
    let mut desk = doubtful();
    desk.take();
    desk.resolve(0, 0, ResolveAction::SettleDone(Some("42".into())));
    let entries = desk.entries().count();
    let again = desk.resolve(0, 0, ResolveAction::SettleDone(Some("42".into())));
    assert!(matches!(&again.replies()[..], [(_, Ok(Reply::Task(_)))]));
    for other in [
        ResolveAction::SettleDone(Some("43".into())),
        ResolveAction::SettleNotDone,
    ] {
        let seen = desk.resolve(0, 0, other);
        assert!(matches!(&seen.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict));
    }
    assert_eq!(desk.entries().count(), entries);
}

#[test]
fn saying_again_that_it_was_not_done_is_no_conflict_though_the_step_runs_or_has_finished() {
    let mut desk = doubtful();
    desk.take();
    desk.end(1, 1, completed("b"));
    desk.resolve(0, 0, ResolveAction::SettleNotDone);
    desk.call(0, 2, call("0", Effect::NonIdempotent));
    for _ in 0..2 {
        let again = desk.resolve(0, 0, ResolveAction::SettleNotDone);
        assert!(
            matches!(&again.replies()[..], [(_, Ok(Reply::Task(_)))]),
            "{again:?}"
        );
        let other = desk.resolve(0, 0, ResolveAction::SettleDone(None));
        assert!(matches!(&other.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict));
        desk.report(0, 2, "0", "1");
    }
}

#[test]
fn an_answer_that_names_an_attempt_is_given_to_no_later_one() {
    let mut desk = doubtful();
    desk.take();
    desk.end(1, 1, completed("b"));
    let conflicts = |seen: &[Action]| matches!(&seen.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict);
    let early = desk.resolve_of(Some(2), 0, 0, ResolveAction::SettleNotDone);
    assert!(conflicts(&early), "{early:?}");
    let settled = desk.resolve_of(Some(1), 0, 0, ResolveAction::SettleNotDone);
    assert_eq!(settled.begun(), [(0, 2)]);
    desk.call(0, 2, call("0", Effect::NonIdempotent));
    desk.take();
    assert_eq!(desk.row(0).status, TaskStatus::OutcomeUnknown, "in doubt again");
    let entries = desk.entries().count();
    // The same answer again, on a slow way: it was given, and says nothing of what the second attempt did.
    let again = desk.resolve_of(Some(1), 0, 0, ResolveAction::SettleNotDone);
    assert!(
        matches!(&again.replies()[..], [(_, Ok(Reply::Task(_)))]),
        "{again:?}"
    );
    let other = desk.resolve_of(Some(1), 0, 0, ResolveAction::SettleDone(None));
    assert!(conflicts(&other), "{other:?}");
    assert_eq!(desk.entries().count(), entries);
    let settled = desk.resolve_of(Some(2), 0, 0, ResolveAction::SettleNotDone);
    assert_eq!(settled.begun(), [(0, 3)]);
}

#[test]
fn an_answer_that_does_not_fit_the_question_is_refused() {
    let mut desk = doubtful();
    let early = desk.resolve(0, 0, ResolveAction::SettleNotDone);
    assert!(matches!(&early.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict));
    desk.take();
    let wrong = desk.resolve(0, 0, ResolveAction::Approve(None));
    assert!(matches!(&wrong.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::BadUserInput));
    let missing = desk.resolve(0, 7, ResolveAction::SettleNotDone);
    assert!(matches!(&missing.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::NotFound));
    let missing = desk.resolve(9, 0, ResolveAction::SettleNotDone);
    assert!(matches!(&missing.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::NotFound));
}

#[test]
fn an_ended_task_tells_whether_an_answer_was_the_one_given() {
    let mut desk = doubtful();
    desk.take();
    desk.resolve(0, 0, ResolveAction::SettleDone(Some("42".into())));
    desk.end(1, 1, completed("b"));
    desk.end(0, 2, completed("a"));
    let ended = crate::OpenTask::replay(0, &desk.slots).unwrap();
    assert_eq!(
        ended.was_answered(0, None, &ResolveAction::SettleDone(Some("42".into()))),
        Ok(())
    );
    let code = |number, action| ended.was_answered(number, None, &action).unwrap_err().code;
    assert_eq!(code(0, ResolveAction::SettleNotDone), ErrorCode::Conflict);
    assert_eq!(code(1, ResolveAction::SettleNotDone), ErrorCode::NotFound);
}

#[test]
fn an_unknown_task_is_cancelled_and_a_task_that_ended_unanswered_takes_no_answer() {
    let mut desk = doubtful();
    desk.take();
    let seen = desk.cancel(0);
    assert!(
        matches!(&seen.replies()[..], [(_, Ok(Reply::Task(row)))] if row.status == TaskStatus::Cancelled)
    );
    assert_eq!(desk.owner.running(), Some((1, 1)), "the other turn goes on");
    let ended = crate::OpenTask::replay(0, &desk.slots).unwrap();
    assert_eq!(
        ended
            .was_answered(0, None, &ResolveAction::SettleNotDone)
            .unwrap_err()
            .code,
        ErrorCode::Conflict
    );
}

#[test]
fn an_owner_lost_after_a_settlement_that_waited_its_turn_still_counts_the_attempt_it_lost() {
    let mut desk = doubtful();
    desk.take();
    desk.resolve(0, 0, ResolveAction::SettleNotDone);
    assert_eq!(desk.take().begun(), [(0, 2)], "the settled task is older");
    assert_eq!(
        desk.end(0, 2, completed("a")).begun(),
        [(1, 2)],
        "attempt 1 was lost with its owner"
    );
}
