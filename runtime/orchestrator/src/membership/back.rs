//! Journals that belong to another, who doesn't take them: he asks whoever wrote them last, and may be unable to reach
//! him, because of a wrong address or a certificate that ran out. He sends callers back to where the journal was. There it
//! is taken back, so that it doesn't rest for as long as that process lives.
//!
//! What is remembered here is only a reason to look: the log tells who wrote last.

use std::collections::HashMap;
use std::time::Duration;

use greenroom_kernel::JournalKey;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Way;

/// For how long it is remembered that a caller was sent on.
const SENT_ON: Duration = Duration::from_secs(30);
/// For how long a scan leaves to another what this process had: he scans too.
const PASSED_OVER: Duration = Duration::from_secs(15);
/// How many journals of each kind are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(super) struct Back {
    /// Whose callers were sent on, and when.
    sent_on: Mutex<HashMap<JournalKey, Instant>>,
    /// What had an actor here, and since when scans have found that it waits for one.
    had: Mutex<HashMap<JournalKey, Option<Instant>>>,
}

impl Back {
    /// Whether a journal that belongs to another has come back, so that the log is to be looked at; else it is remembered
    /// that it came.
    pub(super) fn comes_back(&self, key: &JournalKey, way: Way) -> bool {
        match way {
            Way::Outside => {
                let mut sent_on = self.sent_on.lock();
                make_room(&mut sent_on);
                let before = sent_on.insert(key.clone(), Instant::now());
                before.is_some_and(|before| before.elapsed() < SENT_ON)
            }
            Way::Scan => {
                let mut had = self.had.lock();
                let Some(since) = had.get_mut(key) else {
                    return false;
                };
                since.get_or_insert_with(Instant::now).elapsed() >= PASSED_OVER
            }
            Way::Inside | Way::InsideFirmly | Way::Back => false,
        }
    }

    /// There is no actor for it here any more.
    pub(super) fn let_go(&self, key: &JournalKey) {
        let mut had = self.had.lock();
        make_room(&mut had);
        had.insert(key.clone(), None);
    }

    /// The log was looked at.
    pub(super) fn forget(&self, key: &JournalKey) {
        self.sent_on.lock().remove(key);
        self.had.lock().remove(key);
    }
}

fn make_room<T>(of: &mut HashMap<JournalKey, T>) {
    if of.len() >= REMEMBERED
        && let Some(any) = of.keys().next().cloned()
    {
        of.remove(&any);
    }
}
