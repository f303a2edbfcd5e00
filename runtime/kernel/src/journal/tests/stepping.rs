//! Steps: what leaves when, what is replayed, what diverges, what a task may spend.

use super::*;
use crate::{AttemptCause, Limits};

#[test]
fn a_step_that_must_not_repeat_goes_only_when_its_start_is_stored() {
    let mut desk = Desk::running(turn("a"));
    desk.owner
        .step_called(desk.now, 0, 1, call("0", Effect::NonIdempotent));
    let before = desk.pump();
    let [Action::Append(append)] = &before[..] else {
        panic!("only an append may leave: {before:?}")
    };
    assert!(matches!(append.slot.entries[..], [Entry::StepStarted { .. }]));
    desk.store((**append).clone());
    assert_eq!(desk.settle().gone(), ["0"]);
}

#[test]
fn no_effect_leaves_while_anything_before_it_is_not_stored_but_results_do() {
    let mut desk = Desk::running(turn("a"));
    assert_eq!(
        desk.call(0, 1, kind_of_call("0", StepKind::Model, "{}"))
            .performed(),
        [0]
    );
    desk.owner
        .step_finished(desk.now, 0, 1, &path("0"), done("\"hi\""), StepCost::default());
    let seen = desk.pump();
    assert_eq!(
        seen.answered(),
        [("0".to_owned(), done("\"hi\""))],
        "a result may leave before it is durable"
    );
    desk.owner
        .step_called(desk.now, 0, 1, call("1", Effect::Idempotent));
    desk.owner
        .step_called(desk.now, 0, 1, kind_of_call("2", StepKind::Model, "{}"));
    assert_eq!(desk.pump(), [], "a keyed effect waits for what precedes it");
    let Some(Action::Append(append)) = seen
        .into_iter()
        .find(|action| matches!(action, Action::Append(_)))
    else {
        panic!("an append")
    };
    desk.store(*append);
    let seen = desk.settle();
    assert_eq!((seen.gone(), seen.performed()), (vec!["1".to_owned()], vec![2]));
}

#[test]
fn finished_steps_are_replayed_and_unfinished_ones_that_may_repeat_run_again_under_their_number() {
    let mut desk = Desk::running(turn("a"));
    desk.step(0, 1, "0", Effect::NonIdempotent);
    desk.call(0, 1, call("1", Effect::Idempotent));
    desk.call(0, 1, kind_of_call("2", StepKind::Model, "{}"));
    let seen = desk.take();
    assert_eq!(seen.begun(), [(0, 2)]);
    assert_eq!(
        desk.call(0, 1, call("9", Effect::ReadOnly)),
        [],
        "the lost attempt is heard no more"
    );
    let seen = desk.call(0, 2, call("0", Effect::NonIdempotent));
    assert_eq!(
        (seen.answered(), seen.gone()),
        (vec![("0".to_owned(), done("1"))], vec![])
    );
    assert_eq!(desk.call(0, 2, call("1", Effect::Idempotent)).gone(), ["1"]);
    assert_eq!(
        desk.call(0, 2, kind_of_call("2", StepKind::Model, "{}"))
            .performed(),
        [2]
    );
    desk.report(0, 2, "1", "2");
    let numbers: Vec<u32> = desk.owner.journal().open[&0]
        .steps
        .values()
        .map(|s| s.head.number)
        .collect();
    assert_eq!(numbers, [0, 1]);
}

#[test]
fn parallel_steps_finished_in_any_order_keep_numbers_apart_over_a_replay() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, call("0.0", Effect::ReadOnly));
    desk.call(0, 1, call("1.0", Effect::ReadOnly));
    desk.report(0, 1, "1.0", "b");
    desk.die(0, 1);
    desk.call(0, 2, call("0.0", Effect::ReadOnly));
    desk.report(0, 2, "0.0", "a");
    let mut numbers: Vec<u32> = desk.owner.journal().open[&0]
        .steps
        .values()
        .map(|s| s.head.number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 2);
}

#[test]
fn a_timer_keeps_its_due_time_over_owners() {
    let mut desk = Desk::running(turn("a"));
    let sleep = || kind_of_call("0", StepKind::Timer, "{\"ms\":60000}");
    let due = |seen: &[Action]| {
        seen.iter().find_map(|action| match action {
            Action::Perform { due, .. } => *due,
            _ => None,
        })
    };
    let first = due(&desk.call(0, 1, sleep()));
    assert_eq!(first, Some(at(61_000)));
    desk.now = at(20_000);
    desk.take();
    assert_eq!(due(&desk.call(0, 2, sleep())), first);
}

#[test]
fn a_replay_that_asks_otherwise_starts_afresh_when_everything_only_read() {
    let mut desk = Desk::running(turn("a"));
    desk.step(0, 1, "0", Effect::ReadOnly);
    desk.take();
    let other = StepCall {
        name: Some("other".into()),
        ..call("0", Effect::ReadOnly)
    };
    let seen = desk.call(0, 2, other.clone());
    assert_eq!((seen.halted(), seen.begun()), (vec![(0, 2)], vec![(0, 3)]));
    assert!(desk.owner.journal().open[&0].steps.is_empty());
    assert_eq!(desk.call(0, 3, other).gone(), ["0"]);
    assert!(desk.entries().any(|entry| matches!(
        entry,
        Entry::AttemptStarted {
            cause: AttemptCause::Diverged(_),
            attempt: 3,
            ..
        }
    )));
}

