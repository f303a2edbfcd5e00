//! Every store keeps the history of agents by the one contract.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use greenroom_kernel::{AgentHistory, AgentName, HistoryQuery, PageRequest};
use greenroom_store::testkit::FaultyStore;
use greenroom_store::testkit::history_contract::{noon_and, record};
use greenroom_store::{MemoryStore, SqliteOptions, SqliteStore, history_contract};

history_contract! { memory => async || (Arc::new(MemoryStore::new()) as Arc<dyn AgentHistory>, ()) }

fn sqlite() -> (Arc<dyn AgentHistory>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/greenroom.db");
    let store = SqliteStore::open(path, SqliteOptions::default()).unwrap();
    (Arc::new(store), folder)
}

history_contract! { sqlite => async || super::sqlite() }

history_contract! { faulty_without_faults => async || {
    (Arc::new(FaultyStore::new(MemoryStore::new())) as Arc<dyn AgentHistory>, ())
} }

#[tokio::test]
async fn what_is_old_goes_some_at_a_time_and_the_oldest_first() {
    let (file, _folder) = sqlite();
    for history in [file, Arc::new(MemoryStore::new()) as Arc<dyn AgentHistory>] {
        let records = [0, 10, 20, 30].map(|since| record("a", "i", since, 100));
        history.note(records.to_vec()).await.unwrap();
        let mut swept = Vec::new();
        for _ in 0..3 {
            swept.push(history.sweep_history(noon_and(30), 2).await.unwrap());
        }
        assert_eq!(swept, [2, 1, 0]);
        let all = HistoryQuery {
            agent: AgentName::parse("a").unwrap(),
            from: noon_and(0),
            to: noon_and(99),
        };
        let page = PageRequest {
            after: None,
            limit: 9,
        };
        assert_eq!(history.history(&all, &page).await.unwrap().rows, records[3..]);
    }
}
