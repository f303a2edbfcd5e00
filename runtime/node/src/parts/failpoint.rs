//! A test hook: `GREENROOM_FAILPOINT=<name>:<n>` aborts the process when the n-th time a point is reached.
//!
//! Names: `before_append_<kind>` and `after_append_<kind>` around an append that holds an entry of that kind (see
//! [`kind`]); `before_commit` and `after_commit` around each commit of a group. The crash tests use it; nobody else
//! should.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use greenroom_kernel::{
    Append, Appended, BlobId, Entry, JournalKey, MessageRange, MessageRow, Page, PageRequest, PayloadLimit,
    SessionId, SessionQuery, SessionRow, Slot, Snapshot, Store, StoreError, StoreStats, TaskId, TaskQuery,
    TaskRow, TenantId, Timestamp,
};
use greenroom_store::{FailPoint, FailPointHook};

const KINDS: [&str; 15] = [
    "opened",
    "epoch",
    "released",
    "retitled",
    "deleted",
    "accepted",
    "attempt_started",
    "step_started",
    "step_done",
    "spent",
    "step_unknown",
    "waiting",
    "resolved",
    "message",
    "ended",
];

/// An entry's kind, as the points name it.
fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Opened(_) => "opened",
        Entry::Epoch => "epoch",
        Entry::Released => "released",
        Entry::Retitled { .. } => "retitled",
        Entry::Deleted => "deleted",
        Entry::Accepted(_) => "accepted",
        Entry::AttemptStarted { .. } => "attempt_started",
        Entry::StepStarted { .. } => "step_started",
        Entry::StepDone { .. } => "step_done",
        Entry::Spent { .. } => "spent",
        Entry::StepUnknown { .. } => "step_unknown",
        Entry::Waiting { .. } => "waiting",
        Entry::Resolved { .. } => "resolved",
        Entry::Message(_) => "message",
        Entry::Ended { .. } => "ended",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeAppend(&'static str),
    AfterAppend(&'static str),
    BeforeCommit,
    AfterCommit,
}

/// One point, and how often it may still be passed.
#[derive(Debug, Clone)]
pub(crate) struct Trap {
    moment: Moment,
    left: Arc<AtomicU64>,
}

impl Trap {
    /// Reads `<name>:<n>`; `n` counts from 1.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "it must be NAME:N, where NAME is before_commit, after_commit, or \
                 before_append_KIND or after_append_KIND with KIND one of {}",
                KINDS.join(", ")
            )
        };
        let (name, times) = text.rsplit_once(':').ok_or_else(wrong)?;
        let times: u64 = times.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        let known = |kind: &str| KINDS.into_iter().find(|known| *known == kind);
        let moment = match name {
            "before_commit" => Moment::BeforeCommit,
            "after_commit" => Moment::AfterCommit,
            _ => {
                let before = name
                    .strip_prefix("before_append_")
                    .and_then(known)
                    .map(Moment::BeforeAppend);
                let after = || {
                    name.strip_prefix("after_append_")
                        .and_then(known)
                        .map(Moment::AfterAppend)
                };
                before.or_else(after).ok_or_else(wrong)?
            }
        };
        Ok(Self {
            moment,
            left: Arc::new(AtomicU64::new(times)),
        })
    }

    /// Whether this passing is the one.
    fn springs(&self, moment: Moment) -> bool {
        self.moment == moment && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    fn pass(&self, moment: Moment) {
        if self.springs(moment) {
            std::process::abort();
        }
    }

    /// The points inside the store.
    pub(crate) fn hook(&self) -> FailPointHook {
        let trap = self.clone();
        Arc::new(move |point| {
            match point {
                FailPoint::BeforeCommit => trap.pass(Moment::BeforeCommit),
                FailPoint::BeforeAnswer => trap.pass(Moment::AfterCommit),
                FailPoint::InMigration => {}
            }
            Ok(())
        })
    }
}

/// A store whose appends pass a trap.
pub(crate) struct TrappedStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) trap: Trap,
}

fn kinds(slot: &Slot) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = slot.entries.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[async_trait]
impl Store for TrappedStore {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let kinds = kinds(&append.slot);
        kinds
            .iter()
            .for_each(|kind| self.trap.pass(Moment::BeforeAppend(kind)));
        let appended = self.inner.append(append).await;
        if matches!(appended, Ok(Appended::Stored)) {
            kinds
                .iter()
                .for_each(|kind| self.trap.pass(Moment::AfterAppend(kind)));
        }
        appended
    }

    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError> {
        self.inner.read(key, from, limit).await
    }

    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot(key).await
    }

    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.put_snapshot(key, snapshot).await
    }

    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError> {
        self.inner.put_blob(key, id, content).await
    }

    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError> {
        self.inner.blob(key, id).await
    }

    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError> {
        self.inner.hollow(key).await
    }

    async fn sweep(&self, deleted: Timestamp, ended: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.inner.sweep(deleted, ended, limit).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.inner.session(tenant, id).await
    }

    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError> {
        self.inner.sessions(tenant, query, page).await
    }

    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.inner.messages(key, range, limit).await
    }

    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        self.inner.task(tenant, id).await
    }

    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError> {
        self.inner.tasks(tenant, query, page).await
    }

    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        self.inner.open_journals(now, after, limit).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.inner.writable().await
    }

    fn payload_limit(&self) -> PayloadLimit {
        self.inner.payload_limit()
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trap_springs_once_at_the_nth_passing_of_its_own_point() {
        let trap = Trap::parse("after_append_step_done:3").unwrap();
        let mine = Moment::AfterAppend("step_done");
        assert!(!trap.springs(Moment::BeforeAppend("step_done")));
        assert!(!trap.springs(Moment::AfterCommit));
        let sprung: Vec<bool> = (0..5).map(|_| trap.springs(mine)).collect();
        assert_eq!(sprung, [false, false, true, false, false]);
    }

    #[test]
    fn every_point_has_a_name_and_nothing_else_has() {
        for kind in KINDS {
            assert!(Trap::parse(&format!("before_append_{kind}:1")).is_ok(), "{kind}");
            assert!(Trap::parse(&format!("after_append_{kind}:1")).is_ok(), "{kind}");
        }
        assert_eq!(
            Trap::parse("before_commit:7").unwrap().moment,
            Moment::BeforeCommit
        );
        for bad in [
            "",
            "before_commit",
            "before_commit:0",
            "before_append_nothing:1",
            "message:1",
            "after_commit:x",
        ] {
            assert!(Trap::parse(bad).unwrap_err().contains("step_done"), "{bad}");
        }
    }
}
