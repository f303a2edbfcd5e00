//! Keys of items and of indexes, as text that sorts as it must.
//!
//! A partition is a journal. `#` separates parts: it sorts before every character that an id may hold, so that
//! `(tenant, journal)` sorts as text as it does as a pair. Keys of lists are spread over [`SHARDS`] partitions by the
//! journal's hash: no tenant and no caller is ever one hot partition.

use greenroom_kernel::{BlobId, JournalKey, Nonce, SessionId, Subject, TaskId, TenantId, Timestamp};

/// Over how many keys each list is spread.
pub(super) const SHARDS: u32 = 16;

/// The session's row.
pub(super) const SESSION: &str = "r";
/// The newest snapshot.
pub(super) const SNAPSHOT: &str = "n";
/// Says that a journal is hollow.
pub(super) const HOLLOW: &str = "h";
/// Says that a journal without slots has something kept beside it.
pub(super) const BESIDE: &str = "e";
/// What every slot's key begins with.
pub(super) const SLOTS: &str = "s#";
/// What every task's key begins with.
pub(super) const TASKS: &str = "t#";
/// What every key begins with of an item that names an object in a bucket.
pub(super) const LARGE: &str = "p#";
/// Behind every text that begins with what stands before it.
pub(super) const LAST: char = '~';

pub(super) fn partition(key: &JournalKey) -> String {
    format!("{}#{}", key.tenant, key.journal)
}

/// The journal that a partition holds; none when it isn't one's.
pub(super) fn journal_of(partition: &str) -> Option<JournalKey> {
    let (tenant, journal) = partition.split_once('#')?;
    Some(JournalKey {
        tenant: TenantId::parse(tenant).ok()?,
        journal: SessionId::parse(journal).ok()?,
    })
}

pub(super) fn slot(seq: u64) -> String {
    format!("{SLOTS}{seq:020}")
}

pub(super) fn task(ordinal: u32) -> String {
    format!("{TASKS}{ordinal:010}")
}

/// What the keys of a payload's parts begin with.
pub(super) fn blob(id: &BlobId) -> String {
    format!("b#{}", id.as_str())
}

/// What the keys of the items begin with that name a payload's objects.
pub(super) fn larges(id: &BlobId) -> String {
    format!("{LARGE}{}#", id.as_str())
}

/// The key of the item that names one.
pub(super) fn large(id: &BlobId, tag: u64) -> String {
    format!("{}{tag:016x}", larges(id))
}

/// What the keys of parts begin with that did not fit into an append's items.
pub(super) fn overflow(nonce: Nonce, of: &str) -> String {
    format!("o#{:032x}#{of}", nonce.0)
}

/// What the keys of a snapshot's parts begin with.
pub(super) fn snapshot(tag: u64) -> String {
    format!("n#{tag:016x}")
}

pub(super) fn part(prefix: &str, number: usize) -> String {
    format!("{prefix}#{number:05}")
}

/// A moment as text that sorts like it.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{:016x}", at.as_millis().cast_unsigned() ^ (1 << 63))
}

/// Where a session stands in lists.
pub(super) fn session_made(created: Timestamp, id: &SessionId) -> String {
    format!("{}#{id}", moment(created))
}

/// Where a task stands in lists.
pub(super) fn task_made(created: Timestamp, id: &TaskId) -> String {
    format!("{}#{}#{:010}", moment(created), id.journal, id.ordinal)
}

/// Which of the partitions of lists a journal's rows are in.
pub(super) fn shard(partition: &str) -> u32 {
    let hash = blake3::hash(partition.as_bytes());
    let [a, b, ..] = hash.as_bytes();
    u32::from(u16::from_be_bytes([*a, *b])) % SHARDS
}

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sessions,
    Tasks,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Sessions => 's',
            Self::Tasks => 't',
        }
    }
}

/// A partition of the index `lists`.
pub(super) fn listed(kind: Kind, tenant: &TenantId, shard: u32) -> String {
    format!("{}#{tenant}#{shard:02}", kind.letter())
}

/// A partition of the index `owners`.
pub(super) fn owned(kind: Kind, tenant: &TenantId, subject: &Subject, shard: u32) -> String {
    format!("{}#{tenant}#{subject}#{shard:02}", kind.letter())
}

/// A partition of the index `children`.
pub(super) fn children(tenant: &TenantId, parent: &TaskId) -> String {
    format!("{tenant}#{parent}")
}

/// What the index `work` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Tasks that need an owner or have a due time; deleted sessions that have content. Sorted by journal.
    Open,
    /// Tasks that ended and own their journal. Sorted by end.
    Ended,
    /// Hollow journals. Sorted by deletion.
    Hollow,
    /// Journals without slots. Sorted by when a sweep met them, those that none has met behind all.
    Beside,
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Hollow => "hollow",
            Self::Beside => "beside",
        }
    }
}

/// A partition of the index `work`.
pub(super) fn work(what: Work, shard: u32) -> String {
    format!("{}#{shard:02}", what.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, journal: &str) -> JournalKey {
        JournalKey {
            tenant: TenantId::parse(tenant).unwrap(),
            journal: SessionId::parse(journal).unwrap(),
        }
    }

    #[test]
    fn partitions_sort_as_journals_do_and_can_be_read_back() {
        let mut keys = Vec::new();
        for tenant in ["a", "a-b", "a.b", "A", "a|b", "ab", "a:b", "a@b"] {
            keys.extend(["s", "s-1", "S", "s_1", "s1"].map(|journal| key(tenant, journal)));
        }
        let mut by_text = keys.clone();
        by_text.sort_by_key(partition);
        keys.sort();
        assert_eq!(by_text, keys);
        assert!(
            keys.iter()
                .all(|key| journal_of(&partition(key)).as_ref() == Some(key))
        );
    }

    #[test]
    fn moments_and_numbers_sort_as_text() {
        let moments = [i64::MIN, -1, 0, 1, 1_700_000_000_000, i64::MAX].map(Timestamp::from_millis);
        assert!(moments.map(moment).is_sorted());
        assert!([0, 9, 10, 99, u64::MAX].map(slot).is_sorted());
        assert!([0, 9, 10, 99, u32::MAX].map(task).is_sorted());
    }

    #[test]
    fn journals_are_spread_evenly() {
        let mut counts = [0_u32; SHARDS as usize];
        for number in 0..10_000 {
            counts[shard(&format!("dev#01KCX{number:021}")) as usize] += 1;
        }
        let share = 10_000 / SHARDS;
        assert!(counts.iter().all(|count| *count < share * 5 / 4), "{counts:?}");
    }
}
