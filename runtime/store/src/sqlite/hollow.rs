//! Emptying a deleted journal, a little at a time. Each batch is a transaction of its own, so that a huge session
//! holds nobody's write up, and one that is left in the middle is still listed as work: the last batch says that all
//! is done.
//!
//! The newest slots go first. What is left of a log then always begins at its beginning, which an owner can fold.

use greenroom_kernel::{JournalKey, SessionRow};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{first_id, id_of, number, number_of, parsed};
use super::writer::Written;

/// How many rows a batch changes at most.
const ROWS: usize = 256;
/// Behind how many bytes of content a batch ends.
const BYTES: i64 = 1 << 20;
/// How many rows a batch looks at: those that are hollow already cost little.
const LOOKS: i64 = 4_096;

/// Of a journal's number, the ids and sizes of some rows; and how one goes.
const CONTENT: [[&str; 2]; 4] = [
    [
        "SELECT id, octet_length(row) FROM tasks
         WHERE id BETWEEN ?1 << 32 AND (?1 << 32) | 4294967295 LIMIT ?2",
        "DELETE FROM tasks WHERE id = ?1",
    ],
    [
        "SELECT rowid, octet_length(message) FROM messages WHERE no = ?1 LIMIT ?2",
        "DELETE FROM messages WHERE rowid = ?1",
    ],
    [
        "SELECT rowid, octet_length(content) FROM blobs WHERE no = ?1 LIMIT ?2",
        "DELETE FROM blobs WHERE rowid = ?1",
    ],
    [
        "SELECT no, octet_length(state) FROM snapshots WHERE no = ?1 LIMIT ?2",
        "DELETE FROM snapshots WHERE no = ?1",
    ],
];

/// How far a journal is emptied.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// A slot that says that the journal is deleted.
    deleted: u64,
    /// The slots from here on are hollow.
    from: u64,
    /// When the newest of them says it was deleted.
    deleted_at: Option<i64>,
}

/// What a batch may still change.
struct Budget {
    rows: usize,
    bytes: i64,
}

impl Budget {
    fn spend(&mut self, bytes: i64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes -= bytes;
    }

    fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes <= 0
    }
}

