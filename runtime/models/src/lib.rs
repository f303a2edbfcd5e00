//! Model calls made whole: providers as supervised actors, and one call over them that is routed, bounded in time,
//! retried, failed over, priced and told about.
//!
//! A call asks no actor. What routing and admission need (breaker, health, free slots, latency) lives in a gate
//! beside each provider's actor, behind a short lock, and outlives the actor's restarts; the backend is called on
//! the caller's own task. The actor probes its provider, and is where a provider is seen, restarted and stopped.
//!
//! ```text
//! call ── route ──> targets in order
//!   └─ choose (gate: slot, breaker) ──> try (deadlines) ──> settle (breaker, latency, metrics, span)
//!        ^                                 │ fault
//!        └── next target, or again after a wait, while the course of the call allows it
//! ```

mod asked;
mod by_target;
mod call;
mod capability;
mod config;
mod course;
mod deadlines;
mod estimate;
mod listing;
mod metrics;
mod order;
mod phase;
mod price;
mod provider;
mod route;
mod router;
mod span;
mod tries;

pub use capability::{CapabilityTable, Lack, Needs, lacks};
pub use config::{ModelsConfig, ModelsError, ProbeConfig, ProviderSpec};
pub use deadlines::Deadlines;
pub use metrics::{MetricsSink, NoMetrics, TryRecord};
pub use price::{Price, PriceTable};
pub use provider::ProviderHandle;
pub use route::{Route, RouteTarget};
pub use router::{ModelRouter, Ports};

#[cfg(test)]
mod tests;
