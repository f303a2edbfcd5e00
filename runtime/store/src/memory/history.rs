//! The history of agents without a disk.

use std::collections::BTreeMap;

use async_trait::async_trait;
use greenroom_kernel::{
    AgentHistory, AgentName, AgentRecord, HistoryQuery, Page, PageRequest, RecordPlace, StoreError, Timestamp,
};
use parking_lot::Mutex;

use super::MemoryStore;
use crate::page::{begins_before, cut, fetch};

/// The records, by agent and place.
pub(super) type HistoryTable = Mutex<BTreeMap<(AgentName, RecordPlace), AgentRecord>>;

#[async_trait]
impl AgentHistory for MemoryStore {
    async fn note(&self, records: Vec<AgentRecord>) -> Result<(), StoreError> {
        let mut kept = self.history.lock();
        kept.extend(
            records
                .into_iter()
                .map(|record| ((record.agent.clone(), record.place()), record)),
        );
        Ok(())
    }

    async fn history(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<AgentRecord>, StoreError> {
        let before = begins_before(query, page)?;
        let first = RecordPlace::at(Timestamp::from_millis(i64::MIN));
        if first >= before {
            return Ok(cut(Vec::new(), page));
        }
        let kept = self.history.lock();
        let of_agent = kept.range((query.agent.clone(), first)..(query.agent.clone(), before));
        let wanted = of_agent
            .rev()
            .map(|(_, record)| record)
            .filter(|record| record.span.until() >= query.from);
        Ok(cut(wanted.take(fetch(page)).cloned().collect(), page))
    }

    async fn sweep_history(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut kept = self.history.lock();
        let old = kept.keys().filter(|(_, place)| place.since < before);
        let old: Vec<_> = old
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .cloned()
            .collect();
        old.iter().for_each(|key| drop(kept.remove(key)));
        Ok(u32::try_from(old.len()).unwrap_or(u32::MAX))
    }
}
