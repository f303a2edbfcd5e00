//! Pages: the rows of one tenant that were recorded together, as one row of the file.
//!
//! A row each would cost an insertion into a tree each, which is most of what recording costs. What is written together
//! is read together too: lists are by time, and so are pages.

use std::collections::BTreeMap;
use std::ops::Range;

use greenroom_kernel::{LedgerId, LedgerRow, RequestRow, StoreError, TenantId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sqlite::rows::text;

/// A page that has so many bytes takes no further row.
const PAGE_BYTES: usize = 128 * 1024;

const LAST: LedgerId = LedgerId(u128::MAX);

/// A row that pages hold.
pub(super) trait Paged: Serialize + DeserializeOwned {
    /// Where its pages are.
    const TABLE: &'static str;

    fn id(&self) -> LedgerId;

    fn tenant(&self) -> &TenantId;
}

impl Paged for LedgerRow {
    const TABLE: &'static str = "try_pages";

    fn id(&self) -> LedgerId {
        self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.caller.tenant
    }
}

impl Paged for RequestRow {
    const TABLE: &'static str = "request_pages";

    fn id(&self) -> LedgerId {
        self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.caller.tenant
    }
}

/// One row of a page: its id, which of the rows given it is, and where its line stands.
struct Line {
    id: LedgerId,
    of: usize,
    at: Range<usize>,
}

/// A page to be written: a line of JSON a row, the oldest first.
pub(super) struct Draft {
    tenant: TenantId,
    lines: Vec<Line>,
    text: String,
}

/// Rows as pages. A row that comes twice is one.
pub(super) fn draft<T: Paged>(operation: &'static str, rows: &[T]) -> Result<Vec<Draft>, StoreError> {
    let mut tenants: BTreeMap<&TenantId, Vec<(LedgerId, usize)>> = BTreeMap::new();
    for (of, row) in rows.iter().enumerate() {
        tenants.entry(row.tenant()).or_default().push((row.id(), of));
    }
    let mut drafts = Vec::with_capacity(tenants.len());
    for (tenant, mut ordered) in tenants {
        ordered.sort_unstable();
        ordered.dedup_by_key(|(id, _)| *id);
        let (mut lines, mut bytes) = (Vec::with_capacity(ordered.len()), Vec::new());
        for (id, of) in ordered {
            if bytes.len() >= PAGE_BYTES {
                let full = (std::mem::take(&mut lines), std::mem::take(&mut bytes));
                drafts.push(finished(operation, tenant, full)?);
            }
            let begin = bytes.len();
            serde_json::to_writer(&mut bytes, &rows[of]).map_err(|error| no_text(operation, error))?;
            bytes.push(b'\n');
            let at = begin..bytes.len();
            lines.push(Line { id, of, at });
        }
        drafts.push(finished(operation, tenant, (lines, bytes))?);
    }
    Ok(drafts)
}

fn no_text(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt {
        operation,
        what: "a row that has no JSON form".into(),
        source: Some(Box::new(error)),
    }
}

fn finished(
    operation: &'static str,
    tenant: &TenantId,
    (lines, bytes): (Vec<Line>, Vec<u8>),
) -> Result<Draft, StoreError> {
    Ok(Draft {
        tenant: tenant.clone(),
        lines,
        text: String::from_utf8(bytes).map_err(|error| no_text(operation, error))?,
    })
}

impl Draft {
    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Writes what isn't there yet, and tells which of the rows given that was.
    pub(super) fn write<T: Paged>(
        &self,
        connection: &Connection,
        mut is_new: impl FnMut(usize),
    ) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else {
            return Ok(());
        };
        // Ids begin with the time, so that there is something there only where rows are sent again.
        let there = ids_between::<T>(connection, &self.tenant, first.id, last.id)?;
        if there.is_empty() {
            for line in &self.lines {
                is_new(line.of);
            }
            return insert::<T>(connection, &self.tenant, (first.id, last.id), &self.text);
        }
        let mut text = String::new();
        let mut ends: Option<(LedgerId, LedgerId)> = None;
        for line in &self.lines {
            if there.binary_search(&line.id).is_err() {
                text.push_str(&self.text[line.at.clone()]);
                ends = Some((ends.map_or(line.id, |(first, _)| first), line.id));
                is_new(line.of);
            }
        }
        match ends {
            Some(ends) => insert::<T>(connection, &self.tenant, ends, &text),
            None => Ok(()),
        }
    }
}

