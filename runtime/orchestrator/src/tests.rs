//! The orchestrator whole, in this process: a store that fails on demand, agents and models that follow a script,
//! and tokio's paused clock.

mod agents;
mod aggregation;
mod approvals;
mod callers;
mod cards;
mod chats;
mod children;
mod creating;
mod events;
mod faults;
mod fleet;
mod history;
mod leaving;
mod recovery;
mod snapshots;
mod spending;
mod stage;
mod versions;

pub(super) use stage::*;
