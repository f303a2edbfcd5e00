//! The gateway over a real socket, before a scripted supervisor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]
#![allow(clippy::disallowed_methods, reason = "tests spawn what they wait for")]

mod client;
mod connections;
mod costs;
mod fake;
mod fake_rows;
mod fake_supervisor;
mod http_errors;
mod http_media;
mod limits;
mod metrics;
mod mutations;
mod page;
mod queries;
mod schema;
mod subscriptions;
mod third_party;
mod tracing_context;
mod v1_agents;
mod v1_errors;
mod v1_fake;
mod v1_models;
mod v1_own;
mod v1_relayed;
mod v1_spoken;
mod websocket;
mod websocket_closes;
