//! The fold: a journal's entries as state.
//!
//! What a fold keeps is bounded by what is open: tasks that ended leave only their idempotency key, and the
//! conversation is kept as a tail. Folding is total: entries that come too late (for a task that ended) change
//! nothing, because the first terminal entry wins.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::OpenTask;
use crate::{
    Accepted, Entry, IdempotencyKey, InputHash, JournalKind, Message, MessageRow, Payload, Position,
    Projection, Role, SessionId, SessionRow, Slot, Subject, TaskId, TaskRow, Timestamp, Writer,
};

/// How many messages of the conversation a fold keeps for agents.
pub const HISTORY_MESSAGES: usize = 512;
/// How many bytes those may have together, wherever they are stored.
pub const HISTORY_BYTES: usize = 512 * 1024;
/// How long an idempotency key is remembered at least.
pub const KEY_RETENTION: Duration = Duration::from_secs(48 * 3_600);

/// The state of one journal up to a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Its id.
    pub id: SessionId,
    /// Which kind; none before its first entry.
    pub kind: Option<JournalKind>,
    /// Whose; none before its first entry.
    pub subject: Option<Subject>,
    /// A title for people.
    pub title: Option<String>,
    /// The client's own data.
    pub metadata: Option<Value>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The call that created it, where that told its number.
    #[serde(default)]
    pub created_by: Option<u64>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The slot that comes next: every one below is folded in.
    pub next: u64,
    /// The last entry.
    pub last: Position,
    /// Who wrote the last epoch.
    pub epoch: Option<Writer>,
    /// Whether that owner let go.
    pub released: bool,
    /// The number the next task gets.
    pub next_ordinal: u32,
    /// Tasks that have not ended, by number.
    pub open: BTreeMap<u32, OpenTask>,
    keys: BTreeMap<IdempotencyKey, KeyUse>,
    history: VecDeque<Said>,
    history_bytes: usize,
    /// How many messages were said.
    #[serde(default)]
    said: u64,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The task it made.
    pub ordinal: u32,
    /// What was asked.
    pub input_hash: InputHash,
    /// When.
    pub at: Timestamp,
}

/// One message of the conversation's tail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The turn it belongs to.
    pub task: u32,
    /// Who said it.
    pub role: Role,
    /// What.
    pub content: Payload,
    /// Its number among all that was said, from 1.
    #[serde(default)]
    pub number: u64,
}

impl Said {
    fn bytes(&self) -> usize {
        match &self.content {
            Payload::Inline(text) => text.len(),
            Payload::Blob { bytes, .. } => usize::try_from(*bytes).unwrap_or(usize::MAX),
            Payload::Hollow => 0,
        }
    }
}

/// A slot that does not follow what was folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("slot {found} of journal {journal} does not follow: {expected} was expected")]
pub struct OutOfOrder {
    /// Which journal.
    pub journal: SessionId,
    /// The slot that comes next.
    pub expected: u64,
    /// The slot that was given.
    pub found: u64,
}

impl Journal {
    /// A journal nothing was written to yet.
    pub fn empty(id: SessionId) -> Self {
        Self {
            id,
            kind: None,
            subject: None,
            title: None,
            metadata: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            created_by: None,
            deleted: false,
            next: 0,
            last: Position::default(),
            epoch: None,
            released: false,
            next_ordinal: 0,
            open: BTreeMap::new(),
            keys: BTreeMap::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            said: 0,
        }
    }

    /// Folds one slot in.
    pub fn apply(&mut self, slot: &Slot) -> Result<(), OutOfOrder> {
        if slot.seq != self.next {
            return Err(OutOfOrder {
                journal: self.id.clone(),
                expected: self.next,
                found: slot.seq,
            });
        }
        for (index, entry) in (0..).zip(&slot.entries) {
            self.apply_entry(
                Position { seq: slot.seq, index },
                slot.at,
                &slot.writer,
                entry,
                None,
            );
        }
        self.next = slot.seq + 1;
        Ok(())
    }

