//! The text in the making, and what of it a reader's caller holds.

use std::sync::Arc;

use greenroom_kernel::{ChatEvent, ChatEventBody, Cursor, Position, Timestamp};

use super::Reader;

/// The text of an attempt as this reader's caller holds it.
pub(super) struct Shown {
    pub(super) task: u32,
    pub(super) attempt: u32,
    pub(super) text: String,
    /// Its length in UTF-16 units, kept so that no delta counts the whole text again.
    pub(super) units: u64,
    pub(super) cuts: u32,
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
    /// Hints of steps that began, and the text that the running attempt has and this reader's caller has not.
    pub(super) fn read_live(&mut self) {
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
    pub(super) fn show(&mut self, task: u32, attempt: u32, text: &str, position: Position, at: Timestamp) {
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