fn insert<T: Paged>(
    connection: &Connection,
    tenant: &TenantId,
    (first, last): (LedgerId, LedgerId),
    rows: &str,
) -> rusqlite::Result<()> {
    let table = T::TABLE;
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} (tenant, first, last, rows) VALUES (?1, ?2, ?3, ?4)"
        ))?
        .execute(params![
            tenant.as_str(),
            first.0.to_be_bytes(),
            last.0.to_be_bytes(),
            rows
        ])?;
    Ok(())
}

/// The rows of a page's text.
fn rows<T: Paged>(text: &str) -> rusqlite::Result<Vec<T>> {
    let rows = serde_json::Deserializer::from_str(text).into_iter();
    rows.collect::<Result<_, _>>()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// What of a tenant's is there from the first to the last of these, in order.
fn ids_between<T: Paged>(
    connection: &Connection,
    tenant: &TenantId,
    first: LedgerId,
    last: LedgerId,
) -> rusqlite::Result<Vec<LedgerId>> {
    let table = T::TABLE;
    let mut query = connection.prepare_cached(&format!(
        "SELECT rows FROM {table} WHERE tenant = ?1 AND last >= ?2 AND first <= ?3"
    ))?;
    let mut found = query.query(params![
        tenant.as_str(),
        first.0.to_be_bytes(),
        last.0.to_be_bytes()
    ])?;
    let mut ids = Vec::new();
    while let Some(page) = found.next()? {
        ids.extend(rows::<T>(text(page, 0)?)?.iter().map(Paged::id));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// A tenant's rows behind `after`, the newest first.
pub(super) fn newest<T: Paged>(
    connection: &Connection,
    tenant: &TenantId,
    after: Option<LedgerId>,
    limit: usize,
) -> rusqlite::Result<Vec<T>> {
    let (table, before) = (T::TABLE, after.unwrap_or(LAST));
    let mut query = connection.prepare_cached(&format!(
        "SELECT rows, last FROM {table} WHERE tenant = ?1 AND first < ?2 ORDER BY last DESC"
    ))?;
    let mut pages = query.query(params![tenant.as_str(), before.0.to_be_bytes()])?;
    let mut newest: Vec<T> = Vec::new();
    while let Some(page) = pages.next()? {
        let last = LedgerId(u128::from_be_bytes(page.get(1)?));
        // Pages that were written by several at once lie over each other: a later one may hold what belongs between.
        if newest.len() >= limit && newest.get(limit - 1).is_some_and(|row| row.id() > last) {
            break;
        }
        let mut more = rows::<T>(text(page, 0)?)?;
        more.retain(|row| row.id() < before);
        newest.append(&mut more);
        newest.sort_unstable_by_key(|row| std::cmp::Reverse(row.id()));
    }
    newest.truncate(limit);
    Ok(newest)
}

/// Removes rows of before, the oldest first, at most `limit`; says how many went.
pub(super) fn sweep<T: Paged>(
    connection: &Connection,
    before: LedgerId,
    limit: usize,
) -> rusqlite::Result<usize> {
    let table = T::TABLE;
    let mut oldest = connection.prepare_cached(&format!(
        "SELECT rows, no FROM {table} WHERE first < ?1 ORDER BY first LIMIT 1"
    ))?;
    let mut swept = 0;
    while swept < limit {
        let page = oldest
            .query_row([before.0.to_be_bytes()], |page| {
                Ok((rows::<T>(text(page, 0)?)?, page.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((rows, no)) = page else {
            break;
        };
        let old = rows.iter().take_while(|row| row.id() < before).count();
        let gone = old.min(limit - swept);
        swept += gone;
        match rows.get(gone..).filter(|stay| !stay.is_empty()) {
            None => {
                connection
                    .prepare_cached(&format!("DELETE FROM {table} WHERE no = ?1"))?
                    .execute([no])?;
            }
            Some(stay) => keep::<T>(connection, no, stay)?,
        }
    }
    Ok(swept)
}

/// Leaves these rows of a page.
fn keep<T: Paged>(connection: &Connection, no: i64, stay: &[T]) -> rusqlite::Result<()> {
    let mut text = String::new();
    for row in stay {
        let line = serde_json::to_string(row)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        text.push_str(&line);
        text.push('\n');
    }
    let table = T::TABLE;
    let first = stay.first().map_or(LAST, Paged::id);
    connection
        .prepare_cached(&format!("UPDATE {table} SET first = ?1, rows = ?2 WHERE no = ?3"))?
        .execute(params![first.0.to_be_bytes(), text, no])?;
    Ok(())
}
