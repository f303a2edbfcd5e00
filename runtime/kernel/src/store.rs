//! The port to durable state: the journal, its rows, snapshots and large payloads.
//!
//! One contract suite checks every implementation. The rules are DESIGN's ("The journal"); in short: a slot is
//! written only where absent and only without a gap; an answer `Stored` means durable; an unanswered append is
//! sent again, the very same; no key is deleted while its session exists.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    BlobId, JournalKey, MessageRow, PayloadLimit, Position, Projection, SessionId, SessionRow, Slot, Subject,
    TaskId, TaskRow, TaskStatus, TenantId, Timestamp,
};

/// What went wrong in the store. `is_definite` tells whether nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No answer came: the operation may or may not have taken effect. Send the same again.
    #[error("store: {operation} was not answered")]
    Unanswered {
        /// What was asked.
        operation: &'static str,
        /// Why no answer came.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Too much is queued; nothing was written.
    #[error("store: {operation} was refused, its queue is full")]
    Busy {
        /// What was asked.
        operation: &'static str,
    },
    /// The disk is full; nothing was written.
    #[error(
        "store: {operation} failed, the disk of {path} is full: free some space there, what was accepted stays"
    )]
    Full {
        /// What was asked.
        operation: &'static str,
        /// The file.
        path: String,
    },
    /// The store can't be written; nothing was written.
    #[error("store: {operation} failed, {path} can't be written: check its permissions")]
    ReadOnly {
        /// What was asked.
        operation: &'static str,
        /// The file.
        path: String,
    },
    /// Another process has the store.
    #[error("store: {path} is in use by another process{}: end that one, or take another file", .holder.as_deref().map(|h| format!(" ({h})")).unwrap_or_default())]
    InUse {
        /// The file.
        path: String,
        /// Who, as far as known.
        holder: Option<String>,
    },
    /// The store was written by a newer version.
    #[error("store: {path} has schema {found}, this binary knows up to {known}: use a newer greenroom")]
    Newer {
        /// The file.
        path: String,
        /// The schema found.
        found: u32,
        /// The newest schema known.
        known: u32,
    },
    /// A slot was written past the journal's end: a defect of the caller.
    #[error("store: slot {seq} of {journal} would leave a gap, the journal ends at {end}")]
    Gap {
        /// Which journal.
        journal: SessionId,
        /// The slot asked for.
        seq: u64,
        /// Where the journal ends.
        end: u64,
    },
    /// The place a page was to begin behind did not come from an earlier page.
    #[error("store: {operation} was asked to go on behind an unknown place: pass what an earlier page said")]
    BadPage {
        /// What was asked.
        operation: &'static str,
    },
    /// The service that keeps the store refuses: nothing was written, and nothing will be until somebody mends it.
    #[error("store: {operation} was refused: {what}; {remedy}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// What was to be kept can't be, for what it is: nothing was written. Anything else still can be.
    #[error("store: {operation} can't keep what it was given: {what}")]
    Unfit {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// What was to be kept is larger than the store takes.
    #[error("store: {operation} was given {bytes} bytes, it takes {limit}")]
    TooLarge {
        /// What was asked.
        operation: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// What was read makes no sense.
    #[error("store: {operation} read something that can't be understood: {what}")]
    Corrupt {
        /// What was asked.
        operation: &'static str,
        /// What was found.
        what: String,
        /// Why it can't be understood.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl StoreError {
    /// Whether nothing was written, for certain.
    pub const fn is_definite(&self) -> bool {
        !matches!(self, Self::Unanswered { .. })
    }

    /// Whether it is what was to be kept that can't be, so that without it the rest may.
    pub const fn is_of_content(&self) -> bool {
        matches!(self, Self::Unfit { .. } | Self::TooLarge { .. })
    }

    /// Whether the same operation may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unanswered { .. }
                | Self::Busy { .. }
                | Self::Full { .. }
                | Self::ReadOnly { .. }
                | Self::Refused { .. }
        )
    }
}

impl From<&StoreError> for crate::Failure {
    fn from(error: &StoreError) -> Self {
        use crate::{ErrorCode, Failure};
        match error {
            StoreError::Busy { .. } => Failure::new(ErrorCode::ResourceExhausted, error.to_string())
                .retry_after(std::time::Duration::from_millis(200)),
            StoreError::Unanswered { .. }
            | StoreError::Full { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Refused { .. } => Failure::unavailable(error.to_string()),
            StoreError::InUse { .. } | StoreError::Newer { .. } => {
                Failure::new(ErrorCode::Unavailable, error.to_string())
            }
            StoreError::BadPage { .. } | StoreError::TooLarge { .. } | StoreError::Unfit { .. } => {
                Failure::bad_input(error.to_string())
            }
            StoreError::Gap { .. } | StoreError::Corrupt { .. } => Failure::internal(error.to_string()),
        }
    }
}

/// One append: a slot, and the rows that change with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Which journal.
    pub key: JournalKey,
    /// The slot to write, at exactly one past the journal's last.
    pub slot: Slot,
    /// The rows that change in the same transaction.
    pub rows: Projection,
}

