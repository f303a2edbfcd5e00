//! Both stores pass the one contract.

use std::sync::Arc;

use greenroom_kernel::Store;
use greenroom_store::testkit::FaultyStore;
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore, store_contract};

store_contract! { memory => async || (Arc::new(MemoryStore::new()) as Arc<dyn Store>, ()) }

store_contract! { sqlite => async || {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("new/greenroom.db"), SqliteOptions::default()).unwrap();
    (Arc::new(store) as Arc<dyn Store>, folder)
} }

store_contract! { faulty_without_faults => async || {
    (Arc::new(FaultyStore::new(MemoryStore::new())) as Arc<dyn Store>, ())
} }
