//! What the readers of one journal see as it happens: which slots are durable, and the text of the attempt that
//! runs. Readers pull; nothing is queued for them.

use std::collections::VecDeque;
use std::sync::Arc;

use greenroom_kernel::{Slot, StepView};
use parking_lot::Mutex;
use tokio::sync::watch;

use greenroom_kernel::PAYLOAD_LIMIT;

const RECENT_SLOTS: usize = 64;
const STEP_HINTS: usize = 64;

/// One journal's meeting place of its writer and its readers.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<Arc<Slot>>,
    live: Option<Live>,
    hints: VecDeque<(u64, u32, StepView)>,
    hinted: u64,
}

/// The attempt that runs, and its text so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// Which task.
    pub(crate) task: u32,
    /// Which attempt.
    pub(crate) attempt: u32,
    /// What it has said.
    pub(crate) text: String,
    /// How often its text was cut back.
    pub(crate) cuts: u32,
    /// The shortest length it was ever cut back to, in bytes.
    pub(crate) floor: usize,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }

    /// Told of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// A slot is durable.
    pub(crate) fn publish(&self, slot: Arc<Slot>) {
        let mut state = self.state.lock();
        if state.recent.back().is_some_and(|last| last.seq + 1 != slot.seq) {
            state.recent.clear();
        }
        if state.recent.len() == RECENT_SLOTS {
            state.recent.pop_front();
        }
        state.recent.push_back(slot);
        drop(state);
        self.changed();
    }

    /// The durable slots from `from` on, as far as they are kept here; none when `from` is older.
    pub(crate) fn recent_from(&self, from: u64) -> Option<Vec<Arc<Slot>>> {
        let state = self.state.lock();
        let first = state.recent.front()?.seq;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        Some(state.recent.iter().skip(skip).cloned().collect())
    }

    /// An attempt begins with an empty text.
    pub(crate) fn begin(&self, task: u32, attempt: u32) {
        self.state.lock().live = Some(Live {
            task,
            attempt,
            ..Live::default()
        });
        self.changed();
    }

    /// The task ended or was parked: its text is the journal's now.
    pub(crate) fn end(&self, task: u32) {
        let mut state = self.state.lock();
        if state.live.as_ref().is_some_and(|live| live.task == task) {
            state.live = None;
        }
        drop(state);
        self.changed();
    }

    /// The attempt says more.
    pub(crate) fn append(&self, task: u32, attempt: u32, text: &str) {
        self.edit(task, attempt, |live| live.text.push_str(text));
    }

    /// Whether the attempt has said more than an answer may hold.
    pub(crate) fn is_overlong(&self, task: u32, attempt: u32) -> bool {
        self.mark(task, attempt) > PAYLOAD_LIMIT
    }

    /// The length of the attempt's text, in bytes: where a call's own text begins.
    pub(crate) fn mark(&self, task: u32, attempt: u32) -> usize {
        let state = self.state.lock();
        let live = state
            .live
            .as_ref()
            .filter(|live| (live.task, live.attempt) == (task, attempt));
        live.map_or(0, |live| live.text.len())
    }

    /// The attempt takes back what it said after `mark`.
    pub(crate) fn cut(&self, task: u32, attempt: u32, mark: usize) {
        self.edit(task, attempt, |live| {
            if mark < live.text.len() && live.text.is_char_boundary(mark) {
                live.text.truncate(mark);
                live.floor = if live.cuts == 0 {
                    mark
                } else {
                    live.floor.min(mark)
                };
                live.cuts += 1;
            }
        });
    }

    fn edit(&self, task: u32, attempt: u32, change: impl FnOnce(&mut Live)) {
        let mut state = self.state.lock();
        if let Some(live) = state
            .live
            .as_mut()
            .filter(|live| (live.task, live.attempt) == (task, attempt))
        {
            change(live);
        }
        drop(state);
        self.changed();
    }

    /// A step began that the journal doesn't tell of.
    pub(crate) fn hint(&self, task: u32, step: StepView) {
        let mut state = self.state.lock();
        state.hinted += 1;
        let number = state.hinted;
        if state.hints.len() == STEP_HINTS {
            state.hints.pop_front();
        }
        state.hints.push_back((number, task, step));
        drop(state);
        self.changed();
    }

    /// The hints after number `seen`, and the number of the last.
    pub(crate) fn hints_after(&self, seen: u64) -> (u64, Vec<(u32, StepView)>) {
        let state = self.state.lock();
        let new = state.hints.iter().filter(|(number, ..)| *number > seen);
        (
            state.hinted,
            new.map(|(_, task, step)| (*task, step.clone())).collect(),
        )
    }

    /// The attempt that runs: its task and number.
    pub(crate) fn running(&self) -> Option<(u32, u32)> {
        self.state
            .lock()
            .live
            .as_ref()
            .map(|live| (live.task, live.attempt))
    }

    /// Looks at the attempt that runs, for a reader who has read all slots below `next`: one who has not read
    /// how it came to run finds nothing yet.
    pub(crate) fn with_live<T>(&self, next: u64, look: impl FnOnce(Option<&Live>) -> T) -> T {
        let state = self.state.lock();
        let unread = state.recent.back().is_some_and(|last| last.seq >= next);
        look(state.live.as_ref().filter(|_| !unread))
    }

    /// Has the readers look, and wakes who waits.
    pub(crate) fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}
