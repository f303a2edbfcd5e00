//! The agents' test kit: what it shows of a run, what it finds in one that crashes, and that it finds nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "all of this is test code"
)]

#[path = "../../examples/charges_twice.rs"]
mod charges_twice;
mod crashes;
mod replays;
mod runs;
mod support;
mod time;
