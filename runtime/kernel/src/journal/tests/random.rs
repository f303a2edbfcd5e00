//! Random lives of a journal: snapshots anywhere, owners lost anywhere, and what must hold regardless.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{ResolveAction, StepState, TaskStatus};

#[derive(Debug, Clone)]
enum Deed {
    Accept(u8),
    Ask(u8, Effect),
    Approve(u8),
    Sleep(u8),
    Report(u8),
    Complete,
    Die,
    Cancel(u8),
    Resolve(u8, u8, u8),
    Take,
    Pass(u16),
    Retitle,
    Delete,
}

fn deed() -> impl Strategy<Value = Deed> {
    let effect = prop_oneof![
        Just(Effect::ReadOnly),
        Just(Effect::Idempotent),
        Just(Effect::NonIdempotent)
    ];
    prop_oneof![
        4 => (0..8u8).prop_map(Deed::Accept),
        8 => (0..4u8, effect).prop_map(|(place, effect)| Deed::Ask(place, effect)),
        2 => (4..6u8).prop_map(Deed::Approve),
        1 => (6..7u8).prop_map(Deed::Sleep),
        8 => (0..7u8).prop_map(Deed::Report),
        3 => Just(Deed::Complete),
        2 => Just(Deed::Die),
        1 => (0..8u8).prop_map(Deed::Cancel),
        5 => (0..8u8, 0..8u8, 0..4u8).prop_map(|(task, step, action)| Deed::Resolve(task, step, action)),
        2 => Just(Deed::Take),
        2 => (0..20_000u16).prop_map(Deed::Pass),
        1 => Just(Deed::Retitle),
    ]
}

fn life() -> impl Strategy<Value = (Vec<Deed>, bool)> {
    (prop::collection::vec(deed(), 1..80), prop::bool::weighted(0.2))
}

/// A desk that counts what it lets go.
struct World {
    desk: Desk,
    fired: BTreeMap<(u32, String), u32>,
    cleared: BTreeMap<(u32, String), u32>,
}

impl World {
    fn new() -> Self {
        Self {
            desk: Desk::open(),
            fired: BTreeMap::new(),
            cleared: BTreeMap::new(),
        }
    }

    fn see(&mut self, seen: &[Action]) {
        for action in seen {
            if let Action::Go {
                task, path: place, ..
            } = action
            {
                let open = &self.desk.owner.journal().open;
                let step = open.get(task).and_then(|open| open.steps.get(place));
                if step.is_some_and(|step| step.head.effect == Effect::NonIdempotent) {
                    *self.fired.entry((*task, place.to_string())).or_default() += 1;
                }
            }
        }
    }

    fn act(&mut self, deed: &Deed) {
        let desk = &mut self.desk;
        let running = desk.owner.running();
        let seen = match (deed, running) {
            (Deed::Accept(name), _) => {
                desk.accept(turn(&format!("k{name}")));
                desk.settle()
            }
            (Deed::Ask(place, effect), Some((task, attempt))) => {
                let place = path(&place.to_string());
                let open = &desk.owner.journal().open[&task];
                let known = open.steps.get(&place).map(|step| step.head.effect);
                if desk.owner.live_steps(task).any(|(live, ..)| *live == place) {
                    return;
                }
                desk.call(task, attempt, call(place.as_str(), known.unwrap_or(*effect)))
            }
            (Deed::Approve(place), Some((task, attempt))) => {
                desk.call(task, attempt, approval(&place.to_string(), Some(9_000)))
            }
            (Deed::Sleep(place), Some((task, attempt))) => {
                let place = place.to_string();
                if desk
                    .owner
                    .live_steps(task)
                    .any(|(live, ..)| live.as_str() == place)
                {
                    return;
                }
                desk.call(task, attempt, kind_of_call(&place, StepKind::Timer, "{\"ms\":5}"))
            }
            (Deed::Report(place), Some((task, attempt))) => {
                desk.report_with(task, attempt, &place.to_string(), "1", tokens(1, Some(0.5)))
            }
            (Deed::Complete, Some((task, attempt))) => desk.end(task, attempt, completed("yes")),
            (Deed::Die, Some((task, attempt))) => desk.die(task, attempt),
            (Deed::Cancel(task), _) => desk.cancel(u32::from(*task)),
            (Deed::Resolve(task, step, action), _) => {
                let (task, number) = (u32::from(*task), u32::from(*step));
                let action = match action {
                    0 => ResolveAction::Approve(None),
                    1 => ResolveAction::Reject,
                    2 => ResolveAction::SettleDone(Some("2".into())),
                    _ => ResolveAction::SettleNotDone,
                };
                let unknown = desk.owner.journal().open.get(&task).and_then(|open| {
                    let step = open
                        .step(number)
                        .filter(|step| step.state == StepState::Unknown)?;
                    Some((task, step.head.path.to_string()))
                });
                if let (Some(step), ResolveAction::SettleNotDone) = (unknown, &action) {
                    *self.cleared.entry(step).or_default() += 1;
                }
                desk.resolve(task, number, action)
            }
            (Deed::Take, _) => desk.take(),
            (Deed::Pass(ms), _) => desk.pass(i64::from(*ms)),
            (Deed::Retitle, _) => {
                let request = desk.request();
                desk.owner.retitle(desk.now, request, Some("t".into()));
                desk.settle()
            }
            (Deed::Delete, _) => {
                let request = desk.request();
                desk.owner.delete(desk.now, request);
                desk.settle()
            }
            _ => return,
        };
        self.see(&seen);
    }
}

