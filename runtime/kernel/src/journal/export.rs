//! One task's part of a journal as a document: what an owner takes away to replay it elsewhere.
//!
//! The document holds content: what was asked, said, answered. Its form is versioned; members are only added within
//! a version.

use serde::{Deserialize, Serialize};

use crate::{
    Accepted, Entry, InputHash, Journal, Payload, Resolution, Role, Slot, StepOutcome, TaskEnd, TaskId,
    TenantId, Timestamp,
};

/// What the document says it is.
pub const EXPORT_FORMAT: &str = "greenroom.task-journal";
/// The version that this code writes, and the only one it reads.
pub const EXPORT_VERSION: u32 = 1;

/// A task's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskExport {
    /// [`EXPORT_FORMAT`].
    pub format: String,
    /// [`EXPORT_VERSION`].
    pub version: u32,
    /// Which task.
    pub task: TaskId,
    /// Whose.
    pub tenant: TenantId,
    /// The conversation before it, oldest first, as its agent was given it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ExportedMessage>,
    /// The task's entries in order, from its acceptance on.
    pub entries: Vec<ExportedEntry>,
}

/// One earlier message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedMessage {
    /// Who said it.
    pub role: Role,
    /// What: plain text.
    pub content: Payload,
}

/// One entry and where it stands in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedEntry {
    /// Its slot.
    pub seq: u64,
    /// Its place in the slot.
    pub index: u32,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub entry: Entry,
}

/// A document can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// It isn't one.
    #[error("not a task's journal: write one by `greenroom tasks export ID`")]
    Unreadable(#[source] serde_json::Error),
    /// It is something else, or of another version.
    #[error(
        "a {format:?} of version {version}; this code reads {EXPORT_FORMAT:?} of version {EXPORT_VERSION}"
    )]
    Version {
        /// What it says it is.
        format: String,
        /// Its version.
        version: u32,
    },
    /// It does not begin with its task.
    #[error("the journal of task {0} does not hold its acceptance")]
    NoTask(TaskId),
    /// Some content was deleted, or left where only the store finds it.
    #[error("the journal of task {task} lacks the content of {what}")]
    Hollow {
        /// Which task.
        task: TaskId,
        /// What lacks it.
        what: String,
    },
}

impl TaskExport {
    /// Reads a document.
    ///
    /// # Errors
    /// [`BadExport`].
    pub fn parse(text: &str) -> Result<Self, BadExport> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let Head { format, version } = serde_json::from_str(text).map_err(BadExport::Unreadable)?;
        if format != EXPORT_FORMAT || version != EXPORT_VERSION {
            return Err(BadExport::Version { format, version });
        }
        let mut export: Self = serde_json::from_str(text).map_err(BadExport::Unreadable)?;
        let mut hollow = None;
        for payload in export.payloads_mut() {
            if payload.as_inline().is_none() {
                hollow = Some(format!("{payload:?}"));
            }
        }
        match hollow {
            Some(what) => Err(BadExport::Hollow {
                task: export.task,
                what,
            }),
            None => Ok(export),
        }
    }

    /// How the task was accepted, and when.
    ///
    /// # Errors
    /// [`BadExport::NoTask`].
    pub fn accepted(&self) -> Result<(&Accepted, Timestamp), BadExport> {
        match self.entries.first().map(|first| (&first.entry, first.at)) {
            Some((Entry::Accepted(accepted), at)) if accepted.ordinal == self.task.ordinal => {
                Ok((accepted, at))
            }
            _ => Err(BadExport::NoTask(self.task.clone())),
        }
    }

    /// Everything that may lie outside the document, to be fetched and put in.
    pub fn payloads_mut(&mut self) -> impl Iterator<Item = &mut Payload> {
        let history = self.history.iter_mut().map(|message| &mut message.content);
        history.chain(
            self.entries
                .iter_mut()
                .flat_map(|entry| payloads(&mut entry.entry)),
        )
    }
}

fn payloads(entry: &mut Entry) -> Vec<&mut Payload> {
    match entry {
        Entry::Accepted(accepted) => vec![&mut accepted.input],
        Entry::Message(message) => vec![&mut message.content],
        Entry::StepDone {
            outcome: StepOutcome::Done(result),
            ..
        } => vec![result],
        Entry::Waiting { prompt, .. } => vec![prompt],
        Entry::Resolved {
            resolution: Resolution::Approved(value) | Resolution::SettledDone(value),
            ..
        } => vec![value],
        Entry::Ended {
            end: TaskEnd::Completed(output),
            ..
        } => output.content.iter_mut().chain(&mut output.data).collect(),
        _ => Vec::new(),
    }
}

/// Gathers one task's part of a journal, slot by slot from the first one on.
#[derive(Debug)]
pub struct TaskExporter {
    task: TaskId,
    tenant: TenantId,
    journal: Journal,
    entries: Vec<ExportedEntry>,
    history: Option<Vec<ExportedMessage>>,
}

impl TaskExporter {
    /// Begins before the journal's first slot.
    pub fn new(tenant: TenantId, task: TaskId) -> Self {
        Self {
            journal: Journal::empty(task.journal.clone()),
            task,
            tenant,
            entries: Vec::new(),
            history: None,
        }
    }

    /// Takes the next slot. Slots that do not follow are not taken.
    pub fn slot(&mut self, slot: &Slot) {
        let ordinal = self.task.ordinal;
        let ends = |entry: &Entry| matches!(entry, Entry::Ended { task, .. } if *task == ordinal);
        if slot.entries.iter().any(ends) && self.journal.open.contains_key(&ordinal) {
            // What is said after its end no longer keeps what was said before it.
            self.history = Some(self.said());
        }
        if self.journal.apply(slot).is_err() {
            return;
        }
        for (index, entry) in (0..).zip(&slot.entries) {
            if entry.task() == Some(ordinal) {
                self.entries.push(ExportedEntry {
                    seq: slot.seq,
                    index,
                    at: slot.at,
                    entry: entry.clone(),
                });
            }
        }
    }

    fn said(&self) -> Vec<ExportedMessage> {
        let said = self.journal.history_before(self.task.ordinal);
        said.map(|said| ExportedMessage {
            role: said.role,
            content: said.content.clone(),
        })
        .collect()
    }

    /// The document.
    pub fn finish(mut self) -> TaskExport {
        let history = self.history.take().unwrap_or_else(|| self.said());
        TaskExport {
            format: EXPORT_FORMAT.to_owned(),
            version: EXPORT_VERSION,
            task: self.task,
            tenant: self.tenant,
            history,
            entries: self.entries,
        }
    }
}

impl TaskId {
    /// The seed of the task's replayed randomness: the same in every attempt.
    pub fn seed(&self, tenant: &TenantId) -> u64 {
        InputHash::of(&[tenant.as_str(), &self.to_string()]).low_bits()
    }
}
