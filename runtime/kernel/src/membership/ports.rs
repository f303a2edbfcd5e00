//! The ports to the others: their rows in the store, and the processes themselves.

use async_trait::async_trait;

use super::NodeRow;
use crate::{Failure, HostPort, JournalKey, NodeId, Principal, StoreError, TaskId, TaskRow};

/// What came of renewing one's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It is kept.
    Kept,
    /// The row is a newer incarnation's: this process has been replaced and must take nothing any more.
    Deposed,
}

/// The rows of all processes that share a store. One contract suite checks every implementation.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// Writes a process's own row, durably, unless the row there is of a newer incarnation of it. Sending the same
    /// again is no harm: an unanswered one is simply followed by the next.
    async fn beat(&self, row: &NodeRow) -> Result<Beat, StoreError>;

    /// Every row, by node. Strongly consistent: a beat that was answered before this was asked is in it.
    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError>;

    /// Removes a row, if it is still of that incarnation. One that isn't there is no error.
    async fn forget(&self, node: &NodeId, incarnation: u64) -> Result<(), StoreError>;
}

/// How a process holds a journal that it was asked to let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// No actor of it has the journal, or none any more: it may be taken.
    Free,
    /// An actor works on it, and lets go at its next step boundary: ask there, or ask again later.
    Held,
}

/// The other processes themselves.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Asks the process at `at` to let go of a journal. Answered at once: what works goes on to its next step boundary
    /// first. Asking again is no harm, and a dropped call may still be carried out.
    ///
    /// # Errors
    /// UNAVAILABLE when nobody answers there; what is held then stays held, as far as anybody knows.
    async fn release(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure>;

    /// Asks the process at `at` whether it has an actor for a journal, and wishes nothing.
    ///
    /// # Errors
    /// As [`Peers::release`].
    async fn holds(&self, at: &HostPort, key: &JournalKey) -> Result<Holding, Failure>;
}

/// This process, as the others ask it.
#[async_trait]
pub trait Holder: Send + Sync + 'static {
    /// Lets go of a journal, as [`Peers::release`] says.
    async fn release(&self, key: &JournalKey) -> Holding;

    /// Whether there is an actor for it.
    async fn holds(&self, key: &JournalKey) -> Holding;

    /// Ends a task as failed, by an operator's hand; one that has ended stays as it is. Asking again is no harm.
    ///
    /// # Errors
    /// NOT_FOUND; UNAVAILABLE, with where its journal is if that is known.
    async fn kill(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure>;
}
