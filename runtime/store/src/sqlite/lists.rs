//! What is read: slots, rows and lists. Every list is bounded and begins where its page says.

use std::sync::Arc;

use greenroom_kernel::{
    BlobId, JournalKey, MessageRange, MessageRow, Position, SessionId, SessionQuery, SessionRow, Slot,
    Snapshot, TaskId, TaskQuery, TaskRow, TaskStatus, TenantId, Timestamp,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::de::DeserializeOwned;

use super::rows::{SLOT, first_id, id, id_of, last_id, number, parsed, slot, text};

type Rows<T> = rusqlite::Result<Vec<T>>;

pub(super) fn read(connection: &Connection, key: &JournalKey, from: u64, limit: u32) -> Rows<Slot> {
    let Some((no, first)) = number(connection, key)?.and_then(|no| Some((no, id_of(no, from)?))) else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SLOT} FROM slots WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![first, last_id(no), limit])?;
    let mut slots = Vec::new();
    let mut next = from;
    while let Some(row) = rows.next()? {
        let slot = slot(row)?;
        if slot.seq != next {
            break;
        }
        next += 1;
        slots.push(slot);
    }
    Ok(slots)
}

pub(super) fn snapshot(connection: &Connection, key: &JournalKey) -> rusqlite::Result<Option<Snapshot>> {
    connection
        .prepare_cached(
            "SELECT next, state FROM snapshots
             WHERE no = (SELECT no FROM journals WHERE tenant = ?1 AND journal = ?2)",
        )?
        .query_row([key.tenant.as_str(), key.journal.as_str()], |row| {
            Ok(Snapshot {
                next: row.get::<_, i64>(0)?.cast_unsigned(),
                state: text(row, 1)?.into(),
            })
        })
        .optional()
}

pub(super) fn blob(
    connection: &Connection,
    key: &JournalKey,
    blob: &BlobId,
) -> rusqlite::Result<Option<Arc<str>>> {
    connection
        .prepare_cached(
            "SELECT content FROM blobs
             WHERE no = (SELECT no FROM journals WHERE tenant = ?1 AND journal = ?2) AND id = ?3",
        )?
        .query_row(
            [key.tenant.as_str(), key.journal.as_str(), blob.as_str()],
            |row| Ok(text(row, 0)?.into()),
        )
        .optional()
}

pub(super) fn session(
    connection: &Connection,
    tenant: &TenantId,
    session: &SessionId,
) -> rusqlite::Result<Option<SessionRow>> {
    connection
        .prepare_cached(
            "SELECT row FROM sessions
             WHERE no = (SELECT no FROM journals WHERE tenant = ?1 AND journal = ?2)",
        )?
        .query_row([tenant.as_str(), session.as_str()], |row| parsed(row, 0))
        .optional()
}

pub(super) fn sessions(
    connection: &Connection,
    tenant: &TenantId,
    query: &SessionQuery,
    after: Option<(Timestamp, SessionId)>,
    limit: usize,
) -> Rows<SessionRow> {
    session_list(tenant, query, after).fetch(connection, limit)
}

pub(super) fn session_list(
    tenant: &TenantId,
    query: &SessionQuery,
    after: Option<(Timestamp, SessionId)>,
) -> List {
    let mut list = List::new("SELECT row FROM sessions WHERE deleted = 0");
    list.only("tenant = ?", [string(tenant.as_str())]);
    if let Some(subject) = &query.subject {
        list.only("subject = ?", [string(subject.as_str())]);
    }
    if let Some(from) = query.created_after {
        list.only("created_at >= ?", [millis(from)]);
    }
    if let Some(before) = query.created_before {
        list.only("created_at < ?", [millis(before)]);
    }
    if let Some(title) = &query.title {
        list.only("instr(lower(title), lower(?)) > 0", [string(title)]);
    }
    if let Some((created, id)) = after {
        list.only(
            "(created_at, id) < (?, ?)",
            [millis(created), string(id.as_str())],
        );
    }
    list.newest_first("created_at DESC, id DESC")
}

