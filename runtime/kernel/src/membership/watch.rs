//! How looks at the rows become a view: counting them, never comparing clocks.

use std::collections::BTreeMap;

use super::view::SeenNode;
use super::{Beat, FleetView, NodeRow, NodeState};
use crate::{NodeId, Writer};

/// One process's memory of the others. Told of each renewal of its own row, and of each look at all rows.
#[derive(Debug, Clone)]
pub struct FleetWatch {
    me: Writer,
    patience: u32,
    retention: u32,
    seen: BTreeMap<NodeId, Seen>,
    /// Renewals of the own row since the last that succeeded, at most `patience`.
    missed: u32,
    /// Looks since the last that succeeded, at most `patience`.
    blind: u32,
    joined: bool,
    deposed: bool,
    round: u64,
}

#[derive(Debug, Clone)]
struct Seen {
    row: NodeRow,
    /// How many looks have shown it just so, beyond the first.
    unchanged: u32,
}

impl FleetWatch {
    /// Of a process that has not looked yet. A row that stays as it is for `patience` looks (at least 1) is dead; one
    /// that is dead or has left may be forgotten after `retention` of them.
    pub fn new(me: Writer, patience: u32, retention: u32) -> Self {
        let patience = patience.max(1);
        Self {
            me,
            patience,
            retention: retention.max(patience),
            seen: BTreeMap::new(),
            missed: patience,
            blind: 0,
            joined: false,
            deposed: false,
            round: 0,
        }
    }

    /// The own row was renewed, or found to be a newer incarnation's.
    pub fn beaten(&mut self, beat: Beat) {
        match beat {
            Beat::Kept => self.missed = 0,
            Beat::Deposed => self.deposed = true,
        }
    }

    /// The own row could not be renewed, or nobody knows whether it was.
    pub fn missed(&mut self) {
        self.missed = self.missed.saturating_add(1).min(self.patience);
    }

    /// The rows could not be read: what is believed grows old, and who believes old things robs those who came back.
    pub fn saw_nothing(&mut self) {
        self.blind = self.blind.saturating_add(1).min(self.patience);
    }

    /// All rows were read, in this process's own good time.
    pub fn looked(&mut self, rows: Vec<NodeRow>) {
        self.round += 1;
        self.blind = 0;
        let mut before = std::mem::take(&mut self.seen);
        for row in rows {
            if row.node == self.me.node {
                self.joined |= row.incarnation == self.me.incarnation;
                self.deposed |= row.incarnation > self.me.incarnation;
            }
            let unchanged = match before.remove(&row.node) {
                Some(seen) if seen.row == row => seen.unchanged.saturating_add(1),
                _ => 0,
            };
            self.seen.insert(row.node.clone(), Seen { row, unchanged });
        }
    }

    /// Rows that are of no use any more: dead or gone for long. Never one's own.
    pub fn forgettable(&self) -> impl Iterator<Item = &NodeRow> {
        let others = self.seen.values().filter(|seen| seen.row.node != self.me.node);
        others
            .filter(|seen| seen.unchanged >= self.retention)
            .map(|seen| &seen.row)
    }

    /// What this process believes now.
    pub fn view(&self) -> FleetView {
        let silent = |seen: &Seen| {
            // One's own row says nothing of oneself: that it can't be renewed is known before it is seen.
            seen.row.writer() != self.me
                && seen.unchanged >= self.patience
                && seen.row.state != NodeState::Left
        };
        FleetView {
            me: self.me.clone(),
            nodes: self
                .seen
                .values()
                .map(|seen| SeenNode {
                    row: seen.row.clone(),
                    silent: silent(seen),
                })
                .collect(),
            lapsed: !self.joined || self.missed >= self.patience || self.blind >= self.patience,
            deposed: self.deposed,
            round: self.round,
        }
    }
}
