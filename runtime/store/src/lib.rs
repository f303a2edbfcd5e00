//! Durable state behind the kernel's `Store` port.
//!
//! [`SqliteStore`] keeps the journal and its rows in one SQLite file: one writer thread that commits whatever is
//! queued as one group, readers that never wait for it. [`MemoryStore`] is its twin without a disk, for tests
//! and benchmarks. Both keep the ledger behind the kernel's `Ledger` port too ([`MemoryLedger`]), and all keep the rows of the processes that share
//! them behind `Nodes`, and what was seen of agents behind `AgentHistory`. With the feature
//! `dynamodb`, `DynamoStore` keeps all of it in a table that many processes share. The feature `testkit` adds the contract
//! suites that all pass and a store that injects faults.

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod memory;
mod nodes;
mod page;
mod sqlite;
#[cfg(feature = "testkit")]
pub mod testkit;

#[cfg(feature = "dynamodb")]
pub use dynamodb::{DYNAMODB_TABLES, DynamoOptions, DynamoStore, DynamoUsage};
#[cfg(feature = "dynamodb")]
pub use greenroom_aws::{Credentials, SharedCredentialsProvider};
pub use memory::{MemoryLedger, MemoryStore};
pub use sqlite::{
    CommitHook, CopyProgress, FailPoint, FailPointHook, FatalHook, MigrationReport, RestoreReport,
    SqliteOptions, SqliteStore, StoreCopy,
};