/// The answer to an append.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    /// Durable now.
    Stored,
    /// The slot is taken, by this. Its nonce tells whether it is one's own.
    Collided(Box<Slot>),
}

/// A folded journal up to a slot: bounds what a wake must fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Every slot below this one is folded in.
    pub next: u64,
    /// The state, as JSON text.
    pub state: Arc<str>,
}

/// Which sessions to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionQuery {
    /// Only this subject's; none lists all of the tenant.
    pub subject: Option<Subject>,
    /// Only those created at or after.
    pub created_after: Option<Timestamp>,
    /// Only those created before.
    pub created_before: Option<Timestamp>,
    /// Only those whose title contains this, without regard to ASCII case.
    pub title: Option<String>,
}

/// Which tasks to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskQuery {
    /// Only this subject's; none lists all of the tenant.
    pub subject: Option<Subject>,
    /// Only those of this journal.
    pub journal: Option<SessionId>,
    /// Only those in this status.
    pub status: Option<TaskStatus>,
    /// Only children of this task.
    pub parent: Option<TaskId>,
}

/// One page of rows, and where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Pass it as `after` for the next page; none when this is the last.
    pub next: Option<String>,
}

/// Where to begin and how much to read. `after` comes from an earlier page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Behind which row, as an earlier page said.
    pub after: Option<String>,
    /// At most this many rows.
    pub limit: u32,
}

/// Which messages to read, by place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRange {
    /// Oldest first, behind this place (none: from the start).
    After(Option<Position>),
    /// The last ones before this place (none: before the end), still returned oldest first.
    Before(Option<Position>),
}

/// What the store did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Appends that were stored.
    pub appends: u64,
    /// Durable commits (one sync each).
    pub commits: u64,
}

/// The journal and its rows, durable.
///
/// Cancel-safety: a dropped `append` or `put_*` future may still take effect.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes a slot where absent, with its rows, durably. Appending the same slot (same nonce) again collides
    /// with itself.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// The slots from `from` on, at most `limit`, in order, ending before a gap. Strongly consistent.
    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError>;

    /// The newest snapshot, if there is one.
    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError>;

    /// Keeps a snapshot. An older one than the kept is ignored.
    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError>;

    /// How large a payload `put_blob` keeps.
    fn payload_limit(&self) -> PayloadLimit {
        PayloadLimit::default()
    }

    /// Keeps a large payload, durably before it returns. The same again is no harm, and keeps no second one.
    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError>;

    /// A large payload; none when it was never kept or is hollowed.
    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError>;

    /// Removes a deleted session's content: entries become hollow, messages, task rows, snapshots and blobs go.
    /// The slots' keys stay, and so does the `Deleted` entry. A journal whose log has no `Deleted` entry is left as
    /// it is: content never goes before its deletion is durable.
    ///
    /// It goes a little at a time, the newest slots first, so that other writes come in between. Dropped or failed in
    /// the middle, the journal stays listed by `open_journals`, and another call does the rest.
    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError>;

    /// Removes hollow journals deleted before `deleted_before`, and journals of kind TASK whose tasks all ended
    /// before `ended_before`; at most `limit`. Returns how many went.
    ///
    /// An owner of a task's journal that writes meanwhile is either told that it collided or keeps what it wrote. Where
    /// many processes share a store, such a journal loses its content at once, its log ended by `Deleted`; its keys go,
    /// counted once more, when `deleted_before` is two hours further.
    ///
    /// A journal for which only payloads were kept (the call that named them was refused) has no time of its own: it
    /// goes when `ended_before` is a day further than at the sweep that met it first. Keeping a payload in it counts
    /// as new.
    async fn sweep(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError>;

    /// A session's row.
    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError>;

    /// Sessions that are not deleted, newest first (by creation, then id).
    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError>;

    /// A session's messages; at most `limit`.
    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError>;

    /// A task's row.
    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError>;

    /// Tasks, newest first (by creation, then id).
    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError>;

    /// Journals of all tenants with a task that needs an owner or whose `due` is at or before `now`, and deleted
    /// sessions that are not hollow, behind
    /// `after` in key order, at most `limit`. A hint: repeated for ever, never trusted alone.
    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError>;

    /// Whether it takes what is written now, as far as that can be told without keeping anything. A hint, asked for a
    /// process's readiness; a store that can't tell says yes.
    ///
    /// # Errors
    /// Why it wouldn't.
    async fn writable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What was done so far.
    fn stats(&self) -> StoreStats;
}
