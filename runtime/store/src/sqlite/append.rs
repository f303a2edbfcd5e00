//! One append: the slot where absent, and the rows that change with it.

use greenroom_kernel::{Append, Appended, JournalKey, JournalKind, NodeId, Slot, StoreError};
use rusqlite::{CachedStatement, Connection, params};

use super::rows::{SLOT, first_id, id_of, json, last_id, number, number_of, number_to_begin, slot};
use super::writer::Written;

/// An append as the writer needs it: every text made by the caller.
pub(super) struct Prepared {
    key: JournalKey,
    seq: u64,
    nonce: [u8; 16],
    node: NodeId,
    incarnation: i64,
    at: i64,
    entries: String,
    session: Option<Session>,
    tasks: Vec<Task>,
    messages: Vec<Message>,
}

struct Session {
    id: String,
    subject: String,
    title: Option<String>,
    created_at: i64,
    deleted: bool,
    row: String,
}

struct Task {
    ordinal: u32,
    new: bool,
    /// Its status is a new one, most likely.
    ended: bool,
    subject: String,
    own: bool,
    status: &'static str,
    parent: Option<String>,
    created_at: i64,
    updated_at: i64,
    due: Option<i64>,
    row: String,
}

struct Message {
    seq: i64,
    place: u32,
    at: i64,
    message: String,
}

const OPERATION: &str = "append";

