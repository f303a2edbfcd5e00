//! Pages: the rows of one tenant that were recorded together, as one row of the file.
//!
//! A row each would cost an insertion into a tree each, which is most of what recording costs. What is written together
//! is read together too: lists are by time, and so are pages. Rows stand in a page as MessagePack with their fields'
//! names: half the work of JSON, and a later version may still add fields.

use std::collections::BTreeMap;
use std::ops::Range;

use greenroom_kernel::{LedgerId, LedgerRow, RequestRow, StoreError, TenantId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// One row of a page: its id, which of the rows given it is, and where it stands.
struct Place {
    id: LedgerId,
    of: usize,
    at: Range<usize>,
}

/// A page to be written: its rows one behind the other, the oldest first.
pub(super) struct Draft {
    tenant: TenantId,
    places: Vec<Place>,
    rows: Vec<u8>,
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
        let (mut places, mut bytes) = (Vec::with_capacity(ordered.len()), Vec::new());
        for (id, of) in ordered {
            if bytes.len() >= PAGE_BYTES {
                drafts.push(Draft {
                    tenant: tenant.clone(),
                    places: std::mem::take(&mut places),
                    rows: std::mem::take(&mut bytes),
                });
            }
            let begin = bytes.len();
            append(&mut bytes, &rows[of]).map_err(|error| StoreError::Corrupt {
                operation,
                what: "a row that can't be written".into(),
                source: Some(Box::new(error)),
            })?;
            let at = begin..bytes.len();
            places.push(Place { id, of, at });
        }
        drafts.push(Draft {
            tenant: tenant.clone(),
            places,
            rows: bytes,
        });
    }
    Ok(drafts)
}

fn append<T: Paged>(page: &mut Vec<u8>, row: &T) -> Result<(), rmp_serde::encode::Error> {
    row.serialize(&mut rmp_serde::Serializer::new(page).with_struct_map())
}

impl Draft {
    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.rows.len()
    }

    /// Writes what isn't there yet, and tells which of the rows given that was.
    pub(super) fn write<T: Paged>(
        &self,
        connection: &Connection,
        mut is_new: impl FnMut(usize),
    ) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (self.places.first(), self.places.last()) else {
            return Ok(());
        };
        // Ids begin with the time, so that there is something there only where rows are sent again.
        let there = ids_between::<T>(connection, &self.tenant, first.id, last.id)?;
        if there.is_empty() {
            for place in &self.places {
                is_new(place.of);
            }
            return insert::<T>(connection, &self.tenant, (first.id, last.id), &self.rows);
        }
        let mut rows = Vec::new();
        let mut ends: Option<(LedgerId, LedgerId)> = None;
        for place in &self.places {
            if there.binary_search(&place.id).is_err() {
                rows.extend_from_slice(&self.rows[place.at.clone()]);
                ends = Some((ends.map_or(place.id, |(first, _)| first), place.id));
                is_new(place.of);
            }
        }
        match ends {
            Some(ends) => insert::<T>(connection, &self.tenant, ends, &rows),
            None => Ok(()),
        }
    }
}

fn insert<T: Paged>(
    connection: &Connection,
    tenant: &TenantId,
    (first, last): (LedgerId, LedgerId),
    rows: &[u8],
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

/// The rows of a page.
fn rows<T: Paged>(page: &Row<'_>) -> rusqlite::Result<Vec<T>> {
    let mut bytes = page.get_ref(0)?.as_blob()?;
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let row = rmp_serde::from_read(&mut bytes);
        rows.push(
            row.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error)))?,
        );
    }
    Ok(rows)
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
        ids.extend(rows::<T>(page)?.iter().map(Paged::id));
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
        let mut more = rows::<T>(page)?;
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
                Ok((rows::<T>(page)?, page.get::<_, i64>(1)?))
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
    let mut rows = Vec::new();
    for row in stay {
        append(&mut rows, row).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    }
    let table = T::TABLE;
    let first = stay.first().map_or(LAST, Paged::id);
    connection
        .prepare_cached(&format!("UPDATE {table} SET first = ?1, rows = ?2 WHERE no = ?3"))?
        .execute(params![first.0.to_be_bytes(), rows, no])?;
    Ok(())
}
