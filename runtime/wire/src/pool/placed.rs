//! Which journals are not where the hash says: sessions stay with their holder when supervisors come, and whoever was
//! sent elsewhere once should not be sent again with each call.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use greenroom_kernel::{HostPort, JournalKey};

/// How many are remembered at most. One more pushes out another: that costs its next call one hop.
const PLACES: usize = 4096;

type Place = (JournalKey, HostPort);

/// A table without a lock: each journal has one place in it, and the last to come takes it.
pub(super) struct Placed {
    places: Box<[ArcSwapOption<Place>]>,
    hasher: RandomState,
}

impl Placed {
    pub(super) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Where a journal was said to be.
    pub(super) fn of(&self, key: &JournalKey) -> Option<HostPort> {
        let place = self.place(key)?.load();
        let (of, at) = &**place.as_ref()?;
        (of == key).then(|| at.clone())
    }

    /// A journal was said to be there.
    pub(super) fn put(&self, key: &JournalKey, at: &HostPort) {
        if let Some(place) = self.place(key) {
            place.store(Some(Arc::new((key.clone(), at.clone()))));
        }
    }

    /// A journal isn't where it was said to be.
    pub(super) fn forget(&self, key: &JournalKey) {
        if self.of(key).is_some()
            && let Some(place) = self.place(key)
        {
            place.store(None);
        }
    }

    fn place(&self, key: &JournalKey) -> Option<&ArcSwapOption<Place>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % PLACES as u64).ok()?;
        self.places.get(hash)
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{SessionId, TenantId};

    use super::*;

    fn key(number: usize) -> JournalKey {
        JournalKey {
            tenant: TenantId::parse("t").unwrap(),
            journal: SessionId::parse(&format!("s{number}")).unwrap(),
        }
    }

    #[test]
    fn a_place_is_of_one_journal_and_there_is_a_bound_to_all() {
        let (placed, at) = (Placed::new(), "127.0.0.1:7070".parse().unwrap());
        for number in 0..PLACES * 3 {
            placed.put(&key(number), &at);
            assert_eq!(placed.of(&key(number)), Some(at.clone()));
        }
        let kept = (0..PLACES * 3).filter(|number| placed.of(&key(*number)).is_some());
        assert!(kept.count() <= PLACES);
        let last = key(PLACES * 3 - 1);
        // Of another journal nothing is forgotten, wherever its place is.
        (PLACES * 3..PLACES * 6).for_each(|number| placed.forget(&key(number)));
        assert!(placed.of(&last).is_some());
        placed.forget(&last);
        assert_eq!(placed.of(&last), None);
    }
}
