//! The kernel's ports over gRPC: frames and rows to protobuf and back, one mapping of failures to statuses, trace
//! context, deadlines, the client of an agent host, and the server every role mounts its services on.
//!
//! Only this crate, the agents' host and generated code know tonic: what crosses this crate's border upwards is
//! made of kernel types.

mod agent_client;
mod channel;
mod convert;
mod in_process;
mod links;
mod malformed;
mod peers;
mod pool;
mod queue;
mod server;
mod status;
mod supervisor;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tls;
mod trace;

pub use agent_client::GrpcAgent;
pub use channel::InvalidEndpoint;
pub use convert::{
    decode_card, decode_from_agent, decode_start, decode_to_agent, encode_card, encode_from_agent,
    encode_start, encode_to_agent,
};
pub use in_process::{InProcessDialer, InProcessListener, in_process};
pub use links::{LinkError, Links, leaves_this_machine};
pub use malformed::Malformed;
pub use peers::{GrpcPeers, ServedHolder, peer_service};
pub use pool::{PoolConfig, PoolParts, SupervisorPool, SupervisorStatus};
pub use queue::{Closed, FrameQueue};
pub use server::{GrpcServer, ServeError, ServingState};
pub use status::{failure_from_status, status_from_failure};
pub use supervisor::{GrpcSupervisor, ServedSupervisor, supervisor_service, supervisor_service_of};
pub use tls::{TlsError, TlsIdentity, TlsMaterial, TlsPaths, TlsSource, TlsText, tls_admits, tls_name};
pub use trace::{continue_trace, inject_trace};

/// No message is larger than this, in bytes, save a supervisor's answers: large payloads are stored, not sent.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
