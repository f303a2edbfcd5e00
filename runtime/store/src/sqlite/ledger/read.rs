//! Rows and sums out of the ledger.

use std::sync::Arc;

use greenroom_kernel::{
    Amount, Budget, Caller, FaultClass, LedgerId, LedgerRow, RequestRow, SessionId, SpendDimension,
    SpendGroup, SpendQuery, SpendRow, Spent, Subject, TaskId, TenantId, Timestamp, TryKind, Usage,
};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Row, params};

use crate::sqlite::rows::{id, parsed};

const LAST: LedgerId = LedgerId(u128::MAX);

/// What a list of a tenant's rows ends with.
const NEWEST: &str = "WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

fn page<T>(
    connection: &Connection,
    select: &str,
    tenant: &TenantId,
    after: Option<LedgerId>,
    limit: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let before = after.unwrap_or(LAST).0.to_be_bytes();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("{select} {NEWEST}"))?
        .query_map(params![tenant.as_str(), before, limit], |row| read(row))?
        .collect()
}

pub(super) fn tries(
    connection: &Connection,
    tenant: &TenantId,
    after: Option<LedgerId>,
    limit: usize,
) -> rusqlite::Result<Vec<LedgerRow>> {
    page(
        connection,
        "SELECT * FROM ledger",
        tenant,
        after,
        limit,
        ledger_row,
    )
}

pub(super) fn requests(
    connection: &Connection,
    tenant: &TenantId,
    after: Option<LedgerId>,
    limit: usize,
) -> rusqlite::Result<Vec<RequestRow>> {
    page(
        connection,
        "SELECT row FROM requests",
        tenant,
        after,
        limit,
        |row| parsed(row, 0),
    )
}

pub(super) fn budgets(connection: &Connection) -> rusqlite::Result<Vec<Budget>> {
    connection
        .prepare_cached("SELECT row FROM budgets ORDER BY tenant, id")?
        .query_map([], |row| parsed(row, 0))?
        .collect()
}

/// A count; none is negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
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

/// The column that a dimension is.
const fn column(dimension: SpendDimension) -> (&'static str, &'static str) {
    match dimension {
        SpendDimension::Day => ("day", "day"),
        SpendDimension::Month => ("month", "substr(day, 1, 7)"),
        SpendDimension::Subject => ("subject", "subject"),
        SpendDimension::Key => ("credential", "nullif(key, '')"),
        SpendDimension::Provider => ("provider", "provider"),
        SpendDimension::Model => ("model", "model"),
        SpendDimension::Kind => ("kind", "kind"),
    }
}

/// The dimensions in the order of a [`SpendGroup`]'s fields.
const DIMENSIONS: [SpendDimension; 7] = [
    SpendDimension::Day,
    SpendDimension::Month,
    SpendDimension::Subject,
    SpendDimension::Key,
    SpendDimension::Provider,
    SpendDimension::Model,
    SpendDimension::Kind,
];

const SUMS: [&str; 10] = [
    "tries",
    "failed",
    "input",
    "cached_input",
    "cache_write",
    "output",
    "reasoning",
    "cost",
    "unpriced",
    "estimated",
];

pub(super) fn spend(
    connection: &Connection,
    tenant: &TenantId,
    query: &SpendQuery,
) -> rusqlite::Result<Vec<SpendRow>> {
    let of = |dimension: &SpendDimension| match query.group_by.contains(dimension) {
        true => column(*dimension).1,
        false => "NULL",
    };
    let groups: Vec<String> = DIMENSIONS
        .iter()
        .map(|dimension| format!("{} AS g_{}", of(dimension), column(*dimension).0))
        .collect();
    let sums: Vec<String> = SUMS
        .iter()
        .map(|sum| format!("coalesce(sum({sum}), 0) AS s_{sum}"))
        .collect();
    let by: Vec<String> = DIMENSIONS
        .iter()
        .filter(|dimension| query.group_by.contains(dimension))
        .map(|dimension| format!("g_{}", column(*dimension).0))
        .collect();
    let mut sql = format!(
        "SELECT {}, {} FROM spend WHERE tenant = ?1 AND day >= ?2 AND day < ?3",
        groups.join(", "),
        sums.join(", ")
    );
    if !by.is_empty() {
        sql.push_str(&format!(" GROUP BY {}", by.join(", ")));
    }
    sql.push_str(
        " ORDER BY s_cost DESC, s_input + s_cached_input + s_cache_write + s_output + s_reasoning DESC",
    );
    for name in &by {
        sql.push_str(&format!(", {name}"));
    }
    sql.push_str(" LIMIT ?4");
    connection
        .prepare(&sql)?
        .query_map(
            params![tenant.as_str(), query.from, query.to, query.limit],
            |row| {
                Ok(SpendRow {
                    group: SpendGroup {
                        day: row.get(0)?,
                        month: row.get(1)?,
                        subject: row.get(2)?,
                        key: row.get(3)?,
                        provider: row.get(4)?,
                        model: row.get(5)?,
                        kind: row.get(6)?,
                    },
                    spent: Spent {
                        tries: count(row, 7)?,
                        failed: count(row, 8)?,
                        input: count(row, 9)?,
                        cached_input: count(row, 10)?,
                        cache_write: count(row, 11)?,
                        output: count(row, 12)?,
                        reasoning: count(row, 13)?,
                        cost_nanos: count(row, 14)?,
                        unpriced: count(row, 15)?,
                        estimated: count(row, 16)?,
                    },
                })
            },
        )?
        .collect()
}