fn lived(deeds: &[Deed], delete: bool) -> World {
    let mut world = World::new();
    for deed in deeds {
        world.act(deed);
    }
    if delete {
        world.act(&Deed::Delete);
        world.act(&Deed::Accept(0));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_anywhere_continues_to_what_the_start_folds_to((deeds, delete) in life(), cut in any::<prop::sample::Index>()) {
        let desk = lived(&deeds, delete).desk;
        let cut = cut.index(desk.slots.len() + 1);
        let mut journal = Journal::empty(key().journal);
        for slot in &desk.slots[..cut] {
            journal.apply(slot).unwrap();
        }
        let text = serde_json::to_string(&journal).unwrap();
        let mut restored: Journal = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&restored, &journal);
        for slot in &desk.slots[cut..] {
            let text = serde_json::to_string(&slot.entries).unwrap();
            let entries = serde_json::from_str(&text).unwrap();
            restored.apply(&Slot { entries, ..slot.clone() }).unwrap();
        }
        prop_assert_eq!(&restored, &desk.folded());
        prop_assert_eq!(&restored, desk.owner.journal());
    }

    #[test]
    fn an_effect_that_must_not_repeat_fires_once_and_again_only_when_a_person_cleared_it((deeds, delete) in life()) {
        let world = lived(&deeds, delete);
        for (step, fired) in &world.fired {
            let cleared = world.cleared.get(step).copied().unwrap_or(0);
            prop_assert!(*fired <= 1 + cleared, "{step:?} fired {fired} times, cleared {cleared} times");
        }
    }

    #[test]
    fn nothing_is_lost_and_terminal_entries_come_once((deeds, delete) in life()) {
        let mut world = lived(&deeds, delete);
        let ended: Vec<u32> = world.desk.entries().filter_map(|entry| match entry {
            Entry::Ended { task, .. } => Some(*task),
            _ => None,
        }).collect();
        let once: BTreeSet<u32> = ended.iter().copied().collect();
        prop_assert_eq!(ended.len(), once.len());
        // What rests or runs can always be brought to an end.
        for _ in 0..400 {
            let desk = &mut world.desk;
            if let Some((task, attempt)) = desk.owner.running() {
                desk.end(task, attempt, completed("yes"));
                continue;
            }
            let open = desk.owner.journal().open.iter().find_map(|(task, open)| {
                let rests = |state: &StepState| matches!(state, StepState::Unknown | StepState::Waiting { .. });
                let step = open.steps.values().find(|step| rests(&step.state))?;
                Some((*task, step.head.number, step.state == StepState::Unknown))
            });
            match open {
                Some((task, number, true)) => { desk.resolve(task, number, ResolveAction::SettleNotDone); }
                Some((task, number, false)) => { desk.resolve(task, number, ResolveAction::Reject); }
                None => break,
            }
        }
        let desk = &world.desk;
        prop_assert!(desk.owner.journal().open.is_empty(), "stuck: {:?}", desk.owner.journal().open);
        let accepted = desk.entries().filter(|entry| matches!(entry, Entry::Accepted(_))).count();
        for task in 0..u32::try_from(accepted).unwrap() {
            prop_assert!(desk.row(task).status.is_terminal());
            let told = crate::OpenTask::replay(task, &desk.slots).unwrap();
            prop_assert_eq!(told.status(), desk.row(task).status);
            prop_assert_ne!(told.status(), TaskStatus::Running);
        }
    }
}
