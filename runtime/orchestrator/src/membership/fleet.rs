//! What every way to a journal's actor asks first: whether it may be here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    Failure, FleetView, HostPort, JournalKey, NodeRow, NodeState, Nodes, Peers, Standing, Writer,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::back::Back;
use super::{MembershipConfig, MembershipParts};

/// How long the scan leaves a journal alone that it found held by another, unless journals move.
const HELD_FOR: Duration = Duration::from_secs(15);
/// How many of those are remembered.
const HELD: usize = 10_000;

/// On whose behalf a journal's actor is asked for, where there is none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A caller's. The journal must belong here, and whoever has it is asked to let go of it.
    Outside,
    /// The scan's. The journal must belong here; whoever works on it is left alone.
    Scan,
    /// This process's own work's, as for a child task: it may be here whomever it belongs to, unless somebody has it.
    Inside,
    /// The same, and whoever has it is asked to let go of it.
    InsideFirmly,
    /// Of a caller or the scan, for a journal that belongs to another who doesn't take it: only if this process wrote last.
    Back,
}

impl Way {
    fn is_placed(self) -> bool {
        matches!(self, Self::Outside | Self::Scan)
    }

    /// Whether a holder is asked to let go.
    pub(super) fn is_firm(self) -> bool {
        matches!(self, Self::Outside | Self::InsideFirmly)
    }
}

/// This process's place among the others, published by the membership actor.
pub(crate) struct Fleet {
    pub(super) config: MembershipConfig,
    pub(super) nodes: Arc<dyn Nodes>,
    pub(super) peers: Arc<dyn Peers>,
    me: Writer,
    address: HostPort,
    view: watch::Sender<Arc<FleetView>>,
    /// What the row is to say.
    state: watch::Sender<NodeState>,
    /// What the kept row says.
    told: watch::Sender<Option<NodeState>>,
    beats: AtomicU64,
    /// Whoever fell silent and was not reached either: it isn't asked again for each of its journals.
    pub(super) buried: Mutex<HashSet<Writer>>,
    /// Journals that belong here and that others were asked to let go of.
    pub(super) followed: Mutex<HashSet<JournalKey>>,
    /// Journals that a scan found held by others, and when.
    held: Mutex<HashMap<JournalKey, Instant>>,
    /// Those who live and didn't answer, and when.
    pub(super) unreached: Mutex<HashMap<Writer, Instant>>,
    /// Journals of others that this process had or was asked for.
    back: Back,
    /// Whether the others have had the time to see that this process leaves.
    noticed: watch::Sender<bool>,
    /// Held by everybody who reads events here.
    readers: Arc<()>,
}

impl Fleet {
    pub(crate) fn new(me: Writer, parts: MembershipParts) -> Self {
        let MembershipParts {
            nodes,
            peers,
            address,
            config,
        } = parts;
        Self {
            config,
            nodes,
            peers,
            view: watch::Sender::new(Arc::new(FleetView::unknown(me.clone()))),
            me,
            address,
            state: watch::Sender::new(NodeState::Serving),
            told: watch::Sender::new(None),
            beats: AtomicU64::new(0),
            buried: Mutex::default(),
            followed: Mutex::default(),
            held: Mutex::default(),
            unreached: Mutex::default(),
            back: Back::default(),
            noticed: watch::Sender::new(false),
            readers: Arc::new(()),
        }
    }

    pub(crate) fn me(&self) -> &Writer {
        &self.me
    }

    /// What is believed now.
    pub(crate) fn view(&self) -> Arc<FleetView> {
        Arc::clone(&self.view.borrow())
    }

