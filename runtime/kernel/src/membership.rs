//! Who should own which journal: courtesy between processes that share a store.
//!
//! Safety is the log's fence alone: whoever appends first owns. What is here keeps processes from robbing each other
//! while they live, so that growing, shrinking and deploying turn no running step into OUTCOME_UNKNOWN. Each process
//! keeps a row in the store and renews it; each believes what its own looks at those rows tell ([`FleetWatch`]), as a
//! [`FleetView`]; a rendezvous hash over the serving ones places free journals ([`rendezvous`]).
//!
//! No clock decides anything: a process is dead when its row stayed as it was for so many of *one's own* successful
//! looks, and who can't renew its own row takes nothing.

mod ports;
mod rendezvous;
mod row;
#[cfg(test)]
mod tests;
mod view;
mod watch;

pub use ports::{Beat, Holder, Holding, Nodes, Peers};
pub use rendezvous::{rendezvous, rendezvous_order};
pub use row::{NodeRow, NodeState, UnknownNodeState};
pub use view::{FleetView, Standing};
pub use watch::FleetWatch;
