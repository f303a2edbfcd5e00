//! Agents hosted over real loopback gRPC, with the supervisor's side played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

mod endings;
mod limits;
mod replay;
mod serving;
mod steps;
mod support;
