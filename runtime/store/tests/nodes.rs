//! Every store keeps the rows of processes by the one contract.

use std::sync::Arc;

use greenroom_kernel::Nodes;
use greenroom_store::testkit::FaultyStore;
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore, nodes_contract};

nodes_contract! { memory => async || (Arc::new(MemoryStore::new()) as Arc<dyn Nodes>, ()) }

nodes_contract! { sqlite => async || {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("new/greenroom.db"), SqliteOptions::default()).unwrap();
    (Arc::new(store) as Arc<dyn Nodes>, folder)
} }

nodes_contract! { faulty_without_faults => async || {
    (Arc::new(FaultyStore::new(MemoryStore::new())) as Arc<dyn Nodes>, ())
} }
