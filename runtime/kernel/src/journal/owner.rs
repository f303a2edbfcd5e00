//! The owner of a journal, without I/O: what happens goes in, what is to be done comes out.
//!
//! The orchestrator's session actor drives it with a real store and real agents, the simulator with a lossy
//! network and crashes. It keeps the output commit: what must not leave before everything preceding it is
//! durable is deferred behind the entries staged so far.

mod attempts;
mod commands;
mod spending;
mod steps;

pub use steps::StepCost;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::action::{Action, Reply, RequestId};
use super::protocol::{EffectAfter, EpochCollision, OwnAppend, Protocol, Unanswered};
use crate::{
    Append, Appended, Effect, Entry, Journal, JournalKey, Nonce, Opened, Position, Projection, Slot,
    StepCall, StepHead, StepKind, StepPath, TaskRow, Timestamp, Usage, Writer,
};

/// How many tasks of one journal may be open at once.
pub const QUEUE_BOUND: usize = 64;
/// How many attempts may die with their owner without a newly finished step in between.
pub const OWNER_LOSS_BOUND: u32 = 32;
/// How many attempts may die with their agent without a newly finished step in between.
pub const DEATH_BOUND: u32 = 2;

/// One owner of one journal.
#[derive(Debug, Clone)]
pub struct Owner {
    pub(super) key: JournalKey,
    pub(super) writer: Writer,
    pub(super) protocol: Protocol,
    pub(super) journal: Journal,
    pub(super) phase: Phase,
    pub(super) running: Option<Running>,
    /// The task that may have been running when its owner was lost.
    pub(super) suspect: Option<u32>,
    pub(super) actions: Vec<Action>,
    nonce_seed: u64,
    nonces: u64,
    in_flight: VecDeque<InFlight>,
    staged: Vec<Entry>,
    staged_rows: Projection,
    staged_at: Timestamp,
    staged_total: u64,
    durable_total: u64,
    deferred: VecDeque<(u64, Action)>,
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// The epoch record is not confirmed: nothing is acted on. Holds the journal as read.
    Claiming { before: Box<Journal> },
    /// The journal is this owner's.
    Owning,
    /// Another owner writes it.
    Deposed,
}

/// The attempt that runs now.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) task: u32,
    pub(super) attempt: u32,
    /// The version of the agent that runs it, once it is known.
    pub(super) version: Option<Arc<str>>,
    pub(super) live: BTreeMap<StepPath, LiveStep>,
    /// A person is asked: the attempt ends once no step runs whose interruption would leave its outcome unknown.
    pub(super) parking: bool,
}

impl Running {
    pub(super) fn has_doubtful_live(&self) -> bool {
        self.live
            .values()
            .any(|step| step.head.effect == Effect::NonIdempotent)
    }
}

/// A step that was let go and has not come back.
#[derive(Debug, Clone)]
pub(super) struct LiveStep {
    pub(super) head: StepHead,
    pub(super) performed: bool,
    pub(super) started_at: Timestamp,
    /// What it has used so far, as far as this owner was told.
    pub(super) spent: Usage,
}

#[derive(Debug, Clone)]
struct InFlight {
    append: Append,
    covers: u64,
}

impl Owner {
    /// Opens a new journal: its first slot carries this writer's epoch. Entries staged before the first
    /// `actions` call travel in that slot too. `nonce_seed` must be random.
    pub fn open(key: JournalKey, writer: Writer, nonce_seed: u64, opened: Opened, now: Timestamp) -> Self {
        let journal = Journal::empty(key.journal.clone());
        let mut owner = Self::new(key, writer, nonce_seed, journal, Phase::Owning, Protocol::SOUND);
        owner.stage(now, Entry::Opened(opened));
        owner
    }

    /// Takes over a journal as read: an epoch record first, then what recovery asks for.
    pub fn take(key: JournalKey, writer: Writer, nonce_seed: u64, journal: Journal, now: Timestamp) -> Self {
        Self::take_by(Protocol::SOUND, key, writer, nonce_seed, journal, now)
    }

    /// Takes over by another protocol: for the simulator, which plants holes.
    pub(super) fn take_by(
        protocol: Protocol,
        key: JournalKey,
        writer: Writer,
        nonce_seed: u64,
        journal: Journal,
        now: Timestamp,
    ) -> Self {
        let phase = Phase::Claiming {
            before: Box::new(journal.clone()),
        };
        let mut owner = Self::new(key, writer, nonce_seed, journal, phase, protocol);
        owner.claim(now);
        owner
    }

    fn new(
        key: JournalKey,
        writer: Writer,
        nonce_seed: u64,
        journal: Journal,
        phase: Phase,
        protocol: Protocol,
    ) -> Self {
        Self {
            key,
            writer,
            protocol,
            journal,
            phase,
            running: None,
            suspect: None,
            actions: Vec::new(),
            nonce_seed,
            nonces: 0,
            in_flight: VecDeque::new(),
            staged: Vec::new(),
            staged_rows: Projection::default(),
            staged_at: Timestamp::default(),
            staged_total: 0,
            durable_total: 0,
            deferred: VecDeque::new(),
        }
    }

