//! Places for calls, whose number changes while calls run.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug, Clone, Copy)]
struct Size {
    /// Permits there are, free and taken.
    made: u32,
    /// How many there should be. Those beyond it are taken away as they come back.
    wanted: u32,
}

#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Slots {
    pub(super) fn of(wanted: u32) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(wanted as usize)),
            size: Mutex::new(Size { made: wanted, wanted }),
        })
    }

    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Waits for one. Nobody who comes later gets it first.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    pub(super) fn hold(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        Slot {
            permit: Some(permit),
            slots: Arc::clone(self),
        }
    }

    /// More of them at once; fewer as far as they are free, and as they come back.
    pub(super) fn resize(&self, wanted: u32) {
        let mut size = self.size.lock();
        size.wanted = wanted;
        if wanted > size.made {
            self.free.add_permits((wanted - size.made) as usize);
            size.made = wanted;
        } else {
            let taken_away = self.free.forget_permits((size.made - wanted) as usize);
            size.made -= u32::try_from(taken_away).unwrap_or(size.made);
        }
    }

    pub(super) fn taken(&self) -> u32 {
        let size = self.size.lock();
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        size.made.saturating_sub(free)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut size = self.slots.size.lock();
        if size.made > size.wanted
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            size.made -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fewer_places_are_taken_away_as_they_come_back_and_more_are_there_at_once() {
        let slots = Slots::of(3);
        let take = || slots.try_take().map(|permit| slots.hold(permit));
        let (a, b, c) = (take(), take(), take());
        assert!(a.is_some() && take().is_none());
        slots.resize(1);
        drop(a);
        assert!(take().is_none());
        drop(b);
        assert!(take().is_none());
        assert_eq!(slots.taken(), 1);
        drop(c);
        assert!(take().is_some());
        assert_eq!(slots.taken(), 0);
        slots.resize(2);
        let two = (take(), take());
        assert!(two.0.is_some() && two.1.is_some() && take().is_none());
    }

    #[test]
    fn places_that_are_wanted_again_before_they_came_back_are_not_made_twice() {
        let slots = Slots::of(2);
        let take = || slots.try_take().map(|permit| slots.hold(permit));
        let both = (take(), take());
        slots.resize(1);
        slots.resize(2);
        drop(both);
        let both = (take(), take());
        assert!(both.0.is_some() && both.1.is_some() && take().is_none());
    }

    proptest! {
        #[test]
        fn no_more_than_wanted_are_taken_anew(steps in prop::collection::vec((0..3u8, 1..20u32), 1..200)) {
            let slots = Slots::of(10);
            let (mut held, mut wanted) = (Vec::new(), 10);
            for (what, number) in steps {
                match what {
                    0 => {
                        let before = held.len();
                        let taken = slots.try_take().map(|permit| slots.hold(permit));
                        prop_assert_eq!(taken.is_some(), before < wanted as usize);
                        held.extend(taken);
                    }
                    1 => drop(held.pop()),
                    _ => {
                        wanted = number;
                        slots.resize(wanted);
                    }
                }
                prop_assert_eq!(slots.taken() as usize, held.len());
            }
        }
    }
}
