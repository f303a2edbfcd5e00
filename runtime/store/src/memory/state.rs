//! What the in-memory store holds, and what each operation does to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use greenroom_kernel::{
    Append, Appended, BlobId, Entry, JournalKey, JournalKind, MessageRange, MessageRow, Position, SessionId,
    SessionQuery, SessionRow, Slot, Snapshot, StoreError, TaskId, TaskQuery, TaskRow, TenantId, Timestamp,
};

/// How long a journal without slots stays once a sweep has met it, in milliseconds: a day.
const EMPTY_STAYS_MS: i64 = 24 * 3_600 * 1_000;

/// How many rows of a deleted journal are removed at once.
const HOLLOWS: usize = 16;

#[derive(Default)]
struct Journal {
    slots: Vec<Slot>,
    session: Option<SessionRow>,
    tasks: BTreeMap<u32, TaskRow>,
    /// The tasks that may need attention: those that need an owner or have a due time.
    attention: BTreeSet<u32>,
    messages: BTreeMap<Position, MessageRow>,
    snapshot: Option<Snapshot>,
    blobs: HashMap<BlobId, Arc<str>>,
    deleted_at: Option<Timestamp>,
    /// Deleted, and its content not removed yet.
    full: bool,
    /// Without a slot: how far the sweep had come that met it.
    empty_at: Option<Timestamp>,
}

/// Everything.
#[derive(Default)]
pub(super) struct State {
    journals: BTreeMap<JournalKey, Journal>,
    /// The journals whose `attention` is not empty, and those that are `full`.
    attention: BTreeSet<JournalKey>,
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl State {
    pub(super) fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let Append { key, slot, rows } = append;
        let end = self.journals.get(&key).map_or(0, |j| j.slots.len());
        let place = usize::try_from(slot.seq).unwrap_or(usize::MAX);
        if place > end {
            return Err(StoreError::Gap {
                journal: key.journal,
                seq: slot.seq,
                end: end as u64,
            });
        }
        let journal = self.journals.entry(key.clone()).or_default();
        if let Some(occupant) = journal.slots.get(place) {
            return Ok(Appended::Collided(Box::new(occupant.clone())));
        }
        journal.slots.push(slot);
        if let Some(session) = rows.session {
            journal.full = session.deleted;
            journal.session = Some(session);
        }
        for task in rows.tasks {
            if task.status.needs_owner() || task.due.is_some() {
                journal.attention.insert(task.id.ordinal);
            } else {
                journal.attention.remove(&task.id.ordinal);
            }
            journal.tasks.insert(task.id.ordinal, task);
        }
        for message in rows.messages {
            journal.messages.insert(message.position, message);
        }
        if journal.attention.is_empty() && !journal.full {
            self.attention.remove(&key);
        } else {
            self.attention.insert(key);
        }
        Ok(Appended::Stored)
    }

