//! The rendezvous hash: which of several processes a journal belongs to.
//!
//! The score of a node for a journal is the first eight bytes, big-endian, of BLAKE3 over the node's id, the tenant and
//! the journal's id, each preceded by its length in bytes as a little-endian u64. The highest score wins; of equal ones
//! the greater id. It is the same in every process, version and language, and is never changed: two versions that differ
//! would send each journal back and forth for as long as both run.

use crate::{JournalKey, NodeId};

/// The one of `nodes` that a journal belongs to; none of none.
///
/// When a node comes, only journals that it wins move, to it; when one goes, only its own move.
pub fn rendezvous<'a>(nodes: impl IntoIterator<Item = &'a NodeId>, key: &JournalKey) -> Option<&'a NodeId> {
    nodes.into_iter().max_by_key(|node| (score(node, key), *node))
}

/// All of `nodes`, the one that a journal belongs to first, then who would be next without it, and so on.
pub fn rendezvous_order<'a>(
    nodes: impl IntoIterator<Item = &'a NodeId>,
    key: &JournalKey,
) -> Vec<&'a NodeId> {
    let mut nodes: Vec<_> = nodes.into_iter().collect();
    nodes.sort_by_cached_key(|node| std::cmp::Reverse((score(node, key), *node)));
    nodes
}

fn score(node: &NodeId, key: &JournalKey) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in [node.as_str(), key.tenant.as_str(), key.journal.as_str()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_be_bytes(first)
}
