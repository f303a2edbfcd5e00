//! Durable state behind the kernel's `Store` port.
//!
//! [`SqliteStore`] keeps the journal and its rows in one SQLite file: one writer thread that commits whatever is
//! queued as one group, readers that never wait for it. [`MemoryStore`] is its twin without a disk, for tests
//! and benchmarks. Both keep the ledger behind the kernel's `Ledger` port too ([`MemoryLedger`]). The feature `testkit` adds the contract suite that both pass and a store that injects faults.

mod memory;
mod page;
mod sqlite;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use memory::{MemoryLedger, MemoryStore};
pub use sqlite::{
    CommitHook, FailPoint, FailPointHook, FatalHook, MigrationReport, SqliteOptions, SqliteStore,
};