impl Prepared {
    pub(super) fn new(append: Append) -> Result<Self, StoreError> {
        let Append { key, slot, rows } = append;
        let session = rows
            .session
            .map(|row| {
                Ok::<_, StoreError>(Session {
                    row: json(OPERATION, &row)?,
                    id: row.id.as_str().to_owned(),
                    subject: row.subject.as_str().to_owned(),
                    title: row.title,
                    created_at: row.created_at.as_millis(),
                    deleted: row.deleted,
                })
            })
            .transpose()?;
        let tasks = rows
            .tasks
            .into_iter()
            .map(|row| {
                Ok(Task {
                    row: json(OPERATION, &row)?,
                    ordinal: row.id.ordinal,
                    new: row.first.seq == slot.seq,
                    ended: row.status.is_terminal(),
                    subject: row.subject.as_str().to_owned(),
                    own: row.kind == JournalKind::Task,
                    status: row.status.as_str(),
                    parent: row.parent.map(|parent| parent.to_string()),
                    created_at: row.created_at.as_millis(),
                    updated_at: row.updated_at.as_millis(),
                    due: row.due.map(|due| due.as_millis()),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let messages = rows
            .messages
            .into_iter()
            .map(|row| {
                Ok(Message {
                    seq: row.position.seq.cast_signed(),
                    place: row.position.index,
                    at: row.at.as_millis(),
                    message: json(OPERATION, &row.message)?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Self {
            entries: json(OPERATION, &slot.entries)?,
            key,
            seq: slot.seq,
            nonce: slot.nonce.0.to_be_bytes(),
            node: slot.writer.node,
            incarnation: slot.writer.incarnation.cast_signed(),
            at: slot.at.as_millis(),
            session,
            tasks,
            messages,
        })
    }

    pub(super) fn run(&self, connection: &Connection) -> rusqlite::Result<Written<Appended>> {
        let no = match number(connection, &self.key)? {
            known if self.seq == 0 => number_to_begin(connection, &self.key, known)?,
            Some(no) => no,
            None => return Ok(self.gap(0)),
        };
        let Some(id) = id_of(no, self.seq) else {
            return Ok(self.gap(end(connection, no)?));
        };
        // Two statements: one that reads the table it writes would go by a temporary one.
        if self.seq > 0 && !exists(connection, id - 1)? {
            return Ok(self.gap(end(connection, no)?));
        }
        let stored = connection
            .prepare_cached(
                "INSERT INTO slots (id, nonce, node, incarnation, at, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                id,
                self.nonce,
                self.node.as_str(),
                self.incarnation,
                self.at,
                self.entries
            ])?;
        if stored == 0 {
            let occupant = Box::new(occupant(connection, id)?);
            return Ok(Written::other(Appended::Collided(occupant), 0));
        }
        if let Some(session) = &self.session {
            put_session(connection, no, &self.key, session)?;
        }
        for task in &self.tasks {
            put_task(connection, no, &self.key, task)?;
        }
        for message in &self.messages {
            put_message(connection, no, message)?;
        }
        Ok(Written {
            answer: Ok(Appended::Stored),
            appended: true,
            bytes: self.bytes(),
        })
    }

    fn gap(&self, end: u64) -> Written<Appended> {
        Written {
            answer: Err(StoreError::Gap {
                journal: self.key.journal.clone(),
                seq: self.seq,
                end,
            }),
            appended: false,
            bytes: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.entries.len()
            + self.session.iter().map(|s| s.row.len()).sum::<usize>()
            + self.tasks.iter().map(|t| t.row.len()).sum::<usize>()
            + self.messages.iter().map(|m| m.message.len()).sum::<usize>()
    }
}

/// The first slot that is absent.
fn end(connection: &Connection, no: i64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT max(id) FROM slots WHERE id BETWEEN ?1 AND ?2")?
        .query_row([first_id(no), last_id(no)], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.map_or(0, |id| number_of(id) + 1))
        })
}

fn exists(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM slots WHERE id = ?1")?
        .exists([id])
}

fn occupant(connection: &Connection, id: i64) -> rusqlite::Result<Slot> {
    connection
        .prepare_cached(&format!("SELECT {SLOT} FROM slots WHERE id = ?1"))?
        .query_row([id], slot)
}

// Below, a row is updated or inserted by the narrowest statement that fits. An `ON CONFLICT DO UPDATE` would
// copy every page it touches aside first, and one that sets an indexed column touches that index.

fn put_session(
    connection: &Connection,
    no: i64,
    key: &JournalKey,
    session: &Session,
) -> rusqlite::Result<()> {
    let unindexed = connection
        .prepare_cached(
            "UPDATE sessions SET title = ?2, row = ?3
             WHERE no = ?1 AND subject = ?4 AND created_at = ?5 AND deleted = ?6",
        )?
        .execute(params![
            no,
            session.title,
            session.row,
            session.subject,
            session.created_at,
            session.deleted
        ])?;
    if unindexed > 0 {
        return Ok(());
    }
    let inserted = connection
        .prepare_cached(
            "INSERT INTO sessions (no, tenant, id, subject, title, created_at, deleted, row)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            no,
            key.tenant.as_str(),
            session.id,
            session.subject,
            session.title,
            session.created_at,
            session.deleted,
            session.row
        ])?;
    if inserted > 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE sessions SET subject = ?2, title = ?3, created_at = ?4, deleted = ?5, row = ?6 WHERE no = ?1",
        )?
        .execute(params![
            no,
            session.subject,
            session.title,
            session.created_at,
            session.deleted,
            session.row
        ])
        .map(drop)
}

fn put_task(connection: &Connection, no: i64, key: &JournalKey, task: &Task) -> rusqlite::Result<()> {
    let id = first_id(no) | i64::from(task.ordinal);
    let changed = |mut statement: CachedStatement<'_>| {
        let count = statement.execute(params![
            id,
            task.subject,
            task.own,
            task.parent,
            task.created_at,
            task.status,
            task.due,
            task.updated_at,
            task.row
        ])?;
        Ok::<_, rusqlite::Error>(count > 0)
    };
    let same_standing = "UPDATE tasks SET updated_at = ?8, row = ?9
         WHERE id = ?1 AND subject = ?2 AND own = ?3 AND parent IS ?4 AND created_at = ?5
             AND status = ?6 AND due IS ?7";
    let same_task = "UPDATE tasks SET status = ?6, due = ?7, updated_at = ?8, row = ?9
         WHERE id = ?1 AND subject = ?2 AND own = ?3 AND parent IS ?4 AND created_at = ?5";
    if !task.new
        && (!task.ended && changed(connection.prepare_cached(same_standing)?)?
            || changed(connection.prepare_cached(same_task)?)?)
    {
        return Ok(());
    }
    let inserted = connection
        .prepare_cached(
            "INSERT INTO tasks (id, tenant, journal, subject, own, status, parent, created_at, updated_at, due, row)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            id,
            key.tenant.as_str(),
            key.journal.as_str(),
            task.subject,
            task.own,
            task.status,
            task.parent,
            task.created_at,
            task.updated_at,
            task.due,
            task.row
        ])?;
    if inserted == 0 {
        let all =
            "UPDATE tasks SET subject = ?2, own = ?3, parent = ?4, created_at = ?5, status = ?6, due = ?7,
             updated_at = ?8, row = ?9 WHERE id = ?1";
        changed(connection.prepare_cached(all)?)?;
    }
    Ok(())
}

fn put_message(connection: &Connection, no: i64, message: &Message) -> rusqlite::Result<()> {
    let columns = params![no, message.seq, message.place, message.at, message.message];
    let inserted = connection
        .prepare_cached(
            "INSERT INTO messages (no, seq, place, at, message) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(columns)?;
    if inserted == 0 {
        connection
            .prepare_cached(
                "UPDATE messages SET at = ?4, message = ?5 WHERE no = ?1 AND seq = ?2 AND place = ?3",
            )?
            .execute(columns)?;
    }
    Ok(())
}
