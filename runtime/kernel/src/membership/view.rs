//! What one process believes of the others at a moment.

use super::{NodeRow, NodeState, rendezvous};
use crate::{JournalKey, NodeId, Writer};

/// What one process believes, as its own looks told it. A hint: the log decides who owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetView {
    pub(super) me: Writer,
    /// By node.
    pub(super) nodes: Vec<SeenNode>,
    pub(super) lapsed: bool,
    pub(super) deposed: bool,
    pub(super) round: u64,
}

/// A row, and whether it fell silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenNode {
    pub(super) row: NodeRow,
    pub(super) silent: bool,
}

/// How whoever wrote last stands, for somebody who would take what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is this very process.
    Mine,
    /// It can hold nothing: it has left, or a newer start of the same process is there.
    Gone,
    /// Its row fell silent: dead, as far as is known. It is asked once more before it is robbed.
    Silent(&'a NodeRow),
    /// It lives: ask it to let go.
    Alive(&'a NodeRow),
    /// No look has shown it yet: it is newer than the last look, or so old that its row was forgotten. A fresh look
    /// tells which.
    Unseen,
}

impl FleetView {
    /// What a process believes that has not looked yet: nobody is there, and it takes nothing.
    pub fn unknown(me: Writer) -> Self {
        Self {
            me,
            nodes: Vec::new(),
            lapsed: true,
            deposed: false,
            round: 0,
        }
    }

    /// Whose view it is.
    pub fn me(&self) -> &Writer {
        &self.me
    }

    /// Whether this process has its place: it may take journals, and its own row says to the others that it serves.
    pub fn has_its_place(&self) -> bool {
        let own = self.row(&self.me.node);
        self.may_take() && own.is_some_and(|row| row.writer() == self.me && row.state == NodeState::Serving)
    }

    /// Whether this process may take journals: its own row was renewed lately and is its own, and it has seen the others'
    /// lately.
    pub fn may_take(&self) -> bool {
        !self.lapsed && !self.deposed
    }

    /// Whether a newer start of this process has replaced it, for ever.
    pub fn is_deposed(&self) -> bool {
        self.deposed
    }

    /// How many successful looks it rests on.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Every row, by node, with whether it fell silent.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeRow, bool)> {
        self.nodes.iter().map(|seen| (&seen.row, seen.silent))
    }

    /// Whether somebody other than this process is about to leave: what it had is found sooner by looking more often.
    pub fn others_drain(&self) -> bool {
        let mut others = self.nodes.iter().filter(|seen| seen.row.node != self.me.node);
        others.any(|seen| seen.row.state == NodeState::Draining && !seen.silent)
    }

    /// The process that a journal belongs to while nobody holds it: the first by rendezvous of those that live and
    /// serve. None when nobody does.
    pub fn owner_of(&self, key: &JournalKey) -> Option<&NodeRow> {
        let serving = self.nodes.iter().filter(|seen| seen.serves());
        let owner = rendezvous(serving.map(|seen| &seen.row.node), key)?;
        self.row(owner)
    }

    /// How a writer stands.
    pub fn standing(&self, writer: &Writer) -> Standing<'_> {
        if *writer == self.me {
            return Standing::Mine;
        }
        // Of an older start of this process nothing is left, whether or not the rows say so yet.
        if writer.node == self.me.node && writer.incarnation < self.me.incarnation {
            return Standing::Gone;
        }
        let Some(seen) = self.seen(&writer.node) else {
            return Standing::Unseen;
        };
        match writer.incarnation.cmp(&seen.row.incarnation) {
            std::cmp::Ordering::Less => Standing::Gone,
            std::cmp::Ordering::Greater => Standing::Unseen,
            std::cmp::Ordering::Equal if seen.row.state == NodeState::Left => Standing::Gone,
            std::cmp::Ordering::Equal if seen.silent => Standing::Silent(&seen.row),
            std::cmp::Ordering::Equal => Standing::Alive(&seen.row),
        }
    }

    /// Whether a writer lives, this process included.
    pub fn is_alive(&self, writer: &Writer) -> bool {
        matches!(self.standing(writer), Standing::Mine | Standing::Alive(_))
    }

    /// The row of another process that lives and wrote this.
    pub fn holder(&self, writer: &Writer) -> Option<&NodeRow> {
        match self.standing(writer) {
            Standing::Alive(row) => Some(row),
            Standing::Mine | Standing::Gone | Standing::Silent(_) | Standing::Unseen => None,
        }
    }

    /// Whether the same processes serve, drain and live as in `other`: where each journal belongs, and who may be
    /// robbed, is the same then.
    pub fn is_like(&self, other: &Self) -> bool {
        let of = |view: &Self| -> Vec<_> {
            let mark = |seen: &SeenNode| {
                (
                    seen.row.writer(),
                    seen.row.state,
                    seen.row.address.clone(),
                    seen.silent,
                )
            };
            view.nodes.iter().map(mark).collect()
        };
        (self.lapsed, self.deposed) == (other.lapsed, other.deposed) && of(self) == of(other)
    }

    fn row(&self, node: &NodeId) -> Option<&NodeRow> {
        self.seen(node).map(|seen| &seen.row)
    }

    fn seen(&self, node: &NodeId) -> Option<&SeenNode> {
        let place = self.nodes.binary_search_by(|seen| seen.row.node.cmp(node));
        place.ok().and_then(|place| self.nodes.get(place))
    }
}

impl SeenNode {
    fn serves(&self) -> bool {
        self.row.state == NodeState::Serving && !self.silent
    }
}
