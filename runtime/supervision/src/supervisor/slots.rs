//! A supervisor's children, in the order they were added.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ractor::{ActorCell, ActorId};
use tokio::time::Instant;

use super::{AddError, RemoveError};
use crate::child::Child;
use crate::handle::Reply;
use crate::life::Life;
use crate::tree::Node;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not started yet, or stopped to be started again.
    Waiting,
    Starting,
    Running,
    Stopping,
    /// Failed, and waiting for its time.
    Backoff,
}

pub(super) struct Slot {
    pub(super) child: Child,
    pub(super) node: Arc<Node>,
    /// Added while running, not part of what the supervisor starts with.
    pub(super) dynamic: bool,
    pub(super) phase: Phase,
    pub(super) incarnation: u32,
    pub(super) running: Option<(ActorCell, Life)>,
    pub(super) running_since: Option<Instant>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) adding: Option<Reply<Result<(), AddError>>>,
    pub(super) removing: Vec<Reply<Result<(), RemoveError>>>,
}

impl Slot {
    pub(super) fn new(child: Child, node: Arc<Node>, adding: Option<Reply<Result<(), AddError>>>) -> Self {
        Self {
            child,
            node,
            dynamic: adding.is_some(),
            phase: Phase::Waiting,
            incarnation: 0,
            running: None,
            running_since: None,
            failures: 0,
            adding,
            removing: Vec::new(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running | Phase::Stopping)
    }
}

#[derive(Default)]
pub(super) struct Slots {
    next: u64,
    slots: BTreeMap<u64, Slot>,
    by_name: HashMap<Arc<str>, u64>,
    by_actor: HashMap<ActorId, u64>,
}

impl Slots {
    pub(super) fn insert(&mut self, slot: Slot) -> u64 {
        let id = self.next;
        self.next += 1;
        self.by_name.insert(Arc::clone(&slot.child.name), id);
        self.slots.insert(id, slot);
        id
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        self.by_name.remove(&slot.child.name);
        Some(slot)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Slot> {
        self.slots.get_mut(&id)
    }

    pub(super) fn named(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.slots.values()
    }

    /// From `first` on, in order.
    pub(super) fn from(&self, first: u64) -> impl DoubleEndedIterator<Item = (u64, &Slot)> {
        self.slots.range(first..).map(|(id, slot)| (*id, slot))
    }

    pub(super) fn started(&mut self, id: u64, actor: ActorCell, life: Life) {
        if let Some(slot) = self.slots.get_mut(&id) {
            self.by_actor.insert(actor.get_id(), id);
            slot.running = Some((actor, life));
        }
    }

    /// The slot's incarnation is over; what it was.
    pub(super) fn ended(&mut self, id: u64) -> Option<(ActorCell, Life)> {
        let running = self.slots.get_mut(&id)?.running.take()?;
        self.by_actor.remove(&running.0.get_id());
        Some(running)
    }

    pub(super) fn of_actor(&self, actor: &ActorCell) -> Option<u64> {
        self.by_actor.get(&actor.get_id()).copied()
    }

    pub(super) fn life_of(&self, actor: &ActorCell) -> Option<(u64, Life)> {
        let id = self.of_actor(actor)?;
        let (_, life) = self.slots.get(&id)?.running.as_ref()?;
        Some((id, life.clone()))
    }

    /// Whether what is said about this incarnation is still news.
    pub(super) fn is_current(&self, id: u64, incarnation: u32) -> bool {
        self.slots
            .get(&id)
            .is_some_and(|slot| slot.incarnation == incarnation && slot.is_alive())
    }
}
