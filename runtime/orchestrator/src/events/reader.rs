//! One reader of one journal.

mod entries;
mod placed;
mod text;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{ChatEvent, Cursor, Entry, Failure, JournalKey, Position, Slot, TaskId};
use tokio::sync::watch;

use super::Whose;
use crate::hub::Hub;
use crate::shared::Shared;
use placed::Placed;
use text::Shown;

const PAGE: u32 = 64;
/// How often a reader looks though nothing was said: the journal may be written elsewhere.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Reader {
    shared: Arc<Shared>,
    key: JournalKey,
    task: Option<u32>,
    hub: Arc<Hub>,
    changes: watch::Receiver<u64>,
    at: Position,
    skip: u64,
    ready: VecDeque<ChatEvent>,
    attempts: BTreeMap<u32, u32>,
    shown: Option<Shown>,
    /// The caller may hold some text from before: the first is told whole, even an empty one.
    held: bool,
    hints: u64,
    /// The hub may not know all: the store is asked.
    doubt: bool,
    over: bool,
    placed: Placed,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, key: JournalKey, whose: Whose, from: Cursor) -> Self {
        let (task, over) = match whose {
            Whose::Journal => (None, false),
            // Nothing follows a task's end.
            Whose::Task { ordinal, ended } => (Some(ordinal), ended.is_some_and(|end| from.position > end)),
        };
        let hub = shared.journals.hub(&key);
        let mut changes = hub.subscribe();
        changes.mark_changed();
        let skip = if from.attempt == 0 { from.offset } else { 0 };
        let (hints, _) = hub.hints_after(0);
        let placed = Placed::new(&shared);
        Self {
            shared,
            key,
            task,
            hub,
            changes,
            at: from.position,
            skip,
            ready: VecDeque::new(),
            attempts: BTreeMap::new(),
            shown: None,
            held: from != Cursor::START,
            hints,
            doubt: true,
            over,
            placed,
        }
    }

    /// The next event; none when there will be no more.
    pub(super) async fn next(&mut self) -> Result<Option<ChatEvent>, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            // Seen before looking, so that what happens while we look wakes us again.
            self.changes.borrow_and_update();
            if self.read_slots().await? && self.ready.is_empty() && !self.over {
                continue;
            }
            if self.ready.is_empty() && !self.over {
                self.read_live();
            }
            if self.ready.is_empty() && !self.over {
                self.placed.is_here(&self.shared, &self.key)?;
                let told = tokio::time::timeout(LOOK_AGAIN, async {
                    tokio::select! {
                        _ = self.changes.changed() => false,
                        () = self.placed.changed() => false,
                    }
                });
                self.doubt = told.await.unwrap_or(true);
            }
        }
    }

    /// Reads what is durable. Tells whether there may be more.
    async fn read_slots(&mut self) -> Result<bool, Failure> {
        let slots = match self.hub.recent_from(self.at.seq) {
            // Told of a change, the hub knows the newest slots: no slot there is no slot at all.
            Some(slots) if !slots.is_empty() || !self.doubt => slots,
            _ => {
                self.doubt = false;
                let read = self.shared.store.read(&self.key, self.at.seq, PAGE).await;
                let read = read.map_err(|error| Failure::from(&error))?;
                self.placed.has_read(&self.shared, &self.key, read.last());
                read.into_iter().map(Arc::new).collect()
            }
        };
        let more = !slots.is_empty();
        for slot in slots {
            self.read_slot(&slot).await?;
            if self.over {
                break;
            }
        }
        Ok(more)
    }

    async fn read_slot(&mut self, slot: &Slot) -> Result<(), Failure> {
        for (index, entry) in (0..).zip(&slot.entries) {
            let position = Position { seq: slot.seq, index };
            if position < self.at {
                continue;
            }
            if matches!(entry, Entry::Deleted) {
                self.over = true;
                return Ok(());
            }
            if let Entry::AttemptStarted { task, attempt, .. } = entry {
                self.attempts.insert(*task, *attempt);
            }
            if self.wants(entry.task()) {
                self.read_entry(position, slot.at, entry).await?;
                if self.task.is_some() && matches!(entry, Entry::Ended { .. }) {
                    self.over = true;
                    return Ok(());
                }
            }
            self.skip = 0;
        }
        self.at = Position {
            seq: slot.seq + 1,
            index: 0,
        };
        Ok(())
    }

    fn wants(&self, task: Option<u32>) -> bool {
        match (self.task, task) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(wanted), Some(task)) => wanted == task,
        }
    }

    fn task_id(&self, ordinal: u32) -> TaskId {
        TaskId {
            journal: self.key.journal.clone(),
            ordinal,
        }
    }
}
