//! The conversation's tail: bounded, in order of the turns, and the same in every attempt.

use super::*;
use crate::{HISTORY_BYTES, HISTORY_MESSAGES, Role};

fn said(desk: &Desk, before: u32) -> Vec<String> {
    let history = desk.owner.journal().history_before(before);
    history
        .map(|said| said.content.as_inline().unwrap().to_owned())
        .collect()
}

#[test]
fn a_turn_sees_the_turns_before_it_in_their_order_though_they_queued() {
    let mut desk = Desk::open();
    for name in ["u0", "u1", "u2"] {
        desk.accept(turn(name));
    }
    desk.settle();
    desk.end(0, 1, completed("a0"));
    assert_eq!(said(&desk, 1), ["u0", "a0"]);
    desk.end(1, 1, completed("a1"));
    assert_eq!(said(&desk, 2), ["u0", "a0", "u1", "a1"]);
    let roles: Vec<Role> = desk
        .owner
        .journal()
        .history_before(2)
        .map(|said| said.role)
        .collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant]);
}

#[test]
fn a_later_attempt_sees_what_the_first_saw_though_turns_were_queued_meanwhile() {
    let mut desk = Desk::open();
    for number in 0..HISTORY_MESSAGES {
        desk.accept(turn(&format!("u{number}")));
        desk.settle();
        desk.end(u32::try_from(number).unwrap(), 1, completed("yes"));
    }
    let current = u32::try_from(HISTORY_MESSAGES).unwrap();
    desk.accept(turn("now"));
    desk.settle();
    let first = said(&desk, current);
    assert_eq!(first.len(), HISTORY_MESSAGES);
    for number in 0..20 {
        desk.accept(turn(&format!("queued{number}")));
    }
    desk.settle();
    assert_eq!(said(&desk, current), first);
    desk.take();
    assert_eq!(said(&desk, current), first);
}

#[test]
fn the_tail_is_bounded_in_messages_and_bytes() {
    let mut desk = Desk::open();
    for number in 0..2 * HISTORY_MESSAGES {
        desk.accept(turn(&format!("u{number}")));
        desk.settle();
        desk.end(u32::try_from(number).unwrap(), 1, completed("yes"));
    }
    let kept = said(&desk, u32::MAX);
    assert_eq!(kept.len(), HISTORY_MESSAGES);
    assert_eq!(kept[kept.len() - 2], format!("u{}", 2 * HISTORY_MESSAGES - 1));
    assert!(serde_json::to_string(desk.owner.journal()).unwrap().len() < 4 * HISTORY_BYTES);
}

#[test]
fn long_messages_push_out_old_ones_but_never_the_last() {
    let mut desk = Desk::open();
    for number in 0..4 {
        desk.accept(turn(&format!("u{number}")));
        desk.settle();
        desk.end(number, 1, completed(&"x".repeat(HISTORY_BYTES / 3)));
    }
    let bytes: usize = said(&desk, u32::MAX).iter().map(String::len).sum();
    assert!(bytes <= HISTORY_BYTES && said(&desk, u32::MAX).len() >= 4);
    desk.accept(turn("u4"));
    desk.settle();
    desk.end(4, 1, completed(&"y".repeat(2 * HISTORY_BYTES)));
    assert_eq!(said(&desk, u32::MAX).len(), 1);
}

#[test]
fn a_task_that_rests_for_ever_does_not_make_the_tail_grow_for_ever() {
    let mut desk = Desk::running(turn("a"));
    desk.call(0, 1, call("0", Effect::NonIdempotent));
    desk.die(0, 1);
    for number in 1..1_500 {
        desk.accept(turn(&format!("u{number}")));
        desk.settle();
        desk.end(number, 1, completed("yes"));
    }
    assert_eq!(said(&desk, u32::MAX).len(), HISTORY_MESSAGES);
    assert!(
        serde_json::to_value(desk.owner.journal()).unwrap()["history"]
            .as_array()
            .unwrap()
            .len()
            <= 2 * HISTORY_MESSAGES
    );
}

/// A turn that has rested, and a later one that waits for a person meanwhile.
fn one_rests_and_one_waits(desk: &mut Desk, resting: u32, waiting: u32) {
    desk.call(resting, 1, call("0", Effect::NonIdempotent));
    assert_eq!(desk.die(resting, 1).begun(), [(waiting, 1)]);
}

#[test]
fn an_older_turn_settled_between_two_attempts_changes_nothing_of_what_they_see() {
    for taken in [false, true] {
        let mut desk = Desk::running(turn("u0"));
        desk.accept(turn("u1"));
        desk.settle();
        one_rests_and_one_waits(&mut desk, 0, 1);
        assert_eq!(said(&desk, 1), ["u0"]);
        desk.call(1, 1, approval("0", None));
        assert_eq!(
            desk.resolve(0, 0, crate::ResolveAction::SettleDone(None)).begun(),
            [(0, 2)]
        );
        desk.end(0, 2, completed("a0, late"));
        if taken {
            desk.take();
        }
        desk.resolve(1, 0, crate::ResolveAction::Approve(None));
        assert_eq!(desk.owner.running(), Some((1, 2)));
        assert_eq!(said(&desk, 1), ["u0"], "taken: {taken}");
        desk.end(1, 2, completed("a1"));
        desk.accept(turn("u2"));
        desk.settle();
        assert_eq!(
            said(&desk, 2),
            ["u0", "a0, late", "u1", "a1"],
            "a later turn sees it"
        );
    }
}

#[test]
fn what_an_older_turn_adds_late_pushes_out_nothing_that_a_running_one_sees() {
    let mut desk = Desk::open();
    let full = u32::try_from(HISTORY_MESSAGES / 2).unwrap();
    for number in 0..full {
        desk.accept(turn(&format!("u{number}")));
        desk.settle();
        desk.end(number, 1, completed("yes"));
    }
    desk.accept(turn("rests"));
    desk.accept(turn("waits"));
    desk.settle();
    one_rests_and_one_waits(&mut desk, full, full + 1);
    let first = said(&desk, full + 1);
    assert_eq!(first.len(), HISTORY_MESSAGES);
    desk.call(full + 1, 1, approval("0", None));
    desk.resolve(full, 0, crate::ResolveAction::SettleDone(None));
    desk.end(full, 2, completed("late"));
    for number in 0..20 {
        desk.accept(turn(&format!("queued{number}")));
    }
    desk.settle();
    desk.resolve(full + 1, 0, crate::ResolveAction::Approve(None));
    assert_eq!(said(&desk, full + 1), first);
}