    fn claim(&mut self, now: Timestamp) {
        // One that was resolved and not begun again had to wait: a later one was running.
        let ran = self
            .journal
            .open
            .iter()
            .find(|(_, task)| !task.is_unknown() && !task.resolved);
        self.suspect = ran
            .filter(|(_, task)| !task.is_waiting())
            .map(|(ordinal, _)| *ordinal);
        self.stage(now, Entry::Epoch);
        self.recover(now);
    }

    /// The journal as this owner sees it: what is durable and what it has staged.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Forgets idempotency keys of ended tasks that are older than their retention.
    pub fn forget_old_keys(&mut self, now: Timestamp) {
        self.journal.forget_old_keys(now);
    }

    /// Which journal.
    pub fn key(&self) -> &JournalKey {
        &self.key
    }

    /// Whether the journal is confirmed to be this owner's.
    pub fn is_owning(&self) -> bool {
        matches!(self.phase, Phase::Owning)
    }

    /// Whether another owner writes the journal.
    pub fn is_deposed(&self) -> bool {
        matches!(self.phase, Phase::Deposed)
    }

    /// Whether everything staged is durable.
    pub fn is_settled(&self) -> bool {
        self.staged.is_empty() && self.in_flight.is_empty()
    }

    /// Whether nothing runs, nothing is being written and no task could go on by itself.
    pub fn is_idle(&self) -> bool {
        self.is_settled() && self.running.is_none()
    }

    /// Whether another owner may go on from here with nothing lost and nothing in doubt: nothing is being written, and
    /// no step runs that is a model call, or neither read-only nor keyed.
    pub fn is_at_boundary(&self) -> bool {
        let dear =
            |step: &LiveStep| step.head.kind == StepKind::Model || step.head.effect == Effect::NonIdempotent;
        let running = self.running.iter().flat_map(|running| running.live.values());
        self.is_settled() && !running.into_iter().any(dear)
    }

    /// Whether a step runs whose interruption would leave its outcome unknown.
    pub fn has_doubtful_live(&self) -> bool {
        self.running.as_ref().is_some_and(Running::has_doubtful_live)
    }

    /// Writes down that this owner lets go, at a boundary in the middle of an attempt: the next one loses nothing by it,
    /// and need not ask. Nothing at all while no attempt runs, and nothing twice of one that does. The owner is left once
    /// this is settled.
    pub fn release(&mut self, now: Timestamp) {
        let running = self.running.as_ref().map(|running| running.task);
        let open = running.and_then(|task| self.journal.open.get(&task));
        // One that ended while this was being written has made room for the next.
        if self.is_owning() && open.is_some_and(|task| !task.handed_over) {
            self.stage(now, Entry::Released);
        }
    }

    /// The attempt that runs: its task and number.
    pub fn running(&self) -> Option<(u32, u32)> {
        self.running
            .as_ref()
            .map(|running| (running.task, running.attempt))
    }

    /// What is to be done now, in order. Sends what is staged, if nothing is in flight.
    pub fn actions(&mut self) -> Vec<Action> {
        self.send();
        std::mem::take(&mut self.actions)
    }

    /// The oldest append in flight was answered.
    pub fn appended(&mut self, now: Timestamp, nonce: Nonce, outcome: Appended) {
        let Some(index) = self
            .in_flight
            .iter()
            .position(|sent| sent.append.slot.nonce == nonce)
        else {
            return;
        };
        match outcome {
            Appended::Stored => self.confirmed(index, now),
            Appended::Collided(occupant) => {
                let sent = &self.in_flight[index].append.slot;
                let own = match self.protocol.own_append {
                    OwnAppend::Nonce => occupant.nonce == sent.nonce,
                    OwnAppend::Writer => occupant.writer == sent.writer,
                };
                if own {
                    self.confirmed(index, now);
                } else {
                    self.collided(index, now, &occupant);
                }
            }
        }
    }

    /// No answer came to an append: what to send now.
    pub fn unanswered(&mut self, nonce: Nonce) -> Option<Append> {
        let index = self
            .in_flight
            .iter()
            .position(|sent| sent.append.slot.nonce == nonce)?;
        match self.protocol.unanswered {
            Unanswered::Resend => Some(self.in_flight[index].append.clone()),
            Unanswered::Drop => {
                self.in_flight.remove(index);
                None
            }
        }
    }

    /// A slot was read back: if it is past what this owner folded and not its own append, another owner writes.
    pub fn observed(&mut self, slot: &Slot) {
        let own = self
            .in_flight
            .iter()
            .any(|sent| sent.append.slot.nonce == slot.nonce);
        if self.is_owning() && slot.seq >= self.journal.next && !own {
            self.depose();
        }
    }