    /// Told of changes that move journals or free them.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<FleetView>> {
        self.view.subscribe()
    }

    /// Publishes what is believed. Tells whether journals may have moved by it.
    pub(super) fn publish(&self, view: FleetView) -> bool {
        let view = Arc::new(view);
        self.unreached
            .lock()
            .retain(|writer, _| view.holder(writer).is_some());
        let silent = |writer: &Writer| matches!(view.standing(writer), Standing::Silent(_));
        self.buried
            .lock()
            .retain(|writer| view.may_take() && silent(writer));
        let moved = self.view.send_if_modified(|old| {
            let moved = !view.is_like(old);
            *old = view;
            moved
        });
        if moved {
            self.held.lock().clear();
        }
        moved
    }

    /// The row as it is to be renewed now.
    pub(super) fn next_row(&self) -> NodeRow {
        NodeRow {
            node: self.me.node.clone(),
            incarnation: self.me.incarnation,
            state: self.says(),
            address: self.address.clone(),
            beat: self.beats.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// The row is kept.
    pub(super) fn kept(&self, row: &NodeRow) {
        self.told.send_replace(Some(row.state));
    }

    pub(crate) fn state(&self) -> NodeState {
        *self.state.borrow()
    }

    /// What the row is to say now: who can't take journals must not be sent any.
    pub(super) fn says(&self) -> NodeState {
        match self.state() {
            NodeState::Serving if !self.view().may_take() => NodeState::Draining,
            state => state,
        }
    }

    pub(super) fn states(&self) -> watch::Receiver<NodeState> {
        self.state.subscribe()
    }

    /// From now on the row says so, at once.
    pub(crate) fn become_state(&self, state: NodeState) {
        self.state.send_replace(state);
    }

    /// Waits until the kept row says so.
    pub(crate) async fn has_told(&self, state: NodeState) {
        let mut told = self.told.subscribe();
        // The sender lives as long as this does.
        let _ = told.wait_for(|told| *told == Some(state)).await;
    }

    /// Waits until the others have seen in the kept row that this process leaves; readers are told where to go then.
    pub(crate) async fn is_seen_leaving(&self) {
        self.has_told(NodeState::Draining).await;
        // They look as often as this one does.
        let beat = self.config.beat();
        tokio::time::sleep(beat + beat / 4).await;
        self.let_readers_go();
    }

    /// From now on readers whose journal has no actor here are sent on.
    pub(crate) fn let_readers_go(&self) {
        self.noticed.send_replace(true);
    }

    /// Told when readers are sent on.
    pub(crate) fn watch_leaving(&self) -> watch::Receiver<bool> {
        self.noticed.subscribe()
    }

    /// One more who reads events here, until it is dropped.
    pub(crate) fn reader(&self) -> Arc<()> {
        Arc::clone(&self.readers)
    }

    pub(crate) fn has_readers(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Whether this process leaves and nobody has noticed yet: a reader that it sent on would be sent back.
    pub(crate) fn leaves_unnoticed(&self) -> bool {
        self.is_leaving() && !*self.noticed.borrow()
    }

    /// A scan found that another has a journal.
    pub(crate) fn found_held(&self, key: &JournalKey) {
        let mut held = self.held.lock();
        if held.len() >= HELD {
            held.clear();
        }
        held.insert(key.clone(), Instant::now());
    }

    /// Whether a scan found lately that another has a journal.
    pub(crate) fn is_held(&self, key: &JournalKey) -> bool {
        if self.view().others_drain() {
            // It may be free any moment.
            return false;
        }
        let held = self.held.lock();
        held.get(key).is_some_and(|found| found.elapsed() < HELD_FOR)
    }

    /// Whether this process has begun to leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.state() != NodeState::Serving
    }

    /// Whether this process may take journals at all.
    pub(crate) fn takes(&self) -> bool {
        !self.is_leaving() && self.view().may_take()
    }

    /// Whether a journal that has no actor here may get one, and in which way then.
    ///
    /// # Errors
    /// UNAVAILABLE, with where to ask instead if that is known.
    pub(crate) fn admits(&self, key: &JournalKey, way: Way) -> Result<Way, Failure> {
        let takes = self.takes();
        if takes && !way.is_placed() {
            return Ok(way);
        }
        let view = self.view();
        match view.owner_of(key) {
            Some(owner) if owner.writer() != self.me => match takes && self.back.comes_back(key, way) {
                true => Ok(Way::Back),
                false => Err(Failure::elsewhere(owner.address.clone())),
            },
            Some(_) if takes => Ok(way),
            Some(_) | None => Err(self.takes_nothing()),
        }
    }

    /// This process has an actor for a journal no more.
    pub(crate) fn let_go(&self, key: &JournalKey) {
        self.back.let_go(key);
    }

    /// Whether a journal of another that came back may be taken: only what this process wrote last, and didn't release.
    ///
    /// # Errors
    /// UNAVAILABLE, with whose it is.
    pub(crate) fn takes_back(&self, key: &JournalKey, last: Option<&Writer>) -> Result<(), Failure> {
        let (was_here, takes) = (last == Some(&self.me), self.takes());
        // Who can't take anything at this moment is to look again.
        if !was_here || takes {
            self.back.forget(key);
        }
        if was_here && takes {
            tracing::info!(journal = %key.journal, "its new owner doesn't take a session that was here: it is taken back");
            return Ok(());
        }
        match self.view().owner_of(key) {
            Some(owner) if owner.writer() != self.me => Err(Failure::elsewhere(owner.address.clone())),
            Some(_) | None => Err(self.takes_nothing()),
        }
    }

    /// Where a journal without an actor here is to be read: an error says that it isn't here.
    pub(crate) fn shows(&self, key: &JournalKey) -> Result<(), Failure> {
        match self.view().owner_of(key) {
            Some(owner) if owner.writer() != self.me => Err(Failure::elsewhere(owner.address.clone())),
            // Who can't renew its row for a while still reads as well as anybody.
            Some(_) if !self.is_leaving() => Ok(()),
            Some(_) | None => Err(self.takes_nothing()),
        }
    }

    pub(super) fn takes_nothing(&self) -> Failure {
        Failure::unavailable(match self.state() {
            NodeState::Serving => "this supervisor has not found its place among the others: ask again",
            NodeState::Draining | NodeState::Left => "this supervisor is leaving: ask again",
        })
        .not_begun()
    }
}
