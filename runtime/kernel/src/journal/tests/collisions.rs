//! Two owners of one journal: the log is the fence.

use super::*;
use crate::Append;

fn append_of(seen: Vec<Action>) -> Append {
    seen.into_iter()
        .find_map(|action| match action {
            Action::Append(append) => Some(*append),
            _ => None,
        })
        .expect("an append")
}

#[test]
fn a_deposed_owner_halts_its_attempt_and_lets_nothing_out() {
    let mut old = Desk::running(turn("a"));
    let mut new = old.clone();
    new.take();
    old.call(0, 1, call("0", Effect::ReadOnly));
    old.owner
        .step_finished(old.now, 0, 1, &path("0"), done("1"), StepCost::default());
    let append = append_of(old.pump());
    old.owner
        .step_called(old.now, 0, 1, call("1", Effect::Idempotent));
    let occupant = new.slots[usize::try_from(append.slot.seq).unwrap()].clone();
    old.owner
        .appended(old.now, append.slot.nonce, Appended::Collided(Box::new(occupant)));
    let seen = old.pump();
    assert_eq!((seen.halted(), seen.gone()), (vec![(0, 1)], vec![]));
    assert!(seen.contains(&Action::Deposed) && old.owner.is_deposed());
}

#[test]
fn an_owner_that_reads_anothers_slot_is_deposed_but_not_by_its_own() {
    let mut old = Desk::running(turn("a"));
    let mut new = old.clone();
    new.take();
    old.owner.observed(&old.slots.last().unwrap().clone());
    assert!(!old.owner.is_deposed());
    old.owner.observed(new.slots.last().unwrap());
    assert!(old.owner.is_deposed());
}

#[test]
fn colliding_with_ones_own_append_is_success() {
    let mut desk = Desk::open();
    desk.accept(turn("a"));
    let append = append_of(desk.pump());
    assert_eq!(
        desk.owner.unanswered(append.slot.nonce),
        Some(append.clone()),
        "the very same is sent again"
    );
    desk.slots.push(append.slot.clone());
    desk.rows.push(append.rows);
    let (nonce, own) = (append.slot.nonce, Box::new(append.slot));
    desk.owner.appended(desk.now, nonce, Appended::Collided(own));
    let seen = desk.settle();
    assert_eq!((seen.begun(), seen.replies().len()), (vec![(0, 1)], 1));
    desk.owner.appended(desk.now, nonce, Appended::Stored);
    assert_eq!(desk.settle(), [], "an answer that comes twice counts once");
}

#[test]
fn a_claim_that_collides_folds_what_it_met_and_claims_behind_it() {
    let mut first = Desk::running(turn("a"));
    let mut late = first.clone();
    late.take_unsent();
    let claim = append_of(late.pump());
    assert!(!late.owner.is_owning());
    // Meanwhile the first owner finishes the task and accepts another.
    first.end(0, 1, completed("yes"));
    first.accept(turn("b"));
    first.settle();
    let mut claim = claim;
    let from = usize::try_from(claim.slot.seq).unwrap();
    for met in &first.slots[from..] {
        let nonce = claim.slot.nonce;
        late.owner
            .appended(late.now, nonce, Appended::Collided(Box::new(met.clone())));
        late.slots.push(met.clone());
        let seen = late.pump();
        assert!(
            seen.begun().is_empty(),
            "nothing is acted on before the claim is stored"
        );
        claim = append_of(seen);
    }
    assert!(
        matches!(claim.slot.entries[..], [Entry::Epoch]),
        "nothing of the old view was kept"
    );
    late.store(claim);
    assert_eq!(late.settle().begun(), [(1, 2)]);
    assert_eq!(late.owner.journal(), &late.folded());
}

#[test]
fn opening_a_journal_that_exists_is_being_deposed() {
    let taken = Desk::open();
    let mut desk = Desk::open_unsent();
    desk.accept(turn("a"));
    let append = append_of(desk.pump());
    let mut occupant = taken.slots[0].clone();
    occupant.nonce = crate::Nonce(99);
    desk.owner.appended(
        desk.now,
        append.slot.nonce,
        Appended::Collided(Box::new(occupant)),
    );
    let seen = desk.pump();
    assert!(seen.contains(&Action::Deposed) && seen.replies().is_empty());
}
