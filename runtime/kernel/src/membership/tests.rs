//! Views by example, the hash by properties.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{HostPort, JournalKey, NodeId, SessionId, TenantId, Writer};

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn writer(name: &str, incarnation: u64) -> Writer {
    Writer {
        node: node(name),
        incarnation,
    }
}

fn key(number: u32) -> JournalKey {
    JournalKey {
        tenant: TenantId::parse("acme").unwrap(),
        journal: SessionId::parse(&format!("s{number}")).unwrap(),
    }
}

fn row(name: &str, incarnation: u64, state: NodeState, beat: u64) -> NodeRow {
    NodeRow {
        node: node(name),
        incarnation,
        state,
        address: HostPort::new(&format!("{name}.internal"), 7070).unwrap(),
        beat,
    }
}

fn serving(name: &str, beat: u64) -> NodeRow {
    row(name, 1, NodeState::Serving, beat)
}

/// Of `me`, which beats and looks well.
struct Looker(FleetWatch);

impl Looker {
    fn new(patience: u32) -> Self {
        Self(FleetWatch::new(writer("me", 7), patience, 10))
    }

    /// A round in which others' rows are so.
    fn round(&mut self, beat: u64, others: &[NodeRow]) -> FleetView {
        self.0.beaten(Beat::Kept);
        let own = row("me", 7, NodeState::Serving, beat);
        self.0.looked([&[own], others].concat());
        self.0.view()
    }
}

#[test]
fn a_row_that_stays_as_it_was_for_so_many_looks_is_dead_and_no_sooner() {
    let mut looker = Looker::new(3);
    assert!(looker.round(1, &[serving("a", 4)]).is_alive(&writer("a", 1)));
    assert!(looker.round(2, &[serving("a", 4)]).is_alive(&writer("a", 1)));
    assert!(looker.round(3, &[serving("a", 4)]).is_alive(&writer("a", 1)));
    let view = looker.round(4, &[serving("a", 4)]);
    assert!(matches!(view.standing(&writer("a", 1)), Standing::Silent(_)));
    assert!((0..100).all(|number| view.owner_of(&key(number)).unwrap().node == node("me")));
    // Between looks no time passes, however long they take; and one that moves again lives.
    assert!(looker.round(5, &[serving("a", 5)]).is_alive(&writer("a", 1)));
}

#[test]
fn a_newer_incarnation_ends_the_older_at_once_and_an_unknown_one_is_looked_for() {
    let mut looker = Looker::new(3);
    let view = looker.round(1, &[row("a", 5, NodeState::Serving, 1)]);
    assert_eq!(view.standing(&writer("a", 4)), Standing::Gone);
    assert_eq!(view.standing(&writer("a", 6)), Standing::Unseen);
    assert_eq!(view.standing(&writer("b", 1)), Standing::Unseen);
    assert_eq!(view.standing(&writer("me", 7)), Standing::Mine);
    assert_eq!(view.standing(&writer("me", 6)), Standing::Gone);
    assert_eq!(view.holder(&writer("a", 5)).unwrap().incarnation, 5);
    assert_eq!(view.holder(&writer("me", 7)), None);
    let unknown = FleetView::unknown(writer("me", 7));
    assert_eq!(unknown.standing(&writer("me", 1)), Standing::Gone);
    assert!(!unknown.may_take());
}

#[test]
fn who_drains_holds_what_it_has_and_gets_nothing_and_who_left_holds_nothing() {
    let mut looker = Looker::new(3);
    let of = |state| row("a", 1, state, 9);
    let view = looker.round(1, &[of(NodeState::Draining)]);
    assert!(view.is_alive(&writer("a", 1)) && view.others_drain());
    assert!((0..100).all(|number| view.owner_of(&key(number)).unwrap().node == node("me")));
    let view = looker.round(2, &[of(NodeState::Left)]);
    assert_eq!(view.standing(&writer("a", 1)), Standing::Gone);
    assert!(!view.others_drain());
    // However long its row stays.
    for beat in 3..9 {
        let view = looker.round(beat, &[of(NodeState::Left)]);
        assert_eq!(view.standing(&writer("a", 1)), Standing::Gone);
    }
}

#[test]
fn who_cant_renew_its_row_or_has_not_seen_it_takes_nothing() {
    let mut watch = FleetWatch::new(writer("me", 7), 3, 10);
    assert!(!watch.view().may_take());
    watch.beaten(Beat::Kept);
    assert!(!watch.view().may_take(), "it has not looked");
    watch.looked(vec![row("me", 7, NodeState::Serving, 1)]);
    assert!(watch.view().may_take());
    watch.missed();
    watch.missed();
    assert!(watch.view().may_take());
    watch.missed();
    assert!(!watch.view().may_take());
    watch.beaten(Beat::Kept);
    assert!(watch.view().may_take());
}

