//! The HTTP edge: GraphQL over HTTP, WebSocket and server-sent events, the `/v1` that clients of OpenAI and Anthropic
//! know, and the page that people use it by.
//!
//! A gateway holds connections, the schema, who calls and what a call may cost, and nothing else: every call
//! becomes a message to the kernel's [`Supervisor`](greenroom_kernel::Supervisor) port. The GraphQL documents are
//! executed by async-graphql; the transports are written here, because their protocols' status and close codes
//! are part of the contract.

mod auth;
mod config;
mod edge;
mod engine;
mod errors;
mod gateway;
mod http;
mod origin;
mod page;
mod patient;
mod request_id;
mod schema;
mod server;
mod sse;
mod trace;
mod v1;
mod ws;

pub use auth::{Authenticator, Credentials, LoopbackDev};
pub use config::{GatewayConfig, QueryLimits};
pub use gateway::{Gateway, GatewayParts};
pub use schema::sdl;
pub use server::ServeError;
