//! What a task has used: whatever came of its steps, and however its attempts and its children end.

use super::*;
use crate::{AttemptCause, Limits, ResolveAction, TaskStatus};

fn used(tokens: u64) -> Usage {
    Usage {
        input_tokens: tokens,
        estimated: true,
        ..Usage::default()
    }
}

fn model(place: &str) -> StepCall {
    kind_of_call(place, StepKind::Model, "{}")
}

fn hand_off(place: &str) -> StepCall {
    StepCall {
        effect: Effect::Idempotent,
        ..kind_of_call(place, StepKind::Agent, "{}")
    }
}

/// How many tries of the steps let go were lost before.
fn lost(seen: &[Action]) -> Vec<u32> {
    let lost = seen.iter().filter_map(|action| match action {
        Action::Perform { lost, .. } => Some(*lost),
        _ => None,
    });
    lost.collect()
}

impl Desk {
    fn spends(&mut self, task: u32, attempt: u32, place: &str, tokens: u64) -> Vec<Action> {
        self.owner
            .step_spends(self.now, task, attempt, &path(place), used(tokens));
        self.settle()
    }

    fn tokens(&self, task: u32) -> u64 {
        self.row(task).usage.unwrap_or_default().total_tokens()
    }
}

#[test]
fn a_failed_steps_use_counts_against_the_limit_and_shows() {
    let limits = Limits {
        tokens: 100,
        ..Limits::default()
    };
    let mut desk = Desk::running(limited("a", limits));
    for place in ["0", "1"] {
        desk.call(0, 1, model(place));
        let failed = StepOutcome::Failed(Failure::unavailable("cut off"));
        desk.owner
            .step_finished(desk.now, 0, 1, &path(place), failed, tokens(60, None));
        desk.settle();
    }
    assert_eq!(desk.failure(0), ErrorCode::LimitExceeded);
    assert_eq!(desk.tokens(0), 120);
}

#[test]
fn a_model_call_that_ends_with_its_agent_is_billed_with_the_next_attempts_start() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.spends(0, 1, "0", 3);
    desk.spends(0, 1, "0", 7);
    assert_eq!(desk.die(0, 1).begun(), [(0, 2)]);
    assert_eq!(desk.tokens(0), 7);
    let slot = desk.slots.last().unwrap();
    assert!(
        matches!(
            &slot.entries[..],
            [
                Entry::Spent { task: 0, .. },
                Entry::AttemptStarted {
                    cause: AttemptCause::AgentDied(_),
                    ..
                }
            ]
        ),
        "no append of its own: {slot:?}"
    );
    assert_eq!(lost(&desk.call(0, 2, model("0"))), [0], "it was billed already");
    desk.report_with(0, 2, "0", "1", tokens(10, None));
    assert_eq!(desk.tokens(0), 17);
    assert_eq!(desk.folded(), *desk.owner.journal());
}

#[test]
fn a_model_call_is_billed_when_its_task_is_cancelled_parked_or_answered_without_it() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.spends(0, 1, "0", 7);
    desk.cancel(0);
    assert_eq!((desk.row(0).status, desk.tokens(0)), (TaskStatus::Cancelled, 7));

    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.spends(0, 1, "0", 7);
    desk.call(0, 1, approval("1", None));
    assert_eq!((desk.row(0).status, desk.tokens(0)), (TaskStatus::Waiting, 7));

    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.spends(0, 1, "0", 7);
    desk.end(0, 1, completed("enough"));
    assert_eq!((desk.row(0).status, desk.tokens(0)), (TaskStatus::Completed, 7));
    let told = desk.rows.iter().flat_map(|rows| &rows.messages).next_back();
    assert_eq!(
        told.unwrap().message.usage,
        desk.row(0).usage,
        "the message says the same"
    );
}

#[test]
fn steps_that_used_nothing_leave_no_entry() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.die(0, 1);
    assert!(!desk.entries().any(|entry| matches!(entry, Entry::Spent { .. })));
}

#[test]
fn each_lost_owner_may_have_lost_one_try_of_the_step_that_comes_next() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, model("0"));
    desk.take();
    assert_eq!(lost(&desk.call(0, 2, model("0"))), [1]);
    desk.take();
    assert_eq!(
        lost(&desk.call(0, 3, model("0"))),
        [2],
        "the first loss was never billed"
    );
    desk.report_with(0, 3, "0", "1", tokens(30, None));
    assert_eq!(lost(&desk.call(0, 3, model("1"))), [0], "nobody had got that far");
    desk.take();
    assert_eq!(desk.call(0, 4, model("0")).answered().len(), 1);
    assert_eq!(lost(&desk.call(0, 4, model("1"))), [1]);
    assert_eq!(
        lost(&desk.call(0, 4, hand_off("2"))),
        [0],
        "only model calls are run again"
    );
}

#[test]
fn a_lost_try_that_was_billed_is_not_billed_again() {
    let mut desk = Desk::running(turn("a"));
    desk.take();
    assert_eq!(lost(&desk.call(0, 2, model("0"))), [1]);
    desk.spends(0, 2, "0", 5);
    desk.die(0, 2);
    assert_eq!(lost(&desk.call(0, 3, model("0"))), [0]);

    let mut desk = Desk::running(turn("a"));
    desk.take();
    desk.call(0, 2, approval("0", None));
    desk.resolve(0, 0, ResolveAction::Approve(None));
    desk.call(0, 3, approval("0", None));
    assert_eq!(
        lost(&desk.call(0, 3, model("1"))),
        [0],
        "it came after the answer"
    );
}

#[test]
fn children_together_use_no_more_than_their_parent_may() {
    let limits = Limits {
        tokens: 100,
        ..Limits::default()
    };
    let mut desk = Desk::running(limited("a", limits));
    desk.call(0, 1, hand_off("0"));
    desk.call(0, 1, hand_off("1"));
    assert!(desk.spends(0, 1, "0", 60).halted().is_empty());
    assert!(
        desk.spends(0, 1, "1", 40).halted().is_empty(),
        "up to the limit is allowed"
    );
    assert_eq!(
        desk.owner.spending(0).total_tokens(),
        100,
        "what a third child inherits less"
    );
    assert_eq!(desk.spends(0, 1, "1", 41).halted(), [(0, 1)]);
    assert_eq!(desk.failure(0), ErrorCode::LimitExceeded);
    assert_eq!(desk.tokens(0), 101, "what its children used is told");
}

#[test]
fn a_child_is_billed_once_however_often_its_parent_dies() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, hand_off("0"));
    desk.spends(0, 1, "0", 60);
    desk.die(0, 1);
    assert_eq!(desk.tokens(0), 0, "it goes on");
    desk.call(0, 2, hand_off("0"));
    desk.spends(0, 2, "0", 70);
    desk.report_with(0, 2, "0", "1", tokens(80, None));
    assert_eq!((desk.tokens(0), desk.owner.spending(0).total_tokens()), (80, 80));
}