    /// Folds one entry in and, where asked, derives the rows it changes.
    pub(super) fn apply_entry(
        &mut self,
        position: Position,
        at: Timestamp,
        writer: &Writer,
        entry: &Entry,
        rows: Option<&mut Projection>,
    ) {
        self.last = position;
        self.updated_at = at;
        let touched = match entry {
            Entry::Opened(opened) => {
                self.kind = Some(opened.kind);
                self.subject = Some(opened.subject.clone());
                self.title.clone_from(&opened.title);
                self.metadata.clone_from(&opened.metadata);
                self.created_at = at;
                self.created_by = opened.call;
                self.own(writer);
                None
            }
            Entry::Epoch => {
                self.own(writer);
                None
            }
            Entry::Released => {
                self.released = true;
                // Of the one whose turn it is: no other runs.
                let head = self.head().and_then(|head| self.open.get_mut(&head));
                if let Some(task) = head {
                    task.handed_over = true;
                }
                None
            }
            Entry::Retitled { title } => {
                self.title.clone_from(title);
                None
            }
            Entry::Deleted => {
                self.deleted = true;
                self.open.clear();
                self.keys.clear();
                self.history.clear();
                self.history_bytes = 0;
                None
            }
            Entry::Accepted(accepted) => {
                self.accept(position, at, accepted);
                Some(accepted.ordinal)
            }
            Entry::Message(message) => {
                self.say(message);
                if let Some(task) = self.open.get_mut(&message.task) {
                    task.messages = task.messages.max(message.number + 1);
                }
                None
            }
            Entry::AttemptStarted { task, .. }
            | Entry::StepStarted { task, .. }
            | Entry::StepDone { task, .. }
            | Entry::Spent { task, .. }
            | Entry::StepUnknown { task, .. }
            | Entry::Waiting { task, .. }
            | Entry::Resolved { task, .. }
            | Entry::Ended { task, .. } => {
                if let Some(open) = self.open.get_mut(task) {
                    open.apply(position, at, entry);
                }
                Some(*task)
            }
        };
        if let Some(rows) = rows {
            self.project(position, at, entry, touched, rows);
        }
        if let Entry::Ended { task, .. } = entry {
            self.open.remove(task);
        }
        // What can make it another task's turn.
        if matches!(
            entry,
            Entry::Accepted(_) | Entry::StepUnknown { .. } | Entry::Ended { .. }
        ) {
            self.fix_history();
        }
    }

    /// What a turn sees is what had been said when it was first its turn: an older one that is settled later adds
    /// nothing to it, since its attempts must all ask the same.
    fn fix_history(&mut self) {
        let said = self.said;
        let head = self.head().and_then(|head| self.open.get_mut(&head));
        if let Some(task) = head.filter(|task| task.sees.is_none()) {
            task.sees = Some(said);
        }
    }

    fn own(&mut self, writer: &Writer) {
        self.epoch = Some(writer.clone());
        self.released = false;
    }

    fn accept(&mut self, position: Position, at: Timestamp, accepted: &Accepted) {
        let key_use = KeyUse {
            ordinal: accepted.ordinal,
            input_hash: accepted.input_hash,
            at,
        };
        self.keys.insert(accepted.key.clone(), key_use);
        self.next_ordinal = self.next_ordinal.max(accepted.ordinal + 1);
        self.open
            .insert(accepted.ordinal, OpenTask::new(accepted.clone(), position, at));
    }

    /// Keeps the conversation in order of its turns, whenever they were accepted.
    fn say(&mut self, message: &Message) {
        self.said += 1;
        let said = Said {
            task: message.task,
            role: message.role,
            content: message.content.clone(),
            number: self.said,
        };
        self.history_bytes += said.bytes();
        let place = self.history.partition_point(|other| other.task <= said.task);
        self.history.insert(place, said);
        self.forget_old_messages();
    }

