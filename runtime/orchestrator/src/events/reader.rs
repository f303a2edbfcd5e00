//! One reader of one journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    ChatEvent, ChatEventBody, Cursor, Entry, Failure, JournalKey, MessageRow, Position, Role, Slot, StepHead,
    StepOutcome, StepStatus, StepView, TaskId, TaskRow, Timestamp, Usage,
};
use tokio::sync::watch;

use super::Whose;
use crate::hub::Hub;
use crate::payloads::fetch;
use crate::shared::Shared;
use crate::steps;

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
}

/// The text of an attempt as this reader's caller holds it.
struct Shown {
    task: u32,
    attempt: u32,
    text: String,
    /// Its length in UTF-16 units, kept so that no delta counts the whole text again.
    units: u64,
    cuts: u32,
}

impl Shown {
    fn truncate(&mut self, length: usize) {
        self.units -= utf16(self.text.get(length..).unwrap_or_default());
        self.text.truncate(length);
    }

    fn push(&mut self, delta: &str) {
        self.units += utf16(delta);
        self.text.push_str(delta);
    }
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
                let told = tokio::time::timeout(LOOK_AGAIN, self.changes.changed()).await;
                self.doubt = told.is_err();
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
                read.map_err(|error| Failure::from(&error))?
                    .into_iter()
                    .map(Arc::new)
                    .collect()
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

    async fn read_entry(&mut self, position: Position, at: Timestamp, entry: &Entry) -> Result<(), Failure> {
        let bodies = match entry {
            Entry::AttemptStarted { task, attempt, .. } => {
                self.shown = Some(Shown {
                    task: *task,
                    attempt: *attempt,
                    text: String::new(),
                    units: 0,
                    cuts: 0,
                });
                vec![ChatEventBody::Attempt {
                    task: self.task_id(*task),
                    attempt: *attempt,
                }]
            }
            Entry::StepStarted { task, step, .. } => {
                let view = view(step, StepStatus::Started, at, None, None, None);
                vec![ChatEventBody::Step {
                    task: self.task_id(*task),
                    step: view,
                }]
            }
            Entry::StepDone {
                task,
                step,
                outcome,
                usage,
                started_at,
                ..
            } => {
                let (status, error) = match outcome {
                    StepOutcome::Done(_) => (StepStatus::Done, None),
                    StepOutcome::Failed(failure) => (StepStatus::Failed, Some(failure.clone())),
                };
                let view = view(step, status, *started_at, Some(at), *usage, error);
                vec![ChatEventBody::Step {
                    task: self.task_id(*task),
                    step: view,
                }]
            }
            Entry::Waiting {
                task, step, prompt, ..
            } => {
                let mut step = view(step, StepStatus::Waiting, at, None, None, None);
                step.prompt = Some(prompt.clone());
                match self.row(*task).await? {
                    Some(task) => vec![ChatEventBody::Waiting { task, step }],
                    None => Vec::new(),
                }
            }
            Entry::StepUnknown { task, number } => self.unknown(*task, *number).await?,
            Entry::Resolved { task, number, .. } => match self.step(*task, *number).await? {
                Some((_, step)) => vec![ChatEventBody::Step {
                    task: self.task_id(*task),
                    step,
                }],
                None => Vec::new(),
            },
            Entry::Message(message) => {
                let row = MessageRow {
                    session: self.key.journal.clone(),
                    position,
                    at,
                    message: message.clone(),
                };
                if message.role == Role::Assistant {
                    let text = fetch(&*self.shared.store, &self.key, &message.content).await?;
                    let attempt = self.attempt_of(message.task).await?;
                    self.show(message.task, attempt, &text, position, at);
                }
                vec![ChatEventBody::Message(row)]
            }
            Entry::Ended { task, .. } => self
                .row(*task)
                .await?
                .map(ChatEventBody::Ended)
                .into_iter()
                .collect(),
            Entry::Opened(_)
            | Entry::Epoch
            | Entry::Released
            | Entry::Retitled { .. }
            | Entry::Deleted
            | Entry::Spent { .. }
            | Entry::Accepted(_) => Vec::new(),
        };
        let last = bodies.len() as u64;
        for (number, body) in (1..).zip(bodies) {
            if number <= self.skip {
                continue;
            }
            // Several events of one entry: the cursor says how many of them were read.
            let cursor = if number == last {
                Cursor::behind(position)
            } else {
                Cursor {
                    position,
                    attempt: 0,
                    offset: number,
                }
            };
            self.ready.push_back(ChatEvent {
                cursor,
                session: self.key.journal.clone(),
                at,
                body,
            });
        }
        Ok(())
    }

    async fn unknown(&self, task: u32, number: u32) -> Result<Vec<ChatEventBody>, Failure> {
        let Some((row, mut step)) = self.step(task, number).await? else {
            return Ok(Vec::new());
        };
        step.status = StepStatus::OutcomeUnknown;
        let known = ChatEventBody::Step {
            task: self.task_id(task),
            step: step.clone(),
        };
        Ok(vec![known, ChatEventBody::Waiting { task: row, step }])
    }

