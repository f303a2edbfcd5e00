//! Plain values to fill a store with; change what a test is about.

use greenroom_kernel::{
    AgentName, Append, Entry, JournalKey, JournalKind, Message, MessageRow, NodeId, Nonce, Payload, Position,
    Projection, Role, SessionId, SessionRow, Slot, Subject, TaskId, TaskRow, TaskStatus, TenantId, Timestamp,
    Writer,
};

/// A tenant by name.
pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// A subject by name.
pub fn subject(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

/// A journal of tenant `acme`.
pub fn key(journal: &str) -> JournalKey {
    key_of("acme", journal)
}

/// A journal of any tenant.
pub fn key_of(of: &str, journal: &str) -> JournalKey {
    JournalKey {
        tenant: tenant(of),
        journal: SessionId::parse(journal).unwrap(),
    }
}

/// A moment.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// A slot that says something unlike any other nonce's.
pub fn slot(seq: u64, nonce: u128) -> Slot {
    Slot {
        seq,
        nonce: Nonce(nonce),
        writer: Writer {
            node: NodeId::parse("node-1").unwrap(),
            incarnation: 7,
        },
        at: at(1_000 + i64::try_from(seq).unwrap()),
        entries: vec![
            Entry::Epoch,
            Entry::Retitled {
                title: Some(format!("title \"{nonce}\" ü")),
            },
        ],
    }
}

/// An append of [`slot`] without rows.
pub fn append(key: &JournalKey, seq: u64, nonce: u128) -> Append {
    Append {
        key: key.clone(),
        slot: slot(seq, nonce),
        rows: Projection::default(),
    }
}

/// A session's row, of subject `ann`.
pub fn session(key: &JournalKey, created: i64) -> SessionRow {
    SessionRow {
        id: key.journal.clone(),
        subject: subject("ann"),
        title: Some(format!("About {}", key.journal)),
        metadata: Some(serde_json::json!({ "colour": "green", "n": [1, 2] })),
        created_at: at(created),
        updated_at: at(created),
        last: Position::default(),
        deleted: false,
    }
}

/// The id of a task.
pub fn task_id(key: &JournalKey, ordinal: u32) -> TaskId {
    TaskId {
        journal: key.journal.clone(),
        ordinal,
    }
}

/// The row of an accepted task of a session, of subject `ann`.
pub fn task(key: &JournalKey, ordinal: u32, created: i64) -> TaskRow {
    TaskRow {
        id: task_id(key, ordinal),
        subject: subject("ann"),
        kind: JournalKind::Session,
        turn: true,
        agent: AgentName::parse("assistant").unwrap(),
        status: TaskStatus::Accepted,
        input: Payload::inline("{\"text\":\"hello\"}"),
        output: None,
        error: None,
        usage: None,
        attempts: 1,
        created_at: at(created),
        updated_at: at(created),
        deadline: None,
        parent: None,
        first: Position::default(),
        last: Position::default(),
        due: None,
    }
}

/// A message of task 0.
pub fn message(key: &JournalKey, seq: u64, index: u32) -> MessageRow {
    MessageRow {
        session: key.journal.clone(),
        position: Position { seq, index },
        at: at(1_000),
        message: Message {
            task: 0,
            number: index,
            role: Role::User,
            content: Payload::inline(format!("{seq}/{index}")),
            agent: None,
            usage: None,
            metadata: None,
        },
    }
}

/// Hands out appends to one journal, slot after slot.
pub struct Pen {
    /// Which journal.
    pub key: JournalKey,
    /// The next slot.
    pub next: u64,
}

impl Pen {
    /// At the start of a journal.
    pub fn new(key: JournalKey) -> Self {
        Self { key, next: 0 }
    }

    /// The next append, with rows.
    pub fn with(&mut self, rows: Projection) -> Append {
        let mut append = append(&self.key, self.next, u128::from(self.next) + 1);
        append.rows = rows;
        self.next += 1;
        append
    }

    /// The next append, with a session's row.
    pub fn session(&mut self, row: SessionRow) -> Append {
        self.with(Projection {
            session: Some(row),
            ..Projection::default()
        })
    }

    /// The next append, with tasks' rows.
    pub fn tasks(&mut self, rows: impl IntoIterator<Item = TaskRow>) -> Append {
        let first = Position {
            seq: self.next,
            index: 0,
        };
        let tasks = rows.into_iter().map(|row| TaskRow { first, ..row }).collect();
        self.with(Projection {
            tasks,
            ..Projection::default()
        })
    }
}