pub(super) fn messages(
    connection: &Connection,
    key: &JournalKey,
    range: MessageRange,
    limit: u32,
) -> Rows<MessageRow> {
    let Some(no) = number(connection, key)? else {
        return Ok(Vec::new());
    };
    let (sql, place, newest_first) = match range {
        MessageRange::After(place) => (
            "SELECT seq, place, at, message FROM messages
             WHERE no = ?1 AND (seq, place) > (?2, ?3) ORDER BY seq, place LIMIT ?4",
            place.map_or((-1, 0), columns),
            false,
        ),
        MessageRange::Before(place) => (
            "SELECT seq, place, at, message FROM messages
             WHERE no = ?1 AND (seq, place) < (?2, ?3) ORDER BY seq DESC, place DESC LIMIT ?4",
            place.map_or((i64::MAX, 0), columns),
            true,
        ),
    };
    let mut rows = connection
        .prepare_cached(sql)?
        .query_map(params![no, place.0, place.1, limit], |row| {
            Ok(MessageRow {
                session: key.journal.clone(),
                position: Position {
                    seq: row.get::<_, i64>(0)?.cast_unsigned(),
                    index: row.get(1)?,
                },
                at: Timestamp::from_millis(row.get(2)?),
                message: parsed(row, 3)?,
            })
        })?
        .collect::<Rows<_>>()?;
    if newest_first {
        rows.reverse();
    }
    Ok(rows)
}

fn columns(position: Position) -> (i64, u32) {
    (i64::try_from(position.seq).unwrap_or(i64::MAX), position.index)
}

pub(super) fn task(
    connection: &Connection,
    tenant: &TenantId,
    task: &TaskId,
) -> rusqlite::Result<Option<TaskRow>> {
    connection
        .prepare_cached(
            "SELECT row FROM tasks
             WHERE id = (SELECT no << 32 | ?3 FROM journals WHERE tenant = ?1 AND journal = ?2)",
        )?
        .query_row(
            params![tenant.as_str(), task.journal.as_str(), task.ordinal],
            |row| parsed(row, 0),
        )
        .optional()
}

pub(super) fn tasks(
    connection: &Connection,
    tenant: &TenantId,
    query: &TaskQuery,
    after: Option<(Timestamp, TaskId)>,
    limit: usize,
) -> Rows<TaskRow> {
    let no = match &query.journal {
        Some(journal) => {
            let key = JournalKey {
                tenant: tenant.clone(),
                journal: journal.clone(),
            };
            match number(connection, &key)? {
                Some(no) => Some(no),
                None => return Ok(Vec::new()),
            }
        }
        None => None,
    };
    task_list(tenant, query, no, after).fetch(connection, limit)
}

pub(super) fn task_list(
    tenant: &TenantId,
    query: &TaskQuery,
    no: Option<i64>,
    after: Option<(Timestamp, TaskId)>,
) -> List {
    let mut list = List::new(&format!("SELECT row FROM tasks {} WHERE 1", way(query)));
    list.only("tenant = ?", [string(tenant.as_str())]);
    if let Some(no) = no {
        list.only("id BETWEEN ? AND ?", [first_id(no).into(), last_id(no).into()]);
    }
    if let Some(subject) = &query.subject {
        list.only("subject = ?", [string(subject.as_str())]);
    }
    if let Some(status) = query.status {
        list.only(standing(status), []);
        list.only("status = ?", [string(status.as_str())]);
    }
    if let Some(parent) = &query.parent {
        list.only("parent = ?", [parent.to_string().into()]);
    }
    if let Some((created, id)) = after {
        list.only(
            "(created_at, journal, id & 4294967295) < (?, ?, ?)",
            [
                millis(created),
                string(id.journal.as_str()),
                i64::from(id.ordinal).into(),
            ],
        );
    }
    // Within a journal, ids grow with the ordinal.
    list.newest_first("created_at DESC, journal DESC, id DESC")
}

