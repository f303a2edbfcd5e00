//! Sums out of the ledger, and its budgets.

use greenroom_kernel::{Budget, SpendDimension, SpendGroup, SpendQuery, SpendRow, Spent, TenantId};
use rusqlite::{Connection, params};

use crate::sqlite::rows::{count, parsed};

pub(super) fn budgets(connection: &Connection) -> rusqlite::Result<Vec<Budget>> {
    connection
        .prepare_cached("SELECT row FROM budgets ORDER BY tenant, id")?
        .query_map([], |row| parsed(row, 0))?
        .collect()
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
