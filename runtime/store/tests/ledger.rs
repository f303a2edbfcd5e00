//! Both ledgers pass the one contract.

use std::sync::Arc;

use greenroom_kernel::Ledger;
use greenroom_store::{MemoryLedger, SqliteOptions, SqliteStore, ledger_contract};

ledger_contract! { memory => async || (Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>, ()) }

ledger_contract! { sqlite => async || {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("new/greenroom.db"), SqliteOptions::default()).unwrap();
    (Arc::new(store) as Arc<dyn Ledger>, folder)
} }
