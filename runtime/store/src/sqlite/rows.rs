//! Between the kernel's types and columns: written on the caller's thread, read on a reader's.

use greenroom_kernel::{InvalidId, JournalKey, NodeId, Nonce, Slot, StoreError, Timestamp, Writer};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A journal's slots and tasks are numbered within its share of a table: `no << 32 | number`.
const SHARE: u32 = 32;

/// The first id of a journal's share.
pub(super) const fn first_id(no: i64) -> i64 {
    no << SHARE
}

/// The last id of a journal's share.
pub(super) const fn last_id(no: i64) -> i64 {
    (no << SHARE) | 0xffff_ffff
}

/// The id of number `number` in a journal's share; none when it's beyond.
pub(super) fn id_of(no: i64, number: u64) -> Option<i64> {
    u32::try_from(number)
        .ok()
        .map(|number| first_id(no) | i64::from(number))
}

/// The number within its journal's share.
pub(super) const fn number_of(id: i64) -> u64 {
    (id & 0xffff_ffff).cast_unsigned()
}

/// The journal's number in the file, when it was ever written to.
pub(super) fn number(connection: &Connection, key: &JournalKey) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT no FROM journals WHERE tenant = ?1 AND journal = ?2")?
        .query_row([key.tenant.as_str(), key.journal.as_str()], |row| row.get(0))
        .optional()
}

/// What `empty_at` says of a journal without slots that no sweep has met yet.
pub(super) const UNMET: i64 = i64::MAX;

/// The number of a journal whose first slot is about to be written; `known` when it has one.
pub(super) fn number_to_begin(
    connection: &Connection,
    key: &JournalKey,
    known: Option<i64>,
) -> rusqlite::Result<i64> {
    match known {
        None => new_number(connection, key, None),
        Some(no) => {
            connection
                .prepare_cached("UPDATE journals SET empty_at = NULL WHERE no = ?1 AND empty_at IS NOT NULL")?
                .execute([no])?;
            Ok(no)
        }
    }
}

/// The number of a journal that something is kept beside, made where absent. One without slots counts as new again:
/// its first slot may be about to name what is kept.
pub(super) fn number_beside(connection: &Connection, key: &JournalKey) -> rusqlite::Result<i64> {
    let Some(no) = number(connection, key)? else {
        return new_number(connection, key, Some(UNMET));
    };
    connection
        .prepare_cached("UPDATE journals SET empty_at = ?2 WHERE no = ?1 AND empty_at < ?2")?
        .execute([no, UNMET])?;
    Ok(no)
}

fn new_number(connection: &Connection, key: &JournalKey, empty_at: Option<i64>) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO journals (tenant, journal, empty_at) VALUES (?1, ?2, ?3)")?
        .execute(params![key.tenant.as_str(), key.journal.as_str(), empty_at])?;
    Ok(connection.last_insert_rowid())
}

/// Something as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(operation: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt {
        operation,
        what: "a value that has no JSON form".into(),
        source: Some(Box::new(source)),
    })
}

/// A column that must hold something else than it does.
fn unfit<E: std::error::Error + Send + Sync + 'static>(column: usize, error: E) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// A column of JSON text.
pub(super) fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text(row, column)?).map_err(|e| unfit(column, e))
}

/// A column that holds a count; none is negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
}

/// A column of text, not copied.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|e| unfit(column, e))
}

/// A column that holds an id.
pub(super) fn id<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, InvalidId>,
) -> rusqlite::Result<T> {
    parse(text(row, column)?).map_err(|e| unfit(column, e))
}

/// The columns that [`slot`] reads.
pub(super) const SLOT: &str = "id, nonce, node, incarnation, at, entries";

/// A row of [`SLOT`].
pub(super) fn slot(row: &Row<'_>) -> rusqlite::Result<Slot> {
    Ok(Slot {
        seq: number_of(row.get(0)?),
        nonce: Nonce(u128::from_be_bytes(row.get(1)?)),
        writer: Writer {
            node: id(row, 2, NodeId::parse)?,
            incarnation: row.get::<_, i64>(3)?.cast_unsigned(),
        },
        at: Timestamp::from_millis(row.get(4)?),
        entries: parsed(row, 5)?,
    })
}