    /// An open turn sees what was said before it however much is said after: what the oldest one doesn't see
    /// doesn't count, up to as much again.
    fn forget_old_messages(&mut self) {
        if self.history.len() <= HISTORY_MESSAGES && self.history_bytes <= HISTORY_BYTES {
            return;
        }
        let oldest = self.open.iter().next();
        let (oldest, sees) = oldest.map_or((u32::MAX, u64::MAX), |(ordinal, task)| {
            (*ordinal, task.sees.unwrap_or(u64::MAX))
        });
        let unseen = self
            .history
            .iter()
            .filter(|said| said.task >= oldest || said.number > sees);
        let (open_count, open_bytes) =
            unseen.fold((0, 0), |(count, bytes), said| (count + 1, bytes + said.bytes()));
        let (count_bound, bytes_bound) = (
            HISTORY_MESSAGES + open_count.min(HISTORY_MESSAGES),
            HISTORY_BYTES + open_bytes.min(HISTORY_BYTES),
        );
        while self.history.len() > count_bound
            || (self.history_bytes > bytes_bound && self.history.len() > open_count + 1)
            || (self.history_bytes > 2 * HISTORY_BYTES && self.history.len() > 1)
        {
            let Some(gone) = self.history.pop_front() else {
                break;
            };
            self.history_bytes -= gone.bytes();
        }
    }

    fn project(
        &self,
        position: Position,
        at: Timestamp,
        entry: &Entry,
        touched: Option<u32>,
        rows: &mut Projection,
    ) {
        if self.kind == Some(JournalKind::Session) {
            rows.session = self.session_row();
        }
        if let Entry::Message(message) = entry {
            let message = message.clone();
            rows.messages.push(MessageRow {
                session: self.id.clone(),
                position,
                at,
                message,
            });
        }
        if let Some(row) = touched.and_then(|ordinal| self.task_row(ordinal)) {
            rows.tasks.retain(|other| other.id != row.id);
            rows.tasks.push(row);
        }
    }

    /// The session as lists show it; none for the journal of a task alone.
    pub fn session_row(&self) -> Option<SessionRow> {
        (self.kind == Some(JournalKind::Session)).then_some(())?;
        Some(SessionRow {
            id: self.id.clone(),
            subject: self.subject.clone()?,
            title: self.title.clone(),
            metadata: self.metadata.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            last: self.last,
            deleted: self.deleted,
        })
    }

    /// An open task as lists show it.
    pub fn task_row(&self, ordinal: u32) -> Option<TaskRow> {
        let task = self.open.get(&ordinal)?;
        Some(task.row(self.task_id(ordinal), self.kind?))
    }

    /// The id of this journal's task of that number.
    pub fn task_id(&self, ordinal: u32) -> TaskId {
        TaskId {
            journal: self.id.clone(),
            ordinal,
        }
    }

    /// What a key was used for, if it was.
    pub fn key_use(&self, key: &IdempotencyKey) -> Option<KeyUse> {
        self.keys.get(key).copied()
    }

    /// The tail of the conversation before a turn, oldest first: at most [`HISTORY_MESSAGES`] with
    /// [`HISTORY_BYTES`], and the last one however long it is. The same in every attempt of the turn: what had been
    /// said when it was first its turn.
    pub fn history_before(&self, task: u32) -> impl Iterator<Item = &Said> {
        let end = self.history.partition_point(|said| said.task < task);
        let sees = self.open.get(&task).and_then(|task| task.sees);
        let mut bytes = 0;
        let fits = |said: &&Said| {
            let first = bytes == 0;
            bytes += said.bytes();
            first || bytes <= HISTORY_BYTES
        };
        let kept: Vec<&Said> = self
            .history
            .range(..end)
            .rev()
            .filter(|said| sees.is_none_or(|sees| said.number <= sees))
            .take(HISTORY_MESSAGES)
            .take_while(fits)
            .collect();
        kept.into_iter().rev()
    }

    /// The task whose turn it is: the oldest open one that is not resting with an unknown outcome. A waiting
    /// task keeps its turn.
    pub fn head(&self) -> Option<u32> {
        self.open
            .iter()
            .find(|(_, task)| !task.is_unknown())
            .map(|(ordinal, _)| *ordinal)
    }

    /// Forgets keys of ended tasks that are older than their retention.
    pub fn forget_old_keys(&mut self, now: Timestamp) {
        let open = &self.open;
        self.keys
            .retain(|_, key| key.at.after(KEY_RETENTION) > now || open.contains_key(&key.ordinal));
    }

    /// When this journal next needs attention though nothing happens.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.open.values().filter_map(OpenTask::due).min()
    }
}
