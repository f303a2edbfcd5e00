//! Owners that are asked to let go, as the orchestrator's actors do it: at a step boundary, with `Released` in the log
//! where that is in the middle of an attempt.

use super::*;

impl World {
    /// Whether no step is let go any more.
    pub(super) fn holds_calls_back(&self, i: usize) -> bool {
        let node = &self.nodes[i];
        let awaited = node.owner.as_ref().is_some_and(Owner::has_doubtful_live);
        node.releasing && !awaited
    }

    /// Lets go, if that was asked for and the time has come. Tells whether there is something to be done by it.
    pub(super) fn lets_go(&mut self, i: usize) -> bool {
        let how = self.setup.letting_go;
        let node = &mut self.nodes[i];
        let Some(owner) = node.owner.as_mut().filter(|owner| owner.is_owning()) else {
            return false;
        };
        let boundary = match how {
            LettingGo::Anywhere => owner.is_settled(),
            LettingGo::Soundly | LettingGo::Unsettled => owner.is_at_boundary(),
        };
        if !node.releasing || !boundary {
            return false;
        }
        owner.release(now());
        if owner.is_settled() {
            self.leave(i);
            return false;
        }
        if how == LettingGo::Unsettled {
            // What it says may arrive behind whatever the next one writes.
            let said = owner.actions();
            for action in said {
                if let Action::Append(append) = action {
                    self.send(i, *append);
                }
            }
            self.leave(i);
            return false;
        }
        true
    }

    /// Whether somebody let go while it was not known what came of a step: the next would find it in doubt, of an owner
    /// that lived.
    pub(super) fn releases_in_doubt(&self) -> bool {
        if !self.entries().any(|entry| *entry == Entry::Released) {
            return false;
        }
        let mut journal = Journal::empty(key().journal);
        let slots = self.slots.iter().map_while(Option::as_ref);
        for slot in slots {
            let in_doubt = journal.open.values().any(|task| task.doubtful().next().is_some());
            if in_doubt && slot.entries.contains(&Entry::Released) {
                return true;
            }
            if journal.apply(slot).is_err() {
                return false;
            }
        }
        false
    }

    /// How many attempts were counted as lost with their owners, of tasks that ended and of those that didn't.
    fn counted_as_lost(&self) -> u32 {
        let mut journal = Journal::empty(key().journal);
        let mut most = 0;
        for slot in self.slots.iter().flatten() {
            journal.apply(slot).unwrap();
            let losses = journal.open.values().map(|task| task.owner_losses);
            most = most.max(losses.max().unwrap_or(0));
        }
        most
    }
}

/// A world in which nothing goes wrong but that owners are asked to let go, and the journal is taken when nobody has it.
const CALM: Setup = Setup {
    crashes: 0,
    takes: 0,
    losses: 0,
    duplicates: 0,
    stale_reads: false,
    owners: 3,
    releases: 6,
    ..SOUND
};

/// How such a world ends: how often a journal was let go of in the middle of an attempt, how many attempts were counted as
/// lost, and whether anything is in doubt.
fn calmly(setup: Setup, seed: u64) -> (usize, u32, bool) {
    let mut world = World::new(setup, seed);
    for _ in 0..2_000 {
        if world.done() {
            break;
        }
        let events = world.events(false);
        let event = events[world.rng.below(events.len())];
        if let Err(found) = world.step(event) {
            assert_eq!(found, Violation::Doubt, "seed {seed}");
            return (0, 0, true);
        }
    }
    assert!(world.done(), "seed {seed}");
    let released = world.entries().filter(|entry| **entry == Entry::Released);
    let unknown = |entry: &Entry| matches!(entry, Entry::StepUnknown { .. });
    (
        released.count(),
        world.counted_as_lost(),
        world.entries().any(unknown),
    )
}

#[test]
fn a_journal_that_goes_from_hand_to_hand_has_nothing_in_doubt_and_no_attempt_is_counted_as_lost() {
    for effect in [Effect::NonIdempotent, Effect::Idempotent] {
        let mut released = 0;
        for seed in 1..=1_500 {
            let (times, lost, in_doubt) = calmly(Setup { effect, ..CALM }, seed);
            assert_eq!((lost, in_doubt), (0, false), "seed {seed}");
            released += times;
        }
        assert!(released > 500, "{released} times in the middle of an attempt");
    }
}

#[test]
fn the_sound_protocol_survives_owners_that_let_go_among_every_other_fault() {
    let many = Setup {
        owners: 3,
        takes: 5,
        releases: 6,
        ..SOUND
    };
    assert_eq!(explore(many, 3_000), None);
}

#[test]
fn letting_go_in_the_middle_of_a_step_is_found_to_leave_it_in_doubt() {
    let hole = Setup {
        letting_go: LettingGo::Anywhere,
        ..CALM
    };
    assert!((1..=2_000).any(|seed| calmly(hole, seed).2));
    let found = explore(
        Setup {
            letting_go: LettingGo::Anywhere,
            ..SOUND
        },
        20_000,
    );
    assert_eq!(found.map(|(_, violation)| violation), Some(Violation::Doubt));
}

#[test]
fn leaving_before_it_is_durable_that_one_lets_go_is_found_to_be_counted_as_a_loss() {
    let hole = Setup {
        letting_go: LettingGo::Unsettled,
        ..CALM
    };
    assert!((1..=2_000).any(|seed| calmly(hole, seed).1 > 0));
}