#[test]
fn who_can_t_see_the_others_takes_nothing_until_it_sees_them_again() {
    let mut looker = Looker::new(3);
    let view = looker.round(1, &[serving("a", 1)]);
    assert!(view.may_take() && view.has_its_place());
    for _ in 0..3 {
        assert!(looker.0.view().may_take());
        looker.0.beaten(Beat::Kept);
        looker.0.saw_nothing();
    }
    assert!(
        !looker.0.view().may_take(),
        "its row is renewed, but what it believes is old"
    );
    assert!(looker.round(2, &[serving("a", 2)]).may_take());
    let own = row("me", 7, NodeState::Draining, 3);
    looker.0.looked(vec![own]);
    assert!(looker.0.view().may_take() && !looker.0.view().has_its_place());
}

#[test]
fn who_was_replaced_takes_nothing_for_ever_however_it_learns_of_it() {
    let mut told = FleetWatch::new(writer("me", 7), 3, 10);
    told.beaten(Beat::Deposed);
    let mut saw = FleetWatch::new(writer("me", 7), 3, 10);
    saw.looked(vec![row("me", 8, NodeState::Serving, 1)]);
    for watch in [&mut told, &mut saw] {
        watch.beaten(Beat::Kept);
        watch.looked(vec![row("me", 7, NodeState::Serving, 1)]);
        assert!(watch.view().is_deposed() && !watch.view().may_take());
    }
}

#[test]
fn rows_are_forgotten_that_are_dead_or_gone_for_long_and_never_ones_own() {
    let mut looker = Looker::new(3);
    let others = [row("a", 1, NodeState::Left, 1), serving("b", 1)];
    for _ in 0..10 {
        // Its own row doesn't move either: it can't be told from here.
        looker.round(1, &others);
        assert_eq!(looker.0.forgettable().count(), 0);
    }
    looker.round(1, &others);
    let names: Vec<_> = looker.0.forgettable().map(|row| row.node.clone()).collect();
    assert_eq!(names, [node("a"), node("b")]);
    assert!(looker.0.view().is_alive(&writer("me", 7)));
}

#[test]
fn beats_alone_move_no_journal() {
    let mut looker = Looker::new(3);
    let first = looker.round(1, &[serving("a", 1)]);
    let second = looker.round(2, &[serving("a", 2)]);
    assert!(first.is_like(&second) && second.round() == first.round() + 1);
    let third = looker.round(3, &[row("a", 1, NodeState::Draining, 3)]);
    assert!(!third.is_like(&second));
}

/// Written down once: another answer would send journals back and forth between versions.
#[test]
fn the_hash_is_what_it_always_was() {
    let nodes = ["n1", "n2", "n3"].map(node);
    let owners = (0..12).map(|number| rendezvous(&nodes, &key(number)).unwrap().to_string());
    let owners: Vec<_> = owners.collect();
    assert_eq!(owners.join(" "), "n2 n2 n2 n3 n2 n1 n2 n1 n1 n3 n2 n1");
}

#[test]
fn journals_are_spread_evenly() {
    let nodes = ["a", "b", "c", "d", "e"].map(node);
    let mut counts: BTreeMap<&NodeId, u32> = BTreeMap::new();
    for number in 0..10_000 {
        *counts
            .entry(rendezvous(&nodes, &key(number)).unwrap())
            .or_default() += 1;
    }
    assert!(
        counts.values().all(|count| (1_850..2_150).contains(count)),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn only_what_a_node_wins_or_had_moves_when_it_comes_or_goes(
        names in prop::collection::btree_set("[a-z0-9.-]{1,12}", 1..8),
        comes in "[A-Z]{1,6}",
        number: u32,
    ) {
        let nodes: Vec<NodeId> = names.iter().map(|name| node(name)).collect();
        let comes = node(&comes);
        let before = rendezvous(&nodes, &key(number)).unwrap();
        let after = rendezvous(nodes.iter().chain([&comes]), &key(number)).unwrap();
        prop_assert!(after == before || *after == comes);

        let order = rendezvous_order(nodes.iter().chain([&comes]), &key(number));
        prop_assert_eq!(order[0], after);
        prop_assert_eq!(order.len(), nodes.len() + 1);
        // Who is next is who it belongs to without the first.
        let without = rendezvous(order[1..].iter().copied(), &key(number)).unwrap();
        prop_assert_eq!(order[1], without);
    }

    #[test]
    fn a_process_is_never_dead_that_beats_between_ones_looks(
        patience in 1_u32..6,
        beats in prop::collection::vec(0_u32..4, 1..60),
    ) {
        // Each number is how many looks go by without a beat of theirs.
        let mut looker = Looker::new(patience);
        let mut own = 0;
        for (beat, quiet) in beats.into_iter().enumerate() {
            for look in 0..=quiet {
                own += 1;
                let view = looker.round(own, &[serving("a", beat as u64)]);
                let alive = view.is_alive(&writer("a", 1));
                prop_assert_eq!(alive, look < patience, "{} of {}", look, patience);
            }
        }
    }
}
