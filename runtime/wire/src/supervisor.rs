//! The kernel's `Supervisor` port over gRPC: a client that is one, and a service over any.

mod client;
mod server;
mod service;

pub(crate) use client::Fate;
#[cfg(feature = "testkit")]
pub(crate) use service::serve;

pub use client::GrpcSupervisor;
pub use service::{ServedSupervisor, supervisor_service, supervisor_service_of};

/// The metadata in which an answer tells which node gave it.
const NODE: &str = "greenroom-node";
