//! What running steps have used so far: a model call tells as it streams, a child task as its own steps finish. The
//! owner of their task reads it, so that what is cut short is billed, and that children at the same time can't use
//! together what each of them may use alone.

use std::collections::HashMap;
use std::sync::Arc;

use greenroom_kernel::{JournalKey, StepPath, Usage};
use parking_lot::Mutex;

use crate::journals::Journals;

/// What one running step has used until now.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Usage>);

impl Meter {
    pub(crate) fn set(&self, used: Usage) {
        *self.0.lock() = used;
    }

    pub(crate) fn used(&self) -> Usage {
        *self.0.lock()
    }
}

/// A running step's meter, where its task's owner finds it.
pub(crate) struct Metered {
    pub(crate) task: u32,
    pub(crate) attempt: u32,
    pub(crate) path: StepPath,
    pub(crate) meter: Arc<Meter>,
}

impl Metered {
    pub(crate) fn is(&self, task: u32, attempt: u32, path: &StepPath) -> bool {
        (self.task, self.attempt) == (task, attempt) && self.path == *path
    }
}

/// The child tasks that somebody of this process waits for: where they tell what they have used.
#[derive(Default)]
pub(crate) struct Meters(Mutex<HashMap<JournalKey, Awaited>>);

struct Awaited {
    parent: JournalKey,
    meter: Arc<Meter>,
}

/// Keeps a child's meter in its place while somebody waits for the child.
pub(crate) struct Watch<'a> {
    meters: &'a Meters,
    child: JournalKey,
    meter: Arc<Meter>,
}

impl Meters {
    /// From now on the child tells this meter, and the owner of `parent` hears of it.
    pub(crate) fn watch(&self, child: &JournalKey, parent: &JournalKey, meter: &Arc<Meter>) -> Watch<'_> {
        let awaited = Awaited {
            parent: parent.clone(),
            meter: Arc::clone(meter),
        };
        self.0.lock().insert(child.clone(), awaited);
        Watch {
            meters: self,
            child: child.clone(),
            meter: Arc::clone(meter),
        }
    }

    /// A child has used this much until now, all in all.
    pub(crate) fn tell(&self, journals: &Journals, child: &JournalKey, used: Usage) {
        let parent = {
            let awaited = self.0.lock();
            let Some(Awaited { parent, meter }) = awaited.get(child) else {
                return;
            };
            if meter.used() == used {
                return;
            }
            meter.set(used);
            parent.clone()
        };
        journals.metered(&parent);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut awaited = self.meters.0.lock();
        let own = |waits: &Awaited| Arc::ptr_eq(&waits.meter, &self.meter);
        // A later attempt may wait for the same child already.
        if awaited.get(&self.child).is_some_and(own) {
            awaited.remove(&self.child);
        }
    }
}