    fn next_unsent(&self) -> u64 {
        self.journal.next + self.in_flight.len() as u64
    }

    /// Stages an entry: it counts in this owner's view at once, and travels with the next append.
    pub(super) fn stage(&mut self, now: Timestamp, entry: Entry) {
        if self.staged.is_empty() {
            self.staged_at = now;
        }
        let position = Position {
            seq: self.next_unsent(),
            index: u32::try_from(self.staged.len()).unwrap_or(u32::MAX),
        };
        self.journal.apply_entry(
            position,
            self.staged_at,
            &self.writer,
            &entry,
            Some(&mut self.staged_rows),
        );
        self.staged.push(entry);
        self.staged_total += 1;
    }

    /// Lets an action out when everything staged so far is durable: the output commit.
    pub(super) fn when_durable(&mut self, action: Action) {
        if self.durable_total == self.staged_total {
            self.actions.push(action);
        } else {
            self.deferred.push_back((self.staged_total, action));
        }
    }

    /// Lets an effect out: by the sound protocol, when everything before it is durable.
    pub(super) fn release_effect(&mut self, action: Action) {
        match self.protocol.effect {
            EffectAfter::Durable => self.when_durable(action),
            EffectAfter::Sent => self.actions.push(action),
        }
    }

    /// Answers a caller with a task's row, when that row is durable.
    pub(super) fn reply(&mut self, request: RequestId, reply: Result<Reply, crate::Failure>) {
        self.when_durable(Action::Reply { request, reply });
    }

    /// A task's row as this owner sees it, ended in the staged entries or open.
    pub(super) fn row(&self, ordinal: u32) -> Option<TaskRow> {
        let staged = self
            .staged_rows
            .tasks
            .iter()
            .find(|row| row.id.ordinal == ordinal);
        staged.cloned().or_else(|| self.journal.task_row(ordinal))
    }

    fn send(&mut self) {
        while !self.staged.is_empty() && self.in_flight.len() < self.protocol.appends_in_flight {
            let nonce = Nonce(u128::from(self.nonce_seed) << 64 | u128::from(self.nonces));
            self.nonces += 1;
            let slot = Slot {
                seq: self.next_unsent(),
                nonce,
                writer: self.writer.clone(),
                at: self.staged_at,
                entries: std::mem::take(&mut self.staged),
            };
            let rows = std::mem::take(&mut self.staged_rows);
            let append = Append {
                key: self.key.clone(),
                slot,
                rows,
            };
            self.actions.push(Action::Append(Box::new(append.clone())));
            self.in_flight.push_back(InFlight {
                append,
                covers: self.staged_total,
            });
        }
    }

    fn confirmed(&mut self, index: usize, now: Timestamp) {
        let Some(InFlight { append, covers }) = self.in_flight.remove(index) else {
            return;
        };
        self.journal.next = self.journal.next.max(append.slot.seq + 1);
        self.durable_total = self.durable_total.max(covers);
        let claimed = matches!(self.phase, Phase::Claiming { .. });
        self.phase = Phase::Owning;
        self.actions.push(Action::Published {
            slot: Arc::new(append.slot),
            rows: append.rows,
        });
        while self
            .deferred
            .front()
            .is_some_and(|(behind, _)| *behind <= self.durable_total)
        {
            self.actions
                .extend(self.deferred.pop_front().map(|(_, action)| action));
        }
        if claimed {
            self.schedule(now);
        }
    }

    fn collided(&mut self, index: usize, now: Timestamp, occupant: &Slot) {
        let Phase::Claiming { before } = &self.phase else {
            return self.depose();
        };
        let mut journal = (**before).clone();
        match self.protocol.epoch_collision {
            EpochCollision::Fold => {
                if journal.apply(occupant).is_err() {
                    return self.depose();
                }
            }
            EpochCollision::Skip => journal.next = occupant.seq + 1,
        }
        self.in_flight.remove(index);
        self.staged.clear();
        self.staged_rows = Projection::default();
        self.staged_total = 0;
        self.durable_total = 0;
        self.deferred.clear();
        self.journal = journal.clone();
        self.phase = Phase::Claiming {
            before: Box::new(journal),
        };
        self.claim(now);
    }

    fn depose(&mut self) {
        if let Some(running) = self.running.take() {
            let (task, attempt) = (running.task, running.attempt);
            self.actions.push(Action::Halt {
                task,
                attempt,
                reason: "the session has another owner",
            });
        }
        self.phase = Phase::Deposed;
        self.staged.clear();
        self.in_flight.clear();
        self.deferred.clear();
        self.actions.push(Action::Deposed);
    }
}

/// A step as an agent asked for it, for comparing with what the journal holds.
pub(super) fn identity(call: &StepCall) -> crate::InputHash {
    crate::InputHash::of(&[call.name.as_deref().unwrap_or(""), &call.input])
}
