//! One budget and its counters: one for each of those that it counts apart.

use std::collections::HashMap;
use std::sync::Arc;

use super::{About, Amount, Budget, Charge};
use crate::Timestamp;

/// How many counters there may be before those of past windows that nobody holds anything of are forgotten, which loses
/// nothing. Where that leaves many, it is looked for again when there are twice as many: whoever comes anew is not to
/// look through all of them each time.
const TIDIED_AT: usize = 4_096;

/// What is counted apart in one budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Apart {
    pub(super) subject: Option<Arc<str>>,
    pub(super) key: Option<Arc<str>>,
    pub(super) model: Option<Arc<str>>,
}

impl Apart {
    pub(super) fn of(budget: &Budget, charge: &Charge<'_>) -> Self {
        let each = |about: &About| *about == About::Each;
        Self {
            subject: each(&budget.subject).then(|| charge.subject.into()),
            key: charge.key.filter(|_| each(&budget.key)).map(Arc::from),
            model: each(&budget.model).then(|| format!("{}/{}", charge.provider, charge.model).into()),
        }
    }
}

/// What was counted for one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    /// The window that `spent` is of.
    pub(super) since: Timestamp,
    pub(super) spent: Amount,
    /// Held by calls under way, whenever they began.
    pub(super) held: Amount,
    /// It was told that it is passed, in this window.
    pub(super) told: bool,
}

/// One budget and its counters.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) budget: Budget,
    /// Which one of its name this is: what an earlier one held isn't given back to a later one.
    pub(super) version: u64,
    /// Whether what was spent before it was set is known.
    pub(super) is_known: bool,
    pub(super) counters: HashMap<Apart, Counter>,
    tidied_at: usize,
}

impl Kept {
    pub(super) fn new(budget: Budget, version: u64) -> Self {
        Self {
            budget,
            version,
            is_known: false,
            counters: HashMap::new(),
            tidied_at: TIDIED_AT,
        }
    }

    /// The counter as it is in the window of `now`.
    pub(super) fn counter(&mut self, apart: Apart, now: Timestamp) -> &mut Counter {
        let since = self.budget.window.start(now);
        if self.counters.len() >= self.tidied_at && !self.counters.contains_key(&apart) {
            self.counters
                .retain(|_, counter| counter.since >= since || counter.held != Amount::default());
            self.tidied_at = self.counters.len().saturating_mul(2).max(TIDIED_AT);
        }
        let counter = self.counters.entry(apart).or_insert(Counter {
            since,
            spent: Amount::default(),
            held: Amount::default(),
            told: false,
        });
        // A clock that was set back opens no window anew.
        if counter.since < since {
            counter.since = since;
            counter.spent = Amount::default();
            counter.told = false;
        }
        counter
    }

    pub(super) fn limit(&self) -> (Option<u64>, Option<u64>) {
        (self.budget.limit_nanos, self.budget.limit_tokens)
    }
}
