//! Counts what an agent's fakes did to the world, and knows from where.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use greenroom_kernel::StepPath;
use parking_lot::Mutex;

use super::watch::{Here, Watch, here};

/// Counts effects. Hand clones of it to what stands in for the outside world and call [`fire`](Self::fire) where
/// the world would change; give it to the bench by [`Bench::probe`](super::Bench::probe).
///
/// ```
/// use greenroom_agent_sdk::testkit::Probe;
///
/// let world = Probe::new();
/// let charge = { let world = world.clone(); move || world.fire("charge") };
/// charge();
/// assert_eq!(world.count("charge"), 1);
/// ```
#[derive(Clone, Default)]
pub struct Probe(Arc<Inner>);

#[derive(Default)]
struct Inner {
    fired: Mutex<Vec<Firing>>,
    /// The run that goes on now: for work on threads of its own.
    watch: Mutex<Weak<Watch>>,
}

/// One effect that happened.
#[derive(Debug, Clone)]
pub(crate) struct Firing {
    pub(crate) name: String,
    /// What the other side would know a repetition by.
    pub(crate) key: Option<String>,
    pub(crate) at: &'static Location<'static>,
    /// The step in whose work it happened; none outside of steps.
    pub(crate) step: Option<StepPath>,
}

impl Probe {
    /// A probe that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The effect happened. Each time counts.
    #[track_caller]
    pub fn fire(&self, name: &str) {
        self.note(name, None, Location::caller());
    }

    /// The effect happened, and carried a key by which the other side knows it again: the same name with the same
    /// key counts once.
    #[track_caller]
    pub fn fire_keyed(&self, name: &str, key: &str) {
        self.note(name, Some(key.to_owned()), Location::caller());
    }

    fn note(&self, name: &str, key: Option<String>, at: &'static Location<'static>) {
        let step = match here() {
            Some(Here::Step(path)) => Some(path),
            Some(Here::Between) => None,
            // Another thread, on which only a step's work can tell it to be.
            None => self.0.watch.lock().upgrade().and_then(|watch| watch.going()),
        };
        self.0.fired.lock().push(Firing {
            name: name.to_owned(),
            key,
            at,
            step,
        });
    }

    /// How often the effect has happened since the last run of a bench began; keyed repetitions don't count.
    pub fn count(&self, name: &str) -> usize {
        counts(&self.firings()).get(name).copied().unwrap_or(0)
    }

    pub(crate) fn begin(&self, watch: &Arc<Watch>) {
        self.0.fired.lock().clear();
        *self.0.watch.lock() = Arc::downgrade(watch);
    }

    pub(crate) fn firings(&self) -> Vec<Firing> {
        self.0.fired.lock().clone()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe").field(&counts(&self.firings())).finish()
    }
}

/// How often each effect happened, keyed repetitions counted once.
pub(crate) fn counts(firings: &[Firing]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (index, firing) in firings.iter().enumerate() {
        let again = |other: &Firing| other.name == firing.name && other.key == firing.key;
        if firing.key.is_none() || !firings[..index].iter().any(again) {
            *counts.entry(firing.name.clone()).or_insert(0) += 1;
        }
    }
    counts
}