/// Where to begin with a journal; none when its log doesn't say that it is deleted.
pub(super) fn begin(connection: &Connection, key: &JournalKey) -> rusqlite::Result<Option<Pass>> {
    let Some(no) = number(connection, key)? else {
        return Ok(None);
    };
    let deleted = connection
        .prepare_cached(
            "SELECT id FROM slots
             WHERE id BETWEEN ?1 << 32 AND (?1 << 32) | 4294967295 AND instr(entries, '\"deleted\"')
                 AND EXISTS (SELECT 1 FROM json_each(entries) WHERE type = 'text' AND value = 'deleted')
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row([no], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(deleted.map(|id| Pass {
        deleted: number_of(id),
        from: u64::MAX,
        deleted_at: None,
    }))
}

/// Removes some of a deleted journal's content. Answers how to go on, none when all is gone. Of its entries only
/// `Deleted` stays, of its session's row all but title and metadata.
pub(super) fn batch(
    connection: &Connection,
    key: &JournalKey,
    mut pass: Pass,
) -> rusqlite::Result<Written<Option<Pass>>> {
    // A sweep may have removed the journal meanwhile, and its name and number may be another's by now.
    let Some(no) = number(connection, key)? else {
        return Ok(Written::other(None, 0));
    };
    if !says_deleted(connection, no, pass.deleted)? {
        return Ok(Written::other(None, 0));
    }
    let mut budget = Budget {
        rows: ROWS,
        bytes: BYTES,
    };
    if !hollow_slots(connection, no, &mut pass, &mut budget)? {
        return Ok(Written::other(Some(pass), 0));
    }
    for [list, delete] in CONTENT {
        if !remove(connection, no, list, delete, &mut budget)? {
            return Ok(Written::other(Some(pass), 0));
        }
    }
    finish(connection, no, pass.deleted_at)?;
    Ok(Written::other(None, 0))
}

fn says_deleted(connection: &Connection, no: i64, seq: u64) -> rusqlite::Result<bool> {
    let Some(id) = id_of(no, seq) else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "SELECT 1 FROM slots WHERE id = ?1
                 AND EXISTS (SELECT 1 FROM json_each(entries) WHERE type = 'text' AND value = 'deleted')",
        )?
        .exists([id])
}

/// Empties some slots. Tells whether none are left.
fn hollow_slots(
    connection: &Connection,
    no: i64,
    pass: &mut Pass,
    budget: &mut Budget,
) -> rusqlite::Result<bool> {
    // The text itself is looked at where it is short only: a long one lies on pages of its own.
    let mut list = connection.prepare_cached(
        "SELECT id, octet_length(entries), at,
             CASE octet_length(entries) WHEN 2 THEN 1 WHEN 11 THEN entries = '[\"deleted\"]' ELSE 0 END
         FROM slots WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let below = id_of(no, pass.from).unwrap_or(first_id(no + 1));
    let mut rows = list.query([first_id(no), below, LOOKS])?;
    let (mut looked, mut full) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let (id, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        looked += 1;
        pass.from = number_of(id);
        if row.get(3)? {
            if length > 2 {
                pass.deleted_at = pass.deleted_at.max(row.get(2)?);
            }
            continue;
        }
        full.push(id);
        budget.spend(length);
        if budget.is_spent() {
            break;
        }
    }
    drop(rows);
    let mut empty = connection.prepare_cached(
        "UPDATE slots SET entries = CASE
             WHEN instr(entries, '\"deleted\"')
                 AND EXISTS (SELECT 1 FROM json_each(entries) WHERE type = 'text' AND value = 'deleted')
             THEN '[\"deleted\"]' ELSE '[]' END
         WHERE id = ?1 RETURNING CASE entries WHEN '[]' THEN NULL ELSE at END",
    )?;
    for id in full {
        let deleted_at: Option<i64> = empty.query_row([id], |row| row.get(0))?;
        pass.deleted_at = pass.deleted_at.max(deleted_at);
    }
    Ok(looked < LOOKS && !budget.is_spent())
}

/// Removes some rows. Tells whether none are left.
fn remove(
    connection: &Connection,
    no: i64,
    list: &str,
    delete: &str,
    budget: &mut Budget,
) -> rusqlite::Result<bool> {
    let mut list = connection.prepare_cached(list)?;
    let limit = i64::try_from(budget.rows).unwrap_or(i64::MAX);
    let mut rows = list.query([no, limit])?;
    let mut gone: Vec<i64> = Vec::new();
    while !budget.is_spent()
        && let Some(row) = rows.next()?
    {
        gone.push(row.get(0)?);
        budget.spend(row.get(1)?);
    }
    drop(rows);
    let mut delete = connection.prepare_cached(delete)?;
    for id in gone {
        delete.execute([id])?;
    }
    Ok(!budget.is_spent())
}

/// Says that all is gone.
fn finish(connection: &Connection, no: i64, deleted_at: Option<i64>) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE journals SET deleted_at = ?2 WHERE no = ?1")?
        .execute(params![no, deleted_at])?;
    let row = connection
        .prepare_cached("SELECT row FROM sessions WHERE no = ?1")?
        .query_row([no], |row| parsed::<SessionRow>(row, 0))
        .optional()?;
    let Some(row) = row else {
        return Ok(());
    };
    let row = SessionRow {
        deleted: true,
        title: None,
        metadata: None,
        ..row
    };
    let row =
        serde_json::to_string(&row).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    connection
        .prepare_cached("UPDATE sessions SET deleted = 2, title = NULL, row = ?2 WHERE no = ?1")?
        .execute(params![no, row])
        .map(drop)
}
