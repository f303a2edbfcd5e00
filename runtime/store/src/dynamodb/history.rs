//! The history of agents: a partition for each agent and day, an item for each record, which expires by itself.
//!
//! What a supervisor tells at a time is put in batches, a write unit a record; nothing is read for it, and no index has
//! it. A record that grows is the same item again.

use std::collections::BTreeMap;

use async_trait::async_trait;
use greenroom_kernel::{
    AgentHistory, AgentName, AgentRecord, HistoryQuery, Page, PageRequest, RecordPlace, Span, StoreError,
    Timestamp,
};

use super::DynamoStore;
use super::call::Call;
use super::expiry::{UNEXPIRED, expire_after, now};
use super::item::{Item, Reader, json, key, number, set, text};
use super::keys;
use super::table::{PAGE, Range};
use crate::page::{begins_before, cut, fetch};

/// How many records are read at a time at least.
const LEAST: usize = 25;

/// How many days are looked through for one page.
const DAYS: usize = 32;

/// Where an agent's records of a day are. No journal's key begins so.
fn partition(agent: &AgentName, day: i64) -> String {
    format!("#agent#{agent}#{day}")
}

/// A place as text that sorts like it: `#` sorts before every character of a node's name.
fn sort(place: &RecordPlace) -> String {
    format!("{}#{}#{}", keys::moment(place.since), place.node, place.instance)
}

/// The last moment at which something can have begun that stands before a place.
fn last_before(place: &RecordPlace) -> Timestamp {
    match *place == RecordPlace::at(place.since) {
        true => Timestamp::from_millis(place.since.as_millis().saturating_sub(1)),
        false => place.since,
    }
}

impl DynamoStore {
    fn record_item(&self, call: &Call<'_>, record: &AgentRecord) -> Result<Item, StoreError> {
        let pk = partition(&record.agent, record.span.since().day());
        let mut item = key(&pk, &sort(&record.place()));
        set(&mut item, "row", text(json(call.operation, record)?));
        set(&mut item, "ended", number(record.span.until().as_millis()));
        expire_after(&mut item, self.keep_history);
        Ok(item)
    }

    /// Of one day, what began from one place on and before another, the youngest first, at most `limit`.
    async fn records_of(
        &self,
        call: &Call<'_>,
        range: &Range<'_>,
        limit: usize,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        let (reader, mut start, mut records) = (Reader(call.operation), None, Vec::new());
        while records.len() < limit {
            // A filter leaves little out.
            let part = self
                .table
                .page(call, range, start, limit.clamp(LEAST, PAGE))
                .await?;
            for item in part.items.iter().take(limit - records.len()) {
                records.push(reader.parsed("a record of an agent", &reader.text(item, "row")?)?);
            }
            start = part.next;
            if start.is_none() {
                break;
            }
        }
        Ok(records)
    }
}

#[async_trait]
impl AgentHistory for DynamoStore {
    async fn note(&self, records: Vec<AgentRecord>) -> Result<(), StoreError> {
        let call = self.call("note");
        // An item may be in a batch once: the last word holds.
        let mut items = BTreeMap::new();
        for record in &records {
            let item = self.record_item(&call, record)?;
            items.insert((record.agent.clone(), record.place()), item);
        }
        self.table.put_all(&call, items.into_values().collect()).await
    }

    async fn history(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<AgentRecord>, StoreError> {
        let call = self.call("history");
        let mut before = begins_before(query, page)?;
        // No record reaches further than its longest span.
        let first = query.from.before(Span::MOST);
        let filter = format!("ended >= :from AND ({UNEXPIRED})");
        let (limit, mut records, mut looked) = (fetch(page), Vec::new(), 0);
        while records.len() < limit {
            let last = last_before(&before);
            if last < first {
                break;
            }
            if looked == DAYS {
                let next = Some(before.to_string());
                return Ok(Page { rows: records, next });
            }
            let day = last.day();
            let begin = Timestamp::from_millis(day.saturating_mul(Timestamp::DAY_MS)).max(first);
            let range = Range {
                filter: Some((&filter, vec![(":from", number(query.from.as_millis())), now()])),
                // What was seen a moment ago may be missing from a history.
                consistent: false,
                ..Range::between(&partition(&query.agent, day), keys::moment(begin), sort(&before))
            };
            // The end belongs to a range, and not to what is asked for: one more, then.
            let wanted = limit - records.len();
            let mut found = self.records_of(&call, &range.newest_first(), wanted + 1).await?;
            found.retain(|record| record.place() < before);
            found.truncate(wanted);
            records.append(&mut found);
            looked += 1;
            before = RecordPlace::at(begin);
        }
        Ok(cut(records, page))
    }

    async fn sweep_history(&self, _: Timestamp, _: u32) -> Result<u32, StoreError> {
        // Records expire by themselves.
        Ok(0)
    }
}
