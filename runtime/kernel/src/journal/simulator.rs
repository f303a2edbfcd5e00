//! The journal's protocol under faults: several owners, a lossy network, crashes, and one holed rule at a time.
//!
//! The same space as the design's model: appends are delayed, duplicated or unanswered, anyone may try to take
//! the journal, clients retry their keys, and each task has one step. Random schedules from fixed seeds: the
//! sound protocol must survive all of them, and every planted hole must be found by some.

use std::collections::BTreeMap;

mod handing_on;

use super::*;
use crate::{
    Accepted, AgentName, Append, Appended, Effect, Entry, IdempotencyKey, InputHash, JournalKey, JournalKind,
    Limits, NodeId, Nonce, Opened, Payload, SessionId, Slot, StepCall, StepKind, StepOutcome, StepPath,
    Subject, TenantId, Timestamp, Writer,
};

/// What can be wrong with the world beside the owners' protocol.
#[derive(Debug, Clone, Copy)]
struct Setup {
    protocol: Protocol,
    effect: Effect,
    keys: usize,
    owners: usize,
    crashes: u32,
    losses: u32,
    duplicates: u32,
    takes: u32,
    stale_reads: bool,
    probes: bool,
    compaction_deletes: bool,
    /// How often an owner is asked to let go.
    releases: u32,
    letting_go: LettingGo,
}

/// When an owner that was asked to let go does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LettingGo {
    /// At its next step boundary, when that is durable.
    Soundly,
    /// In the middle of a step: a hole.
    Anywhere,
    /// Before it is durable that it lets go: a hole.
    Unsettled,
}

const SOUND: Setup = Setup {
    protocol: Protocol::SOUND,
    effect: Effect::NonIdempotent,
    keys: 2,
    owners: 2,
    crashes: 2,
    losses: 3,
    duplicates: 2,
    takes: 3,
    stale_reads: true,
    probes: true,
    compaction_deletes: false,
    releases: 2,
    letting_go: LettingGo::Soundly,
};

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Violation {
    Belief,
    Gap,
    Lost,
    Twice,
    Redo,
    Stuck,
    /// Released while a step was in doubt.
    Doubt,
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % n
    }
}

/// What an agent of a node is about to do.
#[derive(Debug, Clone)]
enum Agent {
    Ask { task: u32, attempt: u32 },
    Fire { task: u32, attempt: u32 },
    Report { task: u32, attempt: u32 },
    Finish { task: u32, attempt: u32 },
}

struct Node {
    incarnation: u64,
    up: bool,
    owner: Option<Owner>,
    /// It was asked to let go.
    releasing: bool,
    unanswered: Vec<Append>,
    agents: Vec<Agent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Unsent,
    At(usize),
    Acknowledged,
}

struct World {
    setup: Setup,
    rng: Rng,
    slots: Vec<Option<Slot>>,
    nodes: Vec<Node>,
    net: Vec<(usize, u64, Append)>,
    clients: Vec<Client>,
    fired: BTreeMap<u32, u32>,
    crashes: u32,
    losses: u32,
    duplicates: u32,
    takes: u32,
    releases: u32,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Deliver(usize),
    Unanswered(usize, usize),
    Crash(usize),
    Restart(usize),
    Take(usize),
    Send(usize, usize),
    Agent(usize, usize),
    Probe(usize),
    Release(usize),
    Compact,
}

