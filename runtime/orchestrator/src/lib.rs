//! This system's actor tree and its task policy: sessions own journals, attempts run on agents, steps on models.
//!
//! The decisions are the kernel's (`Owner`); this crate does what they ask for: one actor a live journal writes
//! it and runs its attempts, one actor an agent instance watches its health, and [`Orchestrator`] is the local
//! handle through which a gateway calls.

mod agents;
mod aggregate;
mod attempt;
mod children;
mod config;
mod events;
mod export;
mod handle;
mod history;
mod hub;
mod instance;
mod journal_actor;
mod journals;
mod latency;
mod membership;
mod meter;
mod payloads;
mod perform;
mod recovery;
mod refused;
mod room;
mod schema;
mod shared;
mod steps;
#[cfg(test)]
mod tests;
mod trace;

pub use agents::AgentDirectory;
pub use config::OrchestratorConfig;
pub use export::export;
pub use handle::{Orchestrator, Parts, StartError};
pub use history::HistoryParts;
pub use membership::{MembershipConfig, MembershipParts};
