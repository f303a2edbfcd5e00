//! The kernel: what everything else speaks.
//!
//! Ids, principals, messages, errors, the ports (traits) that the outer layers implement, and every decision
//! that can be made without I/O: breaker, health, limits, retry, and the journal's fold, replay and effect rules.
//! Nothing in here does I/O or reads a clock: time is an argument.

mod agent;
mod agent_history;
mod breaker;
mod budget;
mod discovery;
mod error;
mod ewma;
mod health;
mod id;
mod journal;
mod ledger;
mod limit;
mod membership;
mod model;
mod payload;
mod principal;
mod retry;
mod store;
mod supervisor;
mod time;
mod tree;
mod usage;

pub use agent::*;
pub use agent_history::*;
pub use breaker::*;
pub use budget::*;
pub use discovery::*;
pub use error::*;
pub use ewma::*;
pub use health::*;
pub use id::*;
pub use journal::*;
pub use ledger::*;
pub use limit::*;
pub use membership::*;
pub use model::*;
pub use payload::*;
pub use principal::*;
pub use retry::*;
pub use store::*;
pub use supervisor::*;
pub use time::*;
pub use tree::*;
pub use usage::*;