/// The index that leaves the fewest tasks to look at. SQLite would rather have the order for nothing.
const fn way(query: &TaskQuery) -> &'static str {
    match query {
        TaskQuery { journal: Some(_), .. } => "NOT INDEXED",
        TaskQuery { parent: Some(_), .. } => "INDEXED BY tasks_by_parent",
        TaskQuery {
            status: Some(TaskStatus::Accepted | TaskStatus::Running),
            ..
        } => "INDEXED BY tasks_open",
        TaskQuery {
            status: Some(TaskStatus::Waiting | TaskStatus::OutcomeUnknown),
            ..
        } => "INDEXED BY tasks_resting",
        TaskQuery { subject: Some(_), .. } => "INDEXED BY tasks_by_subject",
        _ => "INDEXED BY tasks_by_creation",
    }
}

/// The condition of the partial index that covers the status, word for word: SQLite uses it only so.
const fn standing(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Accepted | TaskStatus::Running => "status IN ('ACCEPTED', 'RUNNING')",
        TaskStatus::Waiting | TaskStatus::OutcomeUnknown => "status IN ('WAITING', 'OUTCOME_UNKNOWN')",
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => "1",
    }
}

/// Journals with a task that needs an owner.
pub(super) const OPEN: &str = "SELECT DISTINCT tenant, journal FROM tasks INDEXED BY tasks_open
    WHERE status IN ('ACCEPTED', 'RUNNING') AND (tenant, journal) > (?1, ?2)
    ORDER BY tenant, journal LIMIT ?3";

/// Journals with a task that is due.
pub(super) const DUE: &str = "SELECT DISTINCT tenant, journal FROM tasks INDEXED BY tasks_due
    WHERE due <= ?4 AND (tenant, journal) > (?1, ?2)
    ORDER BY tenant, journal LIMIT ?3";

/// Sessions that are deleted and not hollow yet.
pub(super) const FULL: &str = "SELECT tenant, id FROM sessions INDEXED BY sessions_full
    WHERE deleted = 1 AND (tenant, id) > (?1, ?2)
    ORDER BY tenant, id LIMIT ?3";

pub(super) fn open_journals(
    connection: &Connection,
    now: Timestamp,
    after: Option<&JournalKey>,
    limit: u32,
) -> Rows<JournalKey> {
    let (tenant, journal) = after.map_or(("", ""), |key| (key.tenant.as_str(), key.journal.as_str()));
    let key = |row: &Row<'_>| {
        Ok(JournalKey {
            tenant: id(row, 0, TenantId::parse)?,
            journal: id(row, 1, SessionId::parse)?,
        })
    };
    let mut keys = Vec::new();
    for listed in [OPEN, FULL] {
        let found = connection
            .prepare_cached(listed)?
            .query_map(params![tenant, journal, limit], key)?
            .collect::<Rows<_>>()?;
        keys.extend(found);
    }
    let due = connection
        .prepare_cached(DUE)?
        .query_map(params![tenant, journal, limit, now.as_millis()], key)?
        .collect::<Rows<_>>()?;
    keys.extend(due);
    keys.sort();
    keys.dedup();
    keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(keys)
}

fn string(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn millis(moment: Timestamp) -> Value {
    Value::Integer(moment.as_millis())
}

/// A list of rows kept as JSON, with as many conditions as are asked for.
pub(super) struct List {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl List {
    fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    fn only<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn newest_first(mut self, order: &str) -> Self {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        self
    }

    fn fetch<T: DeserializeOwned>(mut self, connection: &Connection, limit: usize) -> Rows<T> {
        self.values
            .push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        connection
            .prepare_cached(&self.sql)?
            .query_map(params_from_iter(self.values), |row| parsed(row, 0))?
            .collect()
    }
}
