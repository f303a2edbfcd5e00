//! A provider: its gate, which calls go through, and its actor, which watches over it.

mod actor;
mod gate;
mod samples;

pub use actor::ProviderHandle;
pub(crate) use actor::child;
pub(crate) use gate::{Admitted, ProviderGate, Refusal, Report};
