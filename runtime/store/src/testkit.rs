//! What tests of stores, and tests that need a store, share: the contract suite, values to fill a store with,
//! and a store that injects faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test kit: a broken expectation is a failed test"
)]

pub mod contract;
pub mod fixture;
pub mod history_contract;
pub mod ledger_contract;
pub mod nodes_contract;

mod faulty;

pub use faulty::{Fault, FaultyStore, Operation};
