//! The history of agents in a table of its own. A record that grows is the same row again.

use async_trait::async_trait;
use greenroom_kernel::{
    AgentHistory, AgentName, AgentRecord, HistoryQuery, NodeId, Page, PageRequest, RecordPlace, Span,
    StoreError, Timestamp,
};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::rows::{id, json, parsed};
use super::writer::Written;
use crate::page::{begins_before, cut, fetch};

/// Of an agent, what began from one moment on and before a place, and lasted until a moment.
pub(super) const NEWEST: &str = "SELECT agent, since, node, seen, until FROM agent_history
     WHERE agent = ?1 AND since >= ?2 AND (since, node, instance) < (?3, ?4, ?5) AND until >= ?6
     ORDER BY since DESC, node DESC, instance DESC LIMIT ?7";
/// What began before a moment goes.
pub(super) const SWEEP: &str = "DELETE FROM agent_history WHERE (agent, since, node, instance) IN
     (SELECT agent, since, node, instance FROM agent_history INDEXED BY agent_history_since
      WHERE since < ?1 ORDER BY since LIMIT ?2)";

#[async_trait]
impl AgentHistory for SqliteStore {
    async fn note(&self, records: Vec<AgentRecord>) -> Result<(), StoreError> {
        let drafts: Vec<Draft> = records.iter().map(Draft::of).collect::<Result<_, _>>()?;
        let bytes = drafts.iter().map(|draft| draft.seen.len()).sum();
        self.write("note", move |connection| {
            drafts.iter().try_for_each(|draft| draft.write(connection))?;
            Ok(Written::other((), bytes))
        })
        .await
    }

    async fn history(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<AgentRecord>, StoreError> {
        let (query, limit) = (query.clone(), fetch(page));
        let before = begins_before(&query, page)?;
        let rows = self
            .query("history", move |connection| {
                newest(connection, &query, &before, limit)
            })
            .await?;
        Ok(cut(rows, page))
    }

    async fn sweep_history(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("sweep_history", move |connection| {
            let swept = connection
                .prepare_cached(SWEEP)?
                .execute(params![before.as_millis(), limit])?;
            Ok(Written::other(u32::try_from(swept).unwrap_or(u32::MAX), 0))
        })
        .await
    }
}

/// One row as it is written, made before the writer has its turn.
struct Draft {
    agent: AgentName,
    place: RecordPlace,
    seen: String,
    until: Timestamp,
}

impl Draft {
    fn of(record: &AgentRecord) -> Result<Self, StoreError> {
        Ok(Self {
            agent: record.agent.clone(),
            place: record.place(),
            seen: json("note", &record.seen)?,
            until: record.span.until(),
        })
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO agent_history (agent, since, node, instance, seen, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET seen = excluded.seen, until = excluded.until",
            )?
            .execute(params![
                self.agent.as_str(),
                self.place.since.as_millis(),
                self.place.node,
                self.place.instance,
                self.seen,
                self.until.as_millis(),
            ])?;
        Ok(())
    }
}

/// What began before a place and lasted until the query's beginning, the youngest first.
fn newest(
    connection: &Connection,
    query: &HistoryQuery,
    before: &RecordPlace,
    limit: usize,
) -> rusqlite::Result<Vec<AgentRecord>> {
    // No record reaches further than its longest span.
    let earliest = query.from.before(Span::MOST).as_millis();
    connection
        .prepare_cached(NEWEST)?
        .query_map(
            params![
                query.agent.as_str(),
                earliest,
                before.since.as_millis(),
                before.node,
                before.instance,
                query.from.as_millis(),
                i64::try_from(limit).unwrap_or(i64::MAX),
            ],
            record,
        )?
        .collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<AgentRecord> {
    let moment = |column| row.get(column).map(Timestamp::from_millis);
    Ok(AgentRecord {
        agent: id(row, 0, AgentName::parse)?,
        span: Span::new(moment(1)?, moment(4)?),
        node: id(row, 2, NodeId::parse)?,
        seen: parsed(row, 3)?,
    })
}
