//! Every integration test of the whole, in one binary: a module a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code: a helper that cannot go on fails its test"
)]

mod house;
mod layers;
