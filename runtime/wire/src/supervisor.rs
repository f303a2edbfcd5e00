//! The kernel's `Supervisor` port over gRPC: a client that is one, and a service over any.

mod client;
mod server;

pub use client::GrpcSupervisor;
pub use server::{ServedSupervisor, supervisor_service};
