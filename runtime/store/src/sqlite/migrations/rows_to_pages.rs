//! From a row each to pages: what version 4 of the schema held, as version 5 does.

use std::sync::Arc;

use greenroom_kernel::{
    Amount, Caller, FaultClass, LedgerId, LedgerRow, Records, SessionId, Subject, TaskId, TenantId,
    Timestamp, TryKind, Usage,
};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Row};

use crate::sqlite::ledger::rewrite;
use crate::sqlite::rows::{count, id, parsed};

/// How many rows are held in memory at once.
const AT_ONCE: usize = 1_000;

/// Moves every row into pages, and removes the tables that they were in.
pub(in crate::sqlite) fn rows_to_pages(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("0005_pages.sql"))?;
    let mut tries = connection.prepare("SELECT * FROM ledger ORDER BY tenant, id")?;
    move_all(connection, tries.query_map([], ledger_row)?, |rows| Records {
        tries: rows,
        ..Records::default()
    })?;
    let mut requests = connection.prepare("SELECT row FROM requests ORDER BY id")?;
    let read = requests.query_map([], |row| parsed(row, 0))?;
    move_all(connection, read, |rows| Records {
        requests: rows,
        ..Records::default()
    })?;
    drop((tries, requests));
    connection.execute_batch("DROP TABLE ledger; DROP TABLE requests;")
}

fn move_all<T>(
    connection: &Connection,
    rows: impl Iterator<Item = rusqlite::Result<T>>,
    records: impl Fn(Vec<T>) -> Records,
) -> rusqlite::Result<()> {
    let mut some = Vec::new();
    for row in rows {
        some.push(row?);
        if some.len() == AT_ONCE {
            rewrite(connection, &records(std::mem::take(&mut some)))?;
        }
    }
    rewrite(connection, &records(some))
}

fn word<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<Option<T>> {
    let text: Option<Arc<str>> = row.get(column)?;
    let unknown =
        || rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::InvalidType));
    text.map(|text| parse(&text).ok_or_else(unknown)).transpose()
}

fn ledger_row(row: &Row<'_>) -> rusqlite::Result<LedgerRow> {
    let caller = Caller {
        tenant: id(row, 0, TenantId::parse)?,
        subject: id(row, 3, Subject::parse)?,
        key: row.get(4)?,
        session: word(row, 5, |text| SessionId::parse(text).ok())?,
        task: word(row, 6, |text| TaskId::parse(text).ok())?,
        request: row.get(7)?,
    };
    let nanos: Option<i64> = row.get(23)?;
    let usage = Usage {
        input_tokens: count(row, 18)?,
        cached_input_tokens: count(row, 19)?,
        cache_write_tokens: count(row, 20)?,
        output_tokens: count(row, 21)?,
        reasoning_tokens: count(row, 22)?,
        cost_usd: nanos.map(|nanos| Amount::usd_of(u64::try_from(nanos).unwrap_or(0))),
        estimated: row.get(24)?,
    };
    Ok(LedgerRow {
        id: LedgerId(u128::from_be_bytes(row.get(1)?)),
        at: Timestamp::from_millis(row.get(2)?),
        caller: Arc::new(caller),
        asked: row.get(8)?,
        assigned: row.get(9)?,
        provider: row.get(10)?,
        model: row.get(11)?,
        number: row.get(12)?,
        kind: word(row, 13, TryKind::parse)?.unwrap_or_default(),
        fault: word(row, 14, FaultClass::parse)?,
        tries: row.get(15)?,
        took_ms: count(row, 16)?,
        first_content_ms: row
            .get::<_, Option<i64>>(17)?
            .map(|ms| u64::try_from(ms).unwrap_or(0)),
        usage,
        estimate_error: row.get(25)?,
        prices: row.get(26)?,
    })
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{Ledger as _, PageRequest, RequestRow};

    use super::*;
    use crate::sqlite::schema::{MIGRATIONS, open_writer};
    use crate::sqlite::{SqliteOptions, SqliteStore};
    use crate::testkit::fixture::tenant;
    use crate::testkit::ledger_contract::{request, row};

    #[tokio::test]
    async fn rows_of_version_4_are_read_back_from_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let (connection, _) = open_writer(&path, &SqliteOptions::default(), &MIGRATIONS[..4]).unwrap();
        let mut tries: Vec<LedgerRow> = (1..=1_500).map(row).collect();
        tries[0].fault = Some(FaultClass::Throttled);
        tries[1].usage.cost_usd = None;
        for row in &tries {
            let of = &row.caller;
            connection
                .prepare_cached(
                    "INSERT INTO ledger VALUES (?1, ?2, ?3, ?4, NULL, NULL, NULL, NULL, NULL, ?5, ?6, ?7, 1, 'first', ?8, 1, 12,
                         NULL, 10, 0, 0, 5, 0, ?9, 0, NULL, '1')",
                )
                .unwrap()
                .execute(rusqlite::params![
                    of.tenant.as_str(),
                    row.id.0.to_be_bytes(),
                    row.at.as_millis(),
                    of.subject.as_str(),
                    row.assigned,
                    row.provider,
                    row.model,
                    row.fault.map(FaultClass::as_str),
                    row.usage.cost_usd.map(|_| 250_000),
                ])
                .unwrap();
        }
        let requests: Vec<RequestRow> = (1..=3).map(request).collect();
        for row in &requests {
            let text = serde_json::to_string(row).unwrap();
            let values = rusqlite::params![row.id.0.to_be_bytes(), row.caller.tenant.as_str(), text];
            connection
                .execute("INSERT INTO requests VALUES (?1, ?2, ?3)", values)
                .unwrap();
        }
        drop(connection);
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let page = PageRequest {
            after: None,
            limit: 2_000,
        };
        let mut found = store.tries(&tenant("acme"), &page).await.unwrap().rows;
        found.reverse();
        assert_eq!(found, tries);
        let mut found = store.requests(&tenant("acme"), &page).await.unwrap().rows;
        found.reverse();
        assert_eq!(found, requests);
        tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    }
}
