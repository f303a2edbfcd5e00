//! Approvals: the attempt ends, the turn stays, the answer begins another attempt.

use super::*;
use crate::{AttemptCause, ResolveAction, TaskStatus};

fn waiting(timeout_ms: Option<u64>) -> Desk {
    let mut desk = Desk::running(turn("a"));
    desk.accept(turn("b"));
    let seen = desk.call(0, 1, approval("0", timeout_ms));
    assert_eq!(seen.halted(), [(0, 1)]);
    desk
}

fn outcome(approved: bool, timed_out: bool, value: &str) -> StepOutcome {
    done(&format!(
        "{{\"approved\":{approved},\"timedOut\":{timed_out},\"value\":{value},\"note\":null}}"
    ))
}

#[test]
fn asking_ends_the_attempt_and_keeps_the_turn() {
    let mut desk = waiting(None);
    assert_eq!(desk.owner.running(), None);
    assert_eq!(desk.row(0).status, TaskStatus::Waiting);
    assert!(desk.owner.is_idle(), "nothing runs, the later turn waits");
    assert_eq!(desk.settle(), []);
}

#[test]
fn a_new_owner_does_not_ask_again() {
    let mut desk = waiting(Some(60_000));
    let entries = desk.entries().count();
    assert_eq!(desk.take().begun(), []);
    assert_eq!(desk.entries().count(), entries + 1, "only the epoch was written");
    assert_eq!(desk.row(0).status, TaskStatus::Waiting);
}

#[test]
fn approved_the_agent_gets_the_value_in_a_new_attempt() {
    let mut desk = waiting(None);
    desk.take();
    let seen = desk.resolve(0, 0, ResolveAction::Approve(Some("7".into())));
    assert_eq!(seen.begun(), [(0, 2)]);
    assert!(desk.entries().any(|e| matches!(
        e,
        Entry::AttemptStarted {
            cause: AttemptCause::Resolved,
            ..
        }
    )));
    assert_eq!(
        desk.call(0, 2, approval("0", None)).answered(),
        [("0".to_owned(), outcome(true, false, "7"))]
    );
}

#[test]
fn rejected_the_agent_hears_it_as_data() {
    let mut desk = waiting(None);
    assert_eq!(desk.resolve(0, 0, ResolveAction::Reject).begun(), [(0, 2)]);
    assert_eq!(
        desk.call(0, 2, approval("0", None)).answered(),
        [("0".to_owned(), outcome(false, false, "null"))]
    );
}

#[test]
fn nobody_answering_in_time_is_an_answer() {
    let mut desk = waiting(Some(5_000));
    assert_eq!(desk.row(0).due, Some(at(6_000)));
    assert_eq!(desk.pass(4_999), []);
    assert_eq!(desk.pass(1).begun(), [(0, 2)]);
    assert_eq!(
        desk.call(0, 2, approval("0", Some(5_000))).answered(),
        [("0".to_owned(), outcome(false, true, "null"))]
    );
    let late = desk.resolve(0, 0, ResolveAction::Approve(None));
    assert!(matches!(&late.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict));
}

#[test]
fn answering_the_same_again_changes_nothing_and_otherwise_is_a_conflict() {
    let mut desk = waiting(None);
    desk.resolve(0, 0, ResolveAction::Approve(None));
    let entries = desk.entries().count();
    let again = desk.resolve(0, 0, ResolveAction::Approve(None));
    assert!(matches!(&again.replies()[..], [(_, Ok(_))]));
    for other in [ResolveAction::Reject, ResolveAction::Approve(Some("1".into()))] {
        let seen = desk.resolve(0, 0, other);
        assert!(matches!(&seen.replies()[..], [(_, Err(failure))] if failure.code == ErrorCode::Conflict));
    }
    assert_eq!(desk.entries().count(), entries);
}

#[test]
fn an_effect_that_runs_beside_the_question_is_not_cut_short_and_never_runs_twice() {
    let mut desk = Desk::running(turn("a"));
    assert_eq!(desk.call(0, 1, call("0", Effect::NonIdempotent)).gone(), ["0"]);
    assert_eq!(
        desk.call(0, 1, approval("1", None)).halted(),
        [],
        "the effect is under way"
    );
    assert_eq!(
        desk.call(0, 1, call("2", Effect::ReadOnly)),
        [],
        "nothing new begins meanwhile"
    );
    assert_eq!(desk.resolve(0, 1, ResolveAction::Approve(None)).begun(), []);
    let seen = desk.report(0, 1, "0", "\"sent\"");
    assert_eq!((seen.halted(), seen.begun()), (vec![(0, 1)], vec![(0, 2)]));
    let again = desk.call(0, 2, call("0", Effect::NonIdempotent));
    assert_eq!(
        (again.gone(), again.answered()),
        (vec![], vec![("0".to_owned(), done("\"sent\""))])
    );
}

#[test]
fn an_agent_that_dies_with_an_effect_beside_the_question_leaves_the_effect_unknown_and_the_question_asked() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, call("0", Effect::NonIdempotent));
    desk.call(0, 1, approval("1", None));
    assert_eq!(desk.die(0, 1).begun(), []);
    assert_eq!(desk.row(0).status, TaskStatus::OutcomeUnknown);
    assert_eq!(
        desk.resolve(0, 0, ResolveAction::SettleDone(None)).begun(),
        [],
        "it still waits for the approval"
    );
    assert_eq!(desk.row(0).status, TaskStatus::Waiting);
    assert_eq!(desk.resolve(0, 1, ResolveAction::Reject).begun(), [(0, 2)]);
}

#[test]
fn a_waiting_task_meets_its_deadline_and_can_be_cancelled() {
    let mut desk = Desk::open();
    let mut task = turn("a");
    task.accepted.deadline = Some(at(3_000));
    desk.accept(task);
    desk.accept(turn("b"));
    desk.settle();
    desk.call(0, 1, approval("0", None));
    assert_eq!(desk.pass(2_000).begun(), [(1, 1)]);
    assert_eq!(desk.failure(0), ErrorCode::DeadlineExceeded);

    let mut desk = waiting(None);
    assert_eq!(desk.cancel(0).begun(), [(1, 1)]);
    assert_eq!(desk.row(0).status, TaskStatus::Cancelled);
}
