//! How far journals are known to reach, so that an append need not ask.
//!
//! A slot that was once there stays while its journal does, and a journal goes at the earliest two hours after its log
//! was ended by `Deleted`, which lets no owner on: what was seen within the hour holds. An owner's own appends and the reads before them keep this warm; what
//! isn't known is asked of the table.

use std::collections::HashMap;
use std::time::Duration;

use greenroom_kernel::JournalKey;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How many journals each of the two generations holds.
const JOURNALS: usize = 32_768;
/// How long it is known.
pub(super) const HOLDS: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy)]
struct End {
    next: u64,
    seen: Instant,
}

#[derive(Default)]
struct Generations {
    new: HashMap<JournalKey, End>,
    old: HashMap<JournalKey, End>,
}

/// Where journals were seen to end, at least.
#[derive(Default)]
pub(super) struct Ends(Mutex<Generations>);

impl Ends {
    /// Whether all slots below `next` are known to be there.
    pub(super) fn reaches(&self, key: &JournalKey, next: u64) -> bool {
        let known = self.0.lock();
        let found = known.new.get(key).or_else(|| known.old.get(key));
        found.is_some_and(|end| end.next >= next && end.seen.elapsed() < HOLDS)
    }

    /// All slots below `next` are there.
    pub(super) fn saw(&self, key: &JournalKey, next: u64) {
        if next == 0 {
            return;
        }
        let mut known = self.0.lock();
        let before = known.new.get(key).or_else(|| known.old.get(key));
        let before = before
            .filter(|end| end.seen.elapsed() < HOLDS)
            .map_or(0, |end| end.next);
        if known.new.len() >= JOURNALS && !known.new.contains_key(key) {
            known.old = std::mem::take(&mut known.new);
        }
        let end = End {
            next: next.max(before),
            seen: Instant::now(),
        };
        known.new.insert(key.clone(), end);
    }

    /// The journal is gone.
    pub(super) fn forget(&self, key: &JournalKey) {
        let mut known = self.0.lock();
        known.new.remove(key);
        known.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{SessionId, TenantId};

    use super::*;

    fn key(number: usize) -> JournalKey {
        JournalKey {
            tenant: TenantId::parse("acme").unwrap(),
            journal: SessionId::parse(&format!("s{number}")).unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_holds_for_an_hour_and_never_goes_back() {
        let ends = Ends::default();
        ends.saw(&key(1), 5);
        ends.saw(&key(1), 3);
        assert!(ends.reaches(&key(1), 5) && !ends.reaches(&key(1), 6) && !ends.reaches(&key(2), 1));
        tokio::time::advance(HOLDS).await;
        assert!(!ends.reaches(&key(1), 1));
        ends.saw(&key(1), 3);
        ends.forget(&key(1));
        assert!(!ends.reaches(&key(1), 1));
    }

    #[test]
    fn what_was_not_seen_for_long_is_forgotten() {
        let ends = Ends::default();
        for number in 0..3 * JOURNALS {
            ends.saw(&key(number), 1);
        }
        let known = ends.0.lock();
        assert!(known.new.len() + known.old.len() <= 2 * JOURNALS);
        drop(known);
        assert!(ends.reaches(&key(3 * JOURNALS - 1), 1) && !ends.reaches(&key(0), 1));
    }
}