#[test]
fn a_replay_that_asks_otherwise_after_an_effect_fails_naming_both_steps() {
    for (changed, asked) in [
        (
            StepCall {
                name: Some("other".into()),
                ..call("0", Effect::Idempotent)
            },
            "other",
        ),
        (
            StepCall {
                kind: StepKind::Effect,
                ..call("0", Effect::Idempotent)
            },
            "an effect",
        ),
        (
            StepCall {
                input: "{\"x\":1}".into(),
                ..call("0", Effect::Idempotent)
            },
            "a tool call (tool)",
        ),
    ] {
        let mut desk = Desk::running(turn("a"));
        desk.step(0, 1, "0", Effect::Idempotent);
        desk.take();
        let seen = desk.call(0, 2, changed);
        assert_eq!(seen.halted(), [(0, 2)]);
        let error = desk.row(0).error.unwrap();
        assert_eq!(error.code, ErrorCode::NonDeterministic);
        assert!(
            error.message.contains("a tool call (tool)") && error.message.contains(asked),
            "{error}"
        );
    }
}

#[test]
fn two_calls_at_one_place_are_refused() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, call("0", Effect::ReadOnly));
    desk.call(0, 1, call("0", Effect::ReadOnly));
    assert_eq!(desk.failure(0), ErrorCode::NonDeterministic);
}

#[test]
fn the_limit_of_steps_stops_a_runaway() {
    let mut desk = Desk::running(limited(
        "a",
        Limits {
            steps: 2,
            ..Limits::default()
        },
    ));
    desk.accept(turn("b"));
    desk.step(0, 1, "0", Effect::ReadOnly);
    desk.step(0, 1, "1", Effect::ReadOnly);
    let seen = desk.call(0, 1, call("2", Effect::ReadOnly));
    assert_eq!(
        (seen.gone(), seen.halted(), seen.begun()),
        (vec![], vec![(0, 1)], vec![(1, 1)])
    );
    assert_eq!(desk.failure(0), ErrorCode::LimitExceeded);
}

#[test]
fn the_limits_of_tokens_and_cost_stop_a_task_when_a_step_has_spent_more() {
    for limits in [
        Limits {
            tokens: 100,
            ..Limits::default()
        },
        Limits {
            cost_usd: Some(0.5),
            ..Limits::default()
        },
    ] {
        let mut desk = Desk::running(limited("a", limits));
        desk.call(0, 1, kind_of_call("0", StepKind::Model, "{}"));
        desk.report_with(0, 1, "0", "1", tokens(100, Some(0.5)));
        assert_eq!(desk.owner.running(), Some((0, 1)), "up to the limit is allowed");
        desk.call(0, 1, kind_of_call("1", StepKind::Model, "{}"));
        let seen = desk.report_with(0, 1, "1", "1", tokens(1, Some(0.25)));
        assert_eq!(seen.halted(), [(0, 1)]);
        assert_eq!(desk.failure(0), ErrorCode::LimitExceeded);
        assert_eq!(
            desk.row(0).usage.unwrap().input_tokens,
            101,
            "what was spent is told"
        );
    }
}

#[test]
fn an_approvals_question_is_bounded() {
    let mut desk = Desk::running(turn("a"));
    let long = format!("{{\"prompt\":\"{}\"}}", "x".repeat(crate::INLINE_LIMIT));
    desk.call(0, 1, kind_of_call("0", StepKind::Approval, &long));
    assert_eq!(desk.failure(0), ErrorCode::BadUserInput);
}

#[test]
fn a_tasks_steps_tell_the_version_that_asked_for_them_once_and_a_repeated_step_keeps_it() {
    let mut desk = Desk::running(turn("a"));
    let version = |desk: &Desk| {
        desk.owner.journal().open[&0]
            .version()
            .map(|version| version.to_string())
    };
    desk.owner.attempt_runs(0, 1, "1.0".into());
    assert_eq!(version(&desk), None);
    desk.step(0, 1, "0", Effect::NonIdempotent);
    desk.step(0, 1, "1", Effect::Idempotent);
    assert_eq!(version(&desk).as_deref(), Some("1.0"));
    let told = desk.slots.iter().flat_map(|slot| &slot.entries);
    let told = told.filter(|entry| match entry {
        Entry::StepStarted { step, .. } | Entry::StepDone { step, .. } => step.version.is_some(),
        _ => false,
    });
    assert_eq!(told.count(), 2, "the first step's start and end");
    assert_eq!(desk.die(0, 1).begun(), [(0, 2)]);
    desk.owner.attempt_runs(0, 2, "2.0".into());
    desk.step(0, 2, "2", Effect::Idempotent);
    assert_eq!(version(&desk).as_deref(), Some("2.0"));
    assert_eq!(Journal::clone(desk.owner.journal()), {
        let mut read = Journal::empty(desk.owner.journal().id.clone());
        desk.slots.iter().for_each(|slot| read.apply(slot).unwrap());
        read
    });
}
