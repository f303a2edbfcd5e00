//! Every integration test of the whole, in one binary: a module a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of this is test code: a helper that cannot go on fails its test, and tasks end with their test"
)]

mod agent_history;
mod agents;
mod anthropic;
mod approvals;
mod backup;
mod bedrock;
mod chat;
mod clients;
mod costs;
mod crash;
mod discovery;
mod docs;
mod dynamodb;
mod export;
mod fleet;
mod house;
mod languages;
mod layers;
mod new_agent;
mod overload;
mod page;
mod recovery;
mod refusals;
mod sharing;
mod sick_disk;
mod support;
mod telemetry;
mod tls;
mod wall;
mod workers;
