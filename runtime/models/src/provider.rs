//! A provider: its gate, which calls go through, and its actor, which watches over it.

mod actor;
mod allowance;
mod gate;
mod samples;
mod seen;
mod slots;

pub use actor::ProviderHandle;
pub(crate) use actor::child;
pub(crate) use gate::{Admitted, Form, ProviderGate, Refusal, Report};