    pub(super) fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Vec<Slot> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.journals
            .get(key)
            .into_iter()
            .flat_map(|journal| journal.slots.iter().skip(from).take(count(limit)))
            .cloned()
            .collect()
    }

    pub(super) fn snapshot(&self, key: &JournalKey) -> Option<Snapshot> {
        self.journals.get(key)?.snapshot.clone()
    }

    /// A journal that something is kept beside. One without slots counts as new again.
    fn beside(&mut self, key: &JournalKey) -> &mut Journal {
        let journal = self.journals.entry(key.clone()).or_default();
        journal.empty_at = None;
        journal
    }

    pub(super) fn put_snapshot(&mut self, key: &JournalKey, snapshot: Snapshot) {
        let kept = &mut self.beside(key).snapshot;
        if kept.as_ref().is_none_or(|kept| kept.next < snapshot.next) {
            *kept = Some(snapshot);
        }
    }

    pub(super) fn put_blob(&mut self, key: &JournalKey, id: &BlobId, content: &str) {
        self.beside(key)
            .blobs
            .entry(id.clone())
            .or_insert_with(|| content.into());
    }

    pub(super) fn blob(&self, key: &JournalKey, id: &BlobId) -> Option<Arc<str>> {
        self.journals.get(key)?.blobs.get(id).cloned()
    }

    /// Removes some of a deleted journal's content, of its slots those before `from`, the newest first. Tells how to
    /// go on; none when all is gone.
    pub(super) fn hollow(&mut self, key: &JournalKey, from: usize) -> Option<usize> {
        let journal = self.journals.get_mut(key)?;
        let is_deletion = |slot: &Slot| slot.entries.contains(&Entry::Deleted);
        if !journal.slots.iter().any(is_deletion) {
            return None;
        }
        let end = from.min(journal.slots.len());
        let begin = end.saturating_sub(HOLLOWS);
        for slot in journal.slots.get_mut(begin..end).unwrap_or_default() {
            slot.entries = if is_deletion(slot) {
                vec![Entry::Deleted]
            } else {
                Vec::new()
            };
        }
        let mut left = HOLLOWS - (end - begin);
        while left > 0 && (journal.tasks.pop_first().is_some() || journal.messages.pop_first().is_some()) {
            left -= 1;
        }
        if left == 0 {
            return Some(begin);
        }
        journal.deleted_at = journal
            .slots
            .iter()
            .filter(|slot| is_deletion(slot))
            .map(|slot| slot.at)
            .max();
        if let Some(session) = &mut journal.session {
            session.deleted = true;
            session.title = None;
            session.metadata = None;
        }
        journal.attention.clear();
        journal.full = false;
        journal.snapshot = None;
        journal.blobs.clear();
        self.attention.remove(key);
        None
    }

    pub(super) fn sweep(&mut self, deleted_before: Timestamp, ended_before: Timestamp, limit: u32) -> u32 {
        let ended = |journal: &Journal| {
            let own = |task: &TaskRow| task.kind == JournalKind::Task;
            let over = |task: &TaskRow| task.status.is_terminal() && task.updated_at < ended_before;
            journal.tasks.values().any(own) && journal.tasks.values().all(over)
        };
        let deleted = |journal: &Journal| journal.deleted_at.is_some_and(|at| at < deleted_before);
        let long_ago = ended_before.as_millis().saturating_sub(EMPTY_STAYS_MS);
        let empty = |journal: &Journal| {
            journal.slots.is_empty() && journal.empty_at.is_some_and(|at| at.as_millis() <= long_ago)
        };
        let due: Vec<JournalKey> = self
            .journals
            .iter()
            .filter(|(_, journal)| deleted(journal) || ended(journal) || empty(journal))
            .map(|(key, _)| key.clone())
            .take(count(limit))
            .collect();
        for key in &due {
            self.journals.remove(key);
            self.attention.remove(key);
        }
        for journal in self.journals.values_mut() {
            if journal.slots.is_empty() && journal.empty_at.is_none() {
                journal.empty_at = Some(ended_before);
            }
        }
        u32::try_from(due.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn session(&self, tenant: &TenantId, id: &SessionId) -> Option<SessionRow> {
        let key = JournalKey {
            tenant: tenant.clone(),
            journal: id.clone(),
        };
        self.journals.get(&key)?.session.clone()
    }

    fn of<'s>(&'s self, tenant: &'s TenantId) -> impl Iterator<Item = &'s Journal> {
        self.journals
            .iter()
            .filter(move |(key, _)| key.tenant == *tenant)
            .map(|(_, journal)| journal)
    }

    pub(super) fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        after: Option<(Timestamp, SessionId)>,
        limit: usize,
    ) -> Vec<SessionRow> {
        let title = query.title.as_ref().map(|t| t.to_ascii_lowercase());
        let fits = |row: &&SessionRow| {
            !row.deleted
                && query.subject.as_ref().is_none_or(|s| row.subject == *s)
                && query.created_after.is_none_or(|t| row.created_at >= t)
                && query.created_before.is_none_or(|t| row.created_at < t)
                && title.as_ref().is_none_or(|part| {
                    row.title
                        .as_ref()
                        .is_some_and(|t| t.to_ascii_lowercase().contains(part))
                })
                && after
                    .as_ref()
                    .is_none_or(|(t, id)| (row.created_at, &row.id) < (*t, id))
        };
        let rows = self.of(tenant).filter_map(|journal| journal.session.as_ref());
        newest(rows.filter(fits), |row| (row.created_at, &row.id), limit)
    }

    pub(super) fn messages(&self, key: &JournalKey, range: MessageRange, limit: u32) -> Vec<MessageRow> {
        let Some(journal) = self.journals.get(key) else {
            return Vec::new();
        };
        match range {
            MessageRange::After(place) => {
                let from = place.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = journal.messages.range((from, Bound::Unbounded));
                rows.take(count(limit)).map(|(_, row)| row.clone()).collect()
            }
            MessageRange::Before(place) => {
                let to = place.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = journal.messages.range((Bound::Unbounded, to));
                let mut rows: Vec<_> = rows
                    .rev()
                    .take(count(limit))
                    .map(|(_, row)| row.clone())
                    .collect();
                rows.reverse();
                rows
            }
        }
    }

    pub(super) fn task(&self, tenant: &TenantId, id: &TaskId) -> Option<TaskRow> {
        let key = JournalKey {
            tenant: tenant.clone(),
            journal: id.journal.clone(),
        };
        self.journals.get(&key)?.tasks.get(&id.ordinal).cloned()
    }

    pub(super) fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        after: Option<(Timestamp, TaskId)>,
        limit: usize,
    ) -> Vec<TaskRow> {
        let fits = |row: &&TaskRow| {
            query.subject.as_ref().is_none_or(|s| row.subject == *s)
                && query.journal.as_ref().is_none_or(|j| row.id.journal == *j)
                && query.status.is_none_or(|s| row.status == s)
                && query
                    .parent
                    .as_ref()
                    .is_none_or(|p| row.parent.as_ref() == Some(p))
                && after
                    .as_ref()
                    .is_none_or(|(t, id)| (row.created_at, &row.id) < (*t, id))
        };
        let rows = self.of(tenant).flat_map(|journal| journal.tasks.values());
        newest(rows.filter(fits), |row| (row.created_at, &row.id), limit)
    }

    pub(super) fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Vec<JournalKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let needs = |journal: &Journal| {
            journal
                .attention
                .iter()
                .filter_map(|ordinal| journal.tasks.get(ordinal))
                .any(|task| task.status.needs_owner() || task.due.is_some_and(|due| due <= now))
                || journal.full
        };
        self.attention
            .range((from, Bound::Unbounded))
            .filter(|key| self.journals.get(*key).is_some_and(needs))
            .take(count(limit))
            .cloned()
            .collect()
    }
}

fn newest<'s, T: Clone + 's, K: Ord>(
    rows: impl Iterator<Item = &'s T>,
    key: impl Fn(&'s T) -> K,
    limit: usize,
) -> Vec<T> {
    let mut rows: Vec<&T> = rows.collect();
    rows.sort_by_key(|row| Reverse(key(row)));
    rows.into_iter().take(limit).cloned().collect()
}
