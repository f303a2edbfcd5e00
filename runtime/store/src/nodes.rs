//! Rows of processes, in this process: for the stores that live no longer, or have room for no other.

use std::collections::BTreeMap;

use greenroom_kernel::{Beat, NodeId, NodeRow};
use parking_lot::Mutex;

/// The rows, by node. One lock, held without waiting.
#[derive(Default)]
pub(crate) struct NodeTable(Mutex<BTreeMap<NodeId, NodeRow>>);

impl NodeTable {
    pub(crate) fn beat(&self, row: &NodeRow) -> Beat {
        let mut rows = self.0.lock();
        match rows.get(&row.node) {
            Some(kept) if kept.incarnation > row.incarnation => Beat::Deposed,
            // An older one that was held up on its way.
            Some(kept) if kept.incarnation == row.incarnation && kept.beat > row.beat => Beat::Kept,
            _ => {
                rows.insert(row.node.clone(), row.clone());
                Beat::Kept
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<NodeRow> {
        self.0.lock().values().cloned().collect()
    }

    pub(crate) fn forget(&self, node: &NodeId, incarnation: u64) {
        let mut rows = self.0.lock();
        if rows.get(node).is_some_and(|kept| kept.incarnation == incarnation) {
            rows.remove(node);
        }
    }
}
