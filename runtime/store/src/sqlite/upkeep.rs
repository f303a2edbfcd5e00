//! Writes beside appends: snapshots and large payloads, and the removal of whole journals whose time has come.

use greenroom_kernel::{BlobId, JournalKey, Snapshot, Timestamp};
use rusqlite::{Connection, params};

use super::rows::{UNMET, first_id, last_id, number_beside};
use super::writer::Written;

/// How long a journal without slots stays once a sweep has met it, in milliseconds: a day. Its first slot is written
/// a moment after what it names is kept, if ever.
const EMPTY_STAYS_MS: i64 = 24 * 3_600 * 1_000;
/// How many journals without slots a sweep meets at most.
const MEETS: u32 = 1_000;

pub(super) fn put_snapshot(
    connection: &Connection,
    key: &JournalKey,
    snapshot: &Snapshot,
) -> rusqlite::Result<Written<()>> {
    let no = number_beside(connection, key)?;
    connection
        .prepare_cached(
            "INSERT INTO snapshots (no, next, state) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET next = excluded.next, state = excluded.state
                 WHERE excluded.next > snapshots.next",
        )?
        .execute(params![no, snapshot.next.cast_signed(), snapshot.state])?;
    Ok(Written::other((), snapshot.state.len()))
}

pub(super) fn put_blob(
    connection: &Connection,
    key: &JournalKey,
    id: &BlobId,
    content: &str,
) -> rusqlite::Result<Written<()>> {
    let no = number_beside(connection, key)?;
    // The name is the content's hash: what is there already is the same.
    connection
        .prepare_cached("INSERT INTO blobs (no, id, content) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![no, id.as_str(), content])?;
    Ok(Written::other((), content.len()))
}

fn remove_content(connection: &Connection, no: i64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM messages WHERE no = ?1",
        "DELETE FROM snapshots WHERE no = ?1",
        "DELETE FROM blobs WHERE no = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([no])?;
    }
    Ok(())
}

/// The journals without slots that an earlier sweep met long enough ago. Others are met now, some at a time.
fn empty(connection: &Connection, ended_before: i64, limit: i64) -> rusqlite::Result<Vec<i64>> {
    let long_ago = ended_before.saturating_sub(EMPTY_STAYS_MS);
    let due = connection
        .prepare_cached("SELECT no FROM journals INDEXED BY journals_empty WHERE empty_at <= ?1 ORDER BY empty_at, no LIMIT ?2")?
        .query_map([long_ago, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    connection
        .prepare_cached(
            "UPDATE journals SET empty_at = ?1 WHERE no IN
                 (SELECT no FROM journals INDEXED BY journals_empty WHERE empty_at = ?2 LIMIT ?3)",
        )?
        .execute(params![ended_before, UNMET, MEETS])?;
    Ok(due)
}

/// Removes whole journals whose time has come.
pub(super) fn sweep(
    connection: &Connection,
    deleted_before: Timestamp,
    ended_before: Timestamp,
    limit: u32,
) -> rusqlite::Result<Written<u32>> {
    let mut due = connection
        .prepare_cached("SELECT no FROM journals INDEXED BY journals_deleted WHERE deleted_at < ?1 ORDER BY deleted_at, no LIMIT ?2")?
        .query_map(params![deleted_before.as_millis(), limit], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let ended_before = ended_before.as_millis();
    let left = |due: &[i64]| i64::from(limit) - i64::try_from(due.len()).unwrap_or(i64::MAX);
    due.extend(empty(connection, ended_before, left(&due))?);
    let ended = connection
        .prepare_cached(
            "SELECT DISTINCT id >> 32 FROM tasks AS ended INDEXED BY tasks_ended
             WHERE own = 1 AND (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED')
                 AND updated_at < ?1
                 AND NOT EXISTS (
                     SELECT 1 FROM tasks AS other NOT INDEXED
                     WHERE other.id BETWEEN (ended.id >> 32) << 32 AND ((ended.id >> 32) << 32) | 4294967295
                         AND NOT (other.status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND other.updated_at < ?1))
             LIMIT ?2",
        )?
        .query_map([ended_before, left(&due)], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    due.extend(ended);
    due.sort_unstable();
    due.dedup();
    for no in &due {
        remove_content(connection, *no)?;
        for sql in [
            "DELETE FROM slots WHERE id BETWEEN ?1 AND ?2",
            "DELETE FROM tasks WHERE id BETWEEN ?1 AND ?2",
        ] {
            connection
                .prepare_cached(sql)?
                .execute([first_id(*no), last_id(*no)])?;
        }
        for sql in [
            "DELETE FROM sessions WHERE no = ?1",
            "DELETE FROM journals WHERE no = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([no])?;
        }
    }
    Ok(Written::other(u32::try_from(due.len()).unwrap_or(u32::MAX), 0))
}