    async fn row(&self, task: u32) -> Result<Option<TaskRow>, Failure> {
        let row = self
            .shared
            .store
            .task(&self.key.tenant, &self.task_id(task))
            .await;
        row.map_err(|error| Failure::from(&error))
    }

    async fn step(&self, task: u32, number: u32) -> Result<Option<(TaskRow, StepView)>, Failure> {
        let Some(row) = self.row(task).await? else {
            return Ok(None);
        };
        let replayed = steps::replay(&*self.shared.store, &self.key, &row).await?;
        let view = replayed.and_then(|task| task.step(number).map(greenroom_kernel::StepRecord::view));
        Ok(view.map(|view| (row, view)))
    }

    fn task_id(&self, ordinal: u32) -> TaskId {
        TaskId {
            journal: self.key.journal.clone(),
            ordinal,
        }
    }

    /// Hints of steps that began, and the text that the running attempt has and this reader's caller has not.
    fn read_live(&mut self) {
        let hub = Arc::clone(&self.hub);
        let (last, hints) = hub.hints_after(self.hints);
        self.hints = last;
        let now = self.shared.now();
        for (task, step) in hints {
            if self.wants(Some(task)) {
                let body = ChatEventBody::Step {
                    task: self.task_id(task),
                    step,
                };
                self.push_live(now, 0, 0, body);
            }
        }
        hub.with_live(self.at.seq, |live| {
            let Some(live) = live.filter(|live| self.wants(Some(live.task))) else {
                return;
            };
            let known = self
                .shown
                .as_ref()
                .is_some_and(|shown| (shown.task, shown.attempt) == (live.task, live.attempt));
            if !known {
                self.shown = Some(Shown {
                    task: live.task,
                    attempt: live.attempt,
                    text: String::new(),
                    units: 0,
                    cuts: live.cuts,
                });
            }
            let held = !known && std::mem::take(&mut self.held);
            let cut = self.shown.as_mut().is_some_and(|shown| {
                let cut = held || shown.cuts != live.cuts;
                if cut {
                    shown.truncate(common(&shown.text, &live.text).min(live.floor));
                    shown.cuts = live.cuts;
                }
                cut
            });
            self.catch_up(live.task, &live.text, cut, self.at, now);
        });
    }

    /// A final text: what the caller holds becomes equal to it before the message is told.
    fn show(&mut self, task: u32, attempt: u32, text: &str, position: Position, at: Timestamp) {
        let known = self.shown.as_ref().is_some_and(|shown| shown.task == task);
        if !known {
            self.shown = Some(Shown {
                task,
                attempt,
                text: String::new(),
                units: 0,
                cuts: 0,
            });
        }
        let held = !known && std::mem::take(&mut self.held);
        let cut = self.shown.as_mut().is_some_and(|shown| {
            let common = common(&shown.text, text);
            let cut = held || common < shown.text.len();
            shown.truncate(common);
            cut
        });
        if self.skip == 0 {
            self.catch_up(task, text, cut, position, at);
        }
        self.shown = None;
    }

    /// The attempt that said a task's final text: as read, or as its row tells one who came in later.
    async fn attempt_of(&self, task: u32) -> Result<u32, Failure> {
        match self.attempts.get(&task) {
            Some(attempt) => Ok(*attempt),
            None => Ok(self.row(task).await?.map_or(1, |row| row.attempts)),
        }
    }

    /// Tells the part of `text` behind what is shown; an empty part too where the caller must forget some.
    fn catch_up(&mut self, task: u32, text: &str, cut: bool, position: Position, at: Timestamp) {
        let Some(shown) = self.shown.as_mut() else { return };
        let delta = text.get(shown.text.len()..).unwrap_or_default();
        if delta.is_empty() && !cut {
            return;
        }
        let offset = shown.units;
        let (attempt, delta) = (shown.attempt, delta.to_owned());
        shown.push(&delta);
        let end = shown.units;
        let task = self.task_id(task);
        let cursor = Cursor {
            position,
            attempt,
            offset: end,
        };
        let body = ChatEventBody::Delta {
            task,
            attempt,
            offset,
            delta,
        };
        self.ready.push_back(ChatEvent {
            cursor,
            session: self.key.journal.clone(),
            at,
            body,
        });
    }

    fn push_live(&mut self, at: Timestamp, attempt: u32, offset: u64, body: ChatEventBody) {
        let cursor = Cursor {
            position: self.at,
            attempt,
            offset,
        };
        self.ready.push_back(ChatEvent {
            cursor,
            session: self.key.journal.clone(),
            at,
            body,
        });
    }
}

/// How many bytes two texts have in common at their start, up to a character's border.
fn common(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    let differs = pairs
        .clone()
        .find(|((_, x), y)| x != y)
        .map(|((index, _), _)| index);
    differs.unwrap_or_else(|| a.len().min(b.len()))
}

fn utf16(text: &str) -> u64 {
    text.encode_utf16().count() as u64
}

fn view(
    head: &StepHead,
    status: StepStatus,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    usage: Option<Usage>,
    error: Option<Failure>,
) -> StepView {
    StepView {
        number: head.number,
        attempt: head.attempt,
        kind: head.kind,
        name: head.name.clone(),
        effect: head.effect,
        status,
        started_at,
        finished_at,
        usage,
        error,
        prompt: None,
    }
}