fn key() -> JournalKey {
    JournalKey {
        tenant: TenantId::parse("t").unwrap(),
        journal: SessionId::parse("s").unwrap(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000)
}

fn writer(node: usize, incarnation: u64) -> Writer {
    Writer {
        node: NodeId::parse(&format!("n{node}")).unwrap(),
        incarnation,
    }
}

fn task(k: usize) -> NewTask {
    let key = IdempotencyKey::parse(&format!("k{k}")).unwrap();
    NewTask {
        accepted: Accepted {
            ordinal: 0,
            agent: AgentName::parse("a").unwrap(),
            input: Payload::inline("{}"),
            turn: false,
            key,
            input_hash: InputHash::of(&["x"]),
            deadline: None,
            limits: Limits::default(),
            model: None,
            metadata: None,
            parent: None,
            retries: None,
            subject: Subject::parse("u").unwrap(),
            trace: None,
        },
        message: None,
    }
}

fn call(effect: Effect) -> StepCall {
    StepCall {
        path: StepPath::parse("0").unwrap(),
        kind: StepKind::Effect,
        name: Some("fire".into()),
        effect,
        input: "null".into(),
        visible: false,
    }
}

impl World {
    fn new(setup: Setup, seed: u64) -> Self {
        let opened = Opened {
            kind: JournalKind::Session,
            subject: Subject::parse("u").unwrap(),
            title: None,
            metadata: None,
            call: None,
        };
        let first = Slot {
            seq: 0,
            nonce: Nonce(0),
            writer: writer(99, 0),
            at: now(),
            entries: vec![Entry::Opened(opened)],
        };
        let node = || Node {
            incarnation: 0,
            up: true,
            owner: None,
            releasing: false,
            unanswered: Vec::new(),
            agents: Vec::new(),
        };
        Self {
            setup,
            rng: Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            slots: vec![Some(first)],
            nodes: (0..setup.owners).map(|_| node()).collect(),
            net: Vec::new(),
            clients: vec![Client::Unsent; setup.keys],
            fired: BTreeMap::new(),
            crashes: setup.crashes,
            losses: setup.losses,
            duplicates: setup.duplicates,
            takes: setup.takes,
            releases: setup.releases,
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten().flat_map(|slot| &slot.entries)
    }

    fn accepted(&self, k: usize) -> Option<u32> {
        let wanted = format!("k{k}");
        self.entries().find_map(|entry| match entry {
            Entry::Accepted(accepted) if accepted.key.as_str() == wanted => Some(accepted.ordinal),
            _ => None,
        })
    }

    fn at_rest(&self, ordinal: u32) -> bool {
        self.entries().any(|entry| match entry {
            Entry::Ended { task, .. } | Entry::StepUnknown { task, .. } => *task == ordinal,
            _ => false,
        })
    }

    fn done(&self) -> bool {
        (0..self.setup.keys).all(|k| {
            self.clients[k] == Client::Acknowledged && self.accepted(k).is_some_and(|n| self.at_rest(n))
        })
    }

    /// What may happen now. Without faults, only what a healthy system does by itself.
    fn events(&self, faults: bool) -> Vec<Event> {
        let mut events = Vec::new();
        events.extend((0..self.net.len()).map(Event::Deliver));
        let nobody = !self.nodes.iter().any(|node| node.up && node.owner.is_some());
        for (i, node) in self.nodes.iter().enumerate() {
            if !node.up {
                events.push(Event::Restart(i));
                continue;
            }
            if faults && self.crashes > 0 {
                events.push(Event::Crash(i));
            }
            let in_net = |append: &Append| {
                self.net
                    .iter()
                    .any(|(_, _, sent)| sent.slot.nonce == append.slot.nonce)
            };
            for (a, append) in node.unanswered.iter().enumerate() {
                if (faults && self.losses > 0) || !in_net(append) {
                    events.push(Event::Unanswered(i, a));
                }
            }
            match &node.owner {
                None if nobody || (faults && self.takes > 0) => events.push(Event::Take(i)),
                Some(owner) if owner.is_owning() => {
                    let unsent = |k: &usize| self.clients[*k] == Client::Unsent;
                    events.extend((0..self.setup.keys).filter(unsent).map(|k| Event::Send(k, i)));
                    if self.setup.probes {
                        events.push(Event::Probe(i));
                    }
                    if self.releases > 0 && !node.releasing {
                        events.push(Event::Release(i));
                    }
                }
                _ => {}
            }
            events.extend((0..node.agents.len()).map(|a| Event::Agent(i, a)));
        }
        if self.setup.compaction_deletes && self.done_with_all_accepted() {
            events.push(Event::Compact);
        }
        events
    }

    fn done_with_all_accepted(&self) -> bool {
        let mut accepted = (0..self.setup.keys).filter_map(|k| self.accepted(k)).peekable();
        accepted.peek().is_some() && accepted.all(|n| self.at_rest(n))
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver(m) => self.deliver(m),
            Event::Unanswered(i, a) => {
                let append = self.nodes[i].unanswered.remove(a);
                self.losses = self.losses.saturating_sub(1);
                let again = self.nodes[i]
                    .owner
                    .as_mut()
                    .and_then(|owner| owner.unanswered(append.slot.nonce));
                if let Some(append) = again {
                    self.send(i, append);
                }
                self.settle(i)
            }
            Event::Crash(i) => {
                self.crashes -= 1;
                self.nodes[i].up = false;
                self.forget(i);
                Ok(())
            }
            Event::Restart(i) => {
                self.nodes[i].up = true;
                self.nodes[i].incarnation += 1;
                Ok(())
            }
            Event::Take(i) => {
                self.takes = self.takes.saturating_sub(1);
                let stale = self.setup.stale_reads && self.rng.below(3) == 0;
                let until = self.slots.len() - usize::from(stale && self.slots.len() > 1);
                let mut journal = Journal::empty(key().journal);
                for slot in self.slots[..until].iter().map_while(|slot| {
                    if self.setup.compaction_deletes {
                        Some(slot.as_ref())
                    } else {
                        slot.as_ref().map(Some)
                    }
                }) {
                    match slot {
                        Some(slot) => journal.apply(slot).map_err(|_| Violation::Gap)?,
                        None => journal.next += 1,
                    }
                }
                let node = &mut self.nodes[i];
                let by = writer(i, node.incarnation);
                let seed = self.rng.next() | 1;
                node.owner = Some(Owner::take_by(
                    self.setup.protocol,
                    key(),
                    by,
                    seed,
                    journal,
                    now(),
                ));
                self.settle(i)
            }
            Event::Send(k, i) => {
                self.clients[k] = Client::At(i);
                let request = RequestId(k as u64);
                self.nodes[i]
                    .owner
                    .as_mut()
                    .unwrap()
                    .accept(now(), request, task(k));
                self.settle(i)
            }
            Event::Agent(i, a) => self.agent(i, a),
            Event::Probe(i) => {
                let tail = self.slots.last().cloned().flatten();
                if let (Some(owner), Some(tail)) = (self.nodes[i].owner.as_mut(), tail) {
                    owner.observed(&tail);
                }
                self.settle(i)
            }
            Event::Release(i) => {
                self.releases -= 1;
                self.nodes[i].releasing = true;
                self.settle(i)
            }
            Event::Compact => {
                let last = self.slots.len() - 1;
                for slot in &mut self.slots[1..last] {
                    if slot.as_ref().is_some_and(|s| !s.entries.contains(&Entry::Epoch)) {
                        *slot = None;
                    }
                }
                Ok(())
            }
        }
    }

    fn send(&mut self, i: usize, append: Append) {
        self.nodes[i].unanswered.push(append.clone());
        self.net.push((i, self.nodes[i].incarnation, append));
    }

    fn deliver(&mut self, m: usize) -> Result<(), Violation> {
        let duplicate = self.duplicates > 0 && self.rng.below(4) == 0;
        let (i, incarnation, append) = self.net[m].clone();
        if duplicate {
            self.duplicates -= 1;
        } else {
            self.net.swap_remove(m);
        }
        let seq = usize::try_from(append.slot.seq).unwrap();
        if seq > self.slots.len() {
            return Err(Violation::Gap);
        }
        if seq == self.slots.len() {
            self.slots.push(None);
        }
        let outcome = match &self.slots[seq] {
            Some(occupant) => Appended::Collided(Box::new(occupant.clone())),
            None => {
                self.slots[seq] = Some(append.slot.clone());
                Appended::Stored
            }
        };
        let node = &mut self.nodes[i];
        let waits = node
            .unanswered
            .iter()
            .position(|sent| sent.slot.nonce == append.slot.nonce);
        let lost = self.losses > 0 && self.rng.below(4) == 0;
        if lost {
            self.losses -= 1;
        }
        if let (true, Some(a), Some(owner), false) = (
            node.up && node.incarnation == incarnation,
            waits,
            node.owner.as_mut(),
            lost,
        ) {
            node.unanswered.remove(a);
            owner.appended(now(), append.slot.nonce, outcome);
        }
        self.settle(i)
    }

    fn agent(&mut self, i: usize, a: usize) -> Result<(), Violation> {
        let agent = self.nodes[i].agents.remove(a);
        let effect = self.setup.effect;
        let path = StepPath::parse("0").unwrap();
        let holds_back = self.holds_calls_back(i);
        let Some(owner) = self.nodes[i].owner.as_mut() else {
            return Ok(());
        };
        match agent {
            Agent::Ask { .. } if holds_back => {}
            Agent::Ask { task, attempt } => owner.step_called(now(), task, attempt, call(effect)),
            Agent::Fire { task, attempt } => {
                *self.fired.entry(task).or_default() += 1;
                self.nodes[i].agents.push(Agent::Report { task, attempt });
            }
            Agent::Report { task, attempt } => {
                let outcome = StepOutcome::Done(Payload::inline("1"));
                owner.step_finished(now(), task, attempt, &path, outcome, StepCost::default());
                self.nodes[i].agents.push(Agent::Finish { task, attempt });
            }
            Agent::Finish { task, attempt } => {
                let end = AttemptEnd::Completed {
                    content: None,
                    data: None,
                };
                owner.attempt_ended(now(), task, attempt, end);
            }
        }
        self.settle(i)
    }

    fn forget(&mut self, i: usize) {
        self.nodes[i].owner = None;
        self.nodes[i].releasing = false;
        self.nodes[i].unanswered.clear();
        self.nodes[i].agents.clear();
        for client in &mut self.clients {
            if *client == Client::At(i) {
                *client = Client::Unsent;
            }
        }
    }

    /// Carries out what an owner wants, until it wants nothing.
    fn settle(&mut self, i: usize) -> Result<(), Violation> {
        while let Some(owner) = self.nodes[i].owner.as_mut() {
            let actions = owner.actions();
            if actions.is_empty() {
                if self.lets_go(i) {
                    continue;
                }
                break;
            }
            for action in actions {
                self.perform(i, action)?;
            }
        }
        self.check()
    }

    fn perform(&mut self, i: usize, action: Action) -> Result<(), Violation> {
        match action {
            Action::Append(append) => self.send(i, *append),
            Action::Published { slot, .. } => {
                let seq = usize::try_from(slot.seq).unwrap();
                let stored = self.slots.get(seq).cloned().flatten();
                if !self.setup.compaction_deletes && stored.as_ref() != Some(&*slot) {
                    return Err(Violation::Belief);
                }
            }
            // Whoever has the journal next begins it.
            Action::Begin { .. } if self.nodes[i].releasing => {}
            Action::Begin { task, attempt } => self.nodes[i].agents.push(Agent::Ask { task, attempt }),
            Action::Go { task, attempt, .. } => {
                let finished = self.entries().any(|e| matches!(e, Entry::StepDone { task: t, .. } if *t == task));
                let current = self.current_writer() == Some(writer(i, self.nodes[i].incarnation));
                if finished && current {
                    return Err(Violation::Redo);
                }
                self.nodes[i].agents.push(Agent::Fire { task, attempt });
            }
            Action::Answer { task, attempt, .. } => self.nodes[i].agents.push(Agent::Finish { task, attempt }),
            Action::Reply { request, reply } => {
                let client = &mut self.clients[usize::try_from(request.0).unwrap()];
                if *client == Client::At(i) {
                    *client = if reply.is_ok() { Client::Acknowledged } else { Client::Unsent };
                }
            }
            // An effect that was let go may still happen: the network to it is not the owner's.
            Action::Halt { task, .. } => self.nodes[i].agents.retain(|agent| !matches!(agent,
                Agent::Ask { task: t, .. } | Agent::Report { task: t, .. } | Agent::Finish { task: t, .. } if *t == task)),
            Action::Deposed => self.leave(i),
            Action::Perform { .. } => unreachable!("the simulated agents only ask for effects"),
        }
        Ok(())
    }

    /// The owner is left; an effect that was let go may still happen.
    fn leave(&mut self, i: usize) {
        let agents = std::mem::take(&mut self.nodes[i].agents);
        self.forget(i);
        for agent in agents {
            if let Agent::Fire { task, .. } = agent {
                *self.fired.entry(task).or_default() += 1;
            }
        }
    }

    fn current_writer(&self) -> Option<Writer> {
        let mut epochs = self
            .slots
            .iter()
            .flatten()
            .filter(|slot| slot.entries.contains(&Entry::Epoch));
        epochs.next_back().map(|slot| slot.writer.clone())
    }

    fn check(&self) -> Result<(), Violation> {
        if !self.setup.compaction_deletes && self.slots.iter().any(Option::is_none) {
            return Err(Violation::Gap);
        }
        let lost = |k: usize| self.clients[k] == Client::Acknowledged && self.accepted(k).is_none();
        if !self.setup.compaction_deletes && (0..self.setup.keys).any(lost) {
            return Err(Violation::Lost);
        }
        if self.setup.effect == Effect::NonIdempotent && self.fired.values().any(|n| *n > 1) {
            return Err(Violation::Twice);
        }
        if self.releases_in_doubt() {
            return Err(Violation::Doubt);
        }
        Ok(())
    }

    /// One random schedule with faults, then a drain without any.
    fn run(mut self) -> Result<(), Violation> {
        for _ in 0..120 {
            let events = self.events(true);
            if events.is_empty() {
                break;
            }
            let event = events[self.rng.below(events.len())];
            self.step(event)?;
        }
        (self.crashes, self.losses, self.duplicates, self.takes) = (0, 0, 0, 0);
        self.releases = 0;
        if self.setup.compaction_deletes {
            return Ok(());
        }
        for _ in 0..4_000 {
            if self.done() {
                return Ok(());
            }
            let events = self.events(false);
            if events.is_empty() {
                break;
            }
            let event = events[self.rng.below(events.len())];
            self.step(event)?;
        }
        if self.done() {
            Ok(())
        } else {
            Err(Violation::Stuck)
        }
    }
}

/// The first violation among that many schedules.
fn explore(setup: Setup, schedules: u64) -> Option<(u64, Violation)> {
    (1..=schedules).find_map(|seed| {
        World::new(setup, seed)
            .run()
            .err()
            .map(|violation| (seed, violation))
    })
}

#[test]
fn the_sound_protocol_survives_every_schedule_for_effects_that_must_not_repeat() {
    assert_eq!(explore(SOUND, 6_000), None);
}

#[test]
fn the_sound_protocol_survives_every_schedule_for_keyed_effects() {
    assert_eq!(
        explore(
            Setup {
                effect: Effect::Idempotent,
                ..SOUND
            },
            3_000
        ),
        None
    );
}

#[test]
fn the_sound_protocol_survives_three_owners() {
    assert_eq!(
        explore(
            Setup {
                owners: 3,
                takes: 5,
                ..SOUND
            },
            3_000
        ),
        None
    );
}

#[test]
fn without_faults_no_outcome_is_unknown() {
    let calm = Setup {
        crashes: 0,
        takes: 1,
        losses: 0,
        duplicates: 0,
        ..SOUND
    };
    for seed in 1..=500 {
        let mut world = World::new(calm, seed);
        for _ in 0..2_000 {
            if world.done() {
                break;
            }
            let events = world.events(false);
            let event = events[world.rng.below(events.len())];
            world.step(event).unwrap();
        }
        assert!(world.done());
        assert!(
            !world
                .entries()
                .any(|entry| matches!(entry, Entry::StepUnknown { .. })),
            "seed {seed}"
        );
    }
}

#[test]
fn dropping_unanswered_appends_and_knowing_own_ones_by_their_writer_is_found() {
    let found = explore(
        Setup {
            protocol: Protocol::DROPS_UNANSWERED,
            releases: 0,
            ..SOUND
        },
        20_000,
    )
    .map(|(_, v)| v);
    assert!(
        matches!(found, Some(Violation::Belief | Violation::Lost | Violation::Gap)),
        "{found:?}"
    );
}

#[test]
fn skipping_a_collided_epoch_is_found() {
    let found = explore(
        Setup {
            protocol: Protocol::SKIPS_COLLIDED_EPOCH,
            ..SOUND
        },
        20_000,
    )
    .map(|(_, v)| v);
    assert!(
        matches!(
            found,
            Some(Violation::Twice | Violation::Redo | Violation::Stuck | Violation::Lost)
        ),
        "{found:?}"
    );
}

#[test]
fn two_appends_in_flight_are_found_to_leave_a_gap() {
    let found = explore(
        Setup {
            protocol: Protocol::PIPELINES,
            ..SOUND
        },
        20_000,
    )
    .map(|(_, v)| v);
    assert_eq!(found, Some(Violation::Gap));
}

#[test]
fn firing_before_the_start_is_durable_is_found_to_fire_twice() {
    let found = explore(
        Setup {
            protocol: Protocol::FIRES_EARLY,
            ..SOUND
        },
        20_000,
    )
    .map(|(_, v)| v);
    assert_eq!(found, Some(Violation::Twice));
}

#[test]
fn never_reading_the_tail_again_is_found_to_leave_work_stuck() {
    let found = explore(
        Setup {
            probes: false,
            keys: 1,
            ..SOUND
        },
        20_000,
    )
    .map(|(_, v)| v);
    assert_eq!(found, Some(Violation::Stuck));
}

#[test]
fn deleting_keys_at_compaction_is_found_to_fire_twice() {
    let setup = Setup {
        compaction_deletes: true,
        duplicates: 4,
        takes: 6,
        ..SOUND
    };
    let found = explore(setup, 50_000).map(|(_, v)| v);
    assert_eq!(found, Some(Violation::Twice));
}
