//! Replays the journal of a task that was run elsewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use greenroom_kernel::{
    AttemptCause, BadExport, Entry, HistoryMessage, JournalKind, Nonce, Opened, Payload, Slot, TaskEnd,
    TaskExport,
};

use super::plan::Label;
use super::ran::{End, Ran};
use super::stage::{Make, Stage, writer};
use super::{Bench, Probe};
use crate::{Agent, HostError};

/// The journal of one task, as `greenroom tasks export ID` writes it, to be replayed: every finished step is
/// answered from it, and nothing else happens. The agent's tools, models and effects are not run.
///
/// ```no_run
/// # use greenroom_agent_sdk::prelude::*;
/// use greenroom_agent_sdk::testkit::Replay;
/// # async fn replays(agent: Arc<dyn Agent>) -> Result<(), Box<dyn std::error::Error>> {
/// Replay::from_file("tests/journal.json")?.of(agent).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Replay {
    export: TaskExport,
}

/// A replay that went as the journal says.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// How many steps the journal answered.
    pub steps: usize,
    /// How the replay ended; none when it came to the end of what the journal holds of a task that is not over.
    pub end: Option<End>,
    /// The step that an unfinished task would go on with.
    pub next: Option<String>,
}

/// A journal can't be replayed, or the agent does not do what it says.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file can't be read.
    #[error("can't read {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It isn't a task's journal, or not a whole one.
    #[error(transparent)]
    Export(#[from] BadExport),
    /// The agent can't be run.
    #[error(transparent)]
    Agent(#[from] HostError),
    /// The agent asks for other steps, or comes to another end.
    #[error("the replay of task {task} diverges: {what}")]
    Diverged {
        /// Which task.
        task: String,
        /// What the journal says and what the agent does, both named.
        what: String,
    },
}

impl Replay {
    /// Reads a journal from a file.
    ///
    /// # Errors
    /// [`ReplayError::File`] and [`ReplayError::Export`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ReplayError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| ReplayError::File {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_json(&text)
    }

    /// Reads a journal from its JSON text.
    ///
    /// # Errors
    /// [`ReplayError::Export`].
    pub fn from_json(text: &str) -> Result<Self, ReplayError> {
        let export = TaskExport::parse(text)?;
        export.accepted()?;
        Ok(Self { export })
    }

    /// Replays it with this agent.
    ///
    /// # Errors
    /// [`ReplayError::Diverged`], naming the journal's step and the agent's.
    pub async fn of(&self, agent: Arc<dyn Agent>) -> Result<Replayed, ReplayError> {
        let make: Make = Arc::new(move || Arc::clone(&agent));
        let (accepted, at) = self.export.accepted()?;
        let mut bench = Bench::made_by(|| Arc::new(Nobody)).starts_at(at);
        bench.script.principal.tenant = self.export.tenant.clone();
        bench.script.principal.subject = accepted.subject.clone();
        bench.script.history = self.history();
        let probe = Probe::new();
        bench = bench.probe(&probe);
        let (slots, held) = self.slots();
        let mut stage = Stage::recorded(&make, &bench.script, &self.export.task, slots);
        stage.play().await;
        let diverging = |what: String| ReplayError::Diverged {
            task: self.export.task.to_string(),
            what,
        };
        self.judge(&Ran::of(stage), &held).map_err(diverging)
    }

    fn history(&self) -> Vec<HistoryMessage> {
        let said = self.export.history.iter();
        said.map(|message| HistoryMessage {
            role: message.role,
            content: message.content.as_inline().unwrap_or_default().to_owned(),
        })
        .collect()
    }

    /// The journal up to where a replay can follow it: what is finished, without how the task ended, and without
    /// what was under way. With the steps it holds.
    fn slots(&self) -> (Vec<Slot>, Vec<Label>) {
        let entries = || self.export.entries.iter().map(|exported| &exported.entry);
        let answered: BTreeSet<u32> = entries()
            .filter_map(|entry| match entry {
                Entry::Resolved { number, .. } => Some(*number),
                _ => None,
            })
            .collect();
        let done: BTreeSet<u32> = entries()
            .filter_map(|entry| match entry {
                Entry::StepDone { step, .. } => Some(step.number),
                _ => None,
            })
            .collect();
        let kept = |entry: &Entry| match entry {
            Entry::Accepted(_) | Entry::StepDone { .. } | Entry::Resolved { .. } => true,
            Entry::AttemptStarted { cause, .. } => matches!(cause, AttemptCause::Diverged(_)),
            Entry::StepStarted { step, .. } => answered.contains(&step.number) || done.contains(&step.number),
            Entry::Waiting { step, .. } => answered.contains(&step.number),
            Entry::StepUnknown { number, .. } => answered.contains(number),
            _ => false,
        };
        let mut slots: Vec<Slot> = Vec::new();
        let mut held: Vec<Label> = Vec::new();
        for exported in self
            .export
            .entries
            .iter()
            .filter(|exported| kept(&exported.entry))
        {
            let mut entries = Vec::new();
            if let (true, Entry::Accepted(accepted)) = (slots.is_empty(), &exported.entry) {
                entries.push(Entry::Opened(Opened {
                    kind: JournalKind::Task,
                    subject: accepted.subject.clone(),
                    title: None,
                    metadata: None,
                    call: None,
                }));
            }
            match &exported.entry {
                Entry::StepDone { step, .. } | Entry::Waiting { step, .. } => {
                    held.retain(|label| label.path != step.path);
                    held.push(Label {
                        path: step.path.clone(),
                        kind: step.kind,
                        name: step.name.clone(),
                    });
                }
                Entry::AttemptStarted { .. } => held.clear(),
                _ => {}
            }
            entries.push(exported.entry.clone());
            slots.push(Slot {
                seq: slots.len() as u64,
                nonce: Nonce(slots.len() as u128),
                writer: writer(1),
                at: exported.at,
                entries,
            });
        }
        (slots, held)
    }

    fn judge(&self, ran: &Ran, held: &[Label]) -> Result<Replayed, String> {
        let mark = self.export.entries.iter();
        let before: Vec<&String> = mark
            .filter_map(|exported| match &exported.entry {
                Entry::AttemptStarted {
                    cause: AttemptCause::Diverged(what),
                    ..
                } => Some(what),
                _ => None,
            })
            .collect();
        if let Some(what) = ran.diverged.get(before.len()) {
            return Err(self.explained(ran, what));
        }
        let recorded = self.end();
        let last = held
            .last()
            .map_or_else(|| "no step at all".to_owned(), ToString::to_string);
        if let (Some(asked), Some(_)) = (&ran.beyond, &recorded) {
            return Err(format!(
                "the journal of this finished task ends with {last}, but the replay asks for {} with {}",
                Label::of(asked),
                asked.input
            ));
        }
        if ran.beyond.is_none() && matches!(ran.end, End::Completed { .. } | End::Failed(_)) {
            if let Some(missing) = ran.skipped.first() {
                return Err(format!(
                    "the journal holds {missing}, but the replay ended without asking for it"
                ));
            }
            if let Some(recorded) = recorded.filter(|recorded| *recorded != ran.end) {
                return Err(format!(
                    "the journal ends with {recorded:?}, the replay with {:?}",
                    ran.end
                ));
            }
        }
        let over = ran.beyond.is_none() && !matches!(ran.end, End::Stuck | End::Waiting);
        Ok(Replayed {
            steps: held.len(),
            end: over.then(|| ran.end.clone()),
            next: ran
                .beyond
                .as_ref()
                .map(Label::of)
                .or_else(|| waiting(ran))
                .map(|next| next.to_string()),
        })
    }

    fn explained(&self, ran: &Ran, what: &str) -> String {
        let path = what.split_whitespace().nth(1).unwrap_or_default();
        let call = ran.calls.iter().find(|(known, _)| known.as_str() == path);
        let Some((path, (_, call))) = call else {
            return what.to_owned();
        };
        let at = ran
            .places
            .get(path)
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        format!(
            "{what}; the replay's {}{at} asks with {}",
            Label::of(call),
            call.input
        )
    }

    /// How the task ended, where a replay can come to the same end: nobody's hand ended it.
    fn end(&self) -> Option<End> {
        let last = self.export.entries.iter().rev();
        last.into_iter().find_map(|exported| match &exported.entry {
            Entry::Ended {
                end: TaskEnd::Completed(output),
                ..
            } => Some(End::Completed {
                content: output
                    .content
                    .as_ref()
                    .and_then(Payload::as_inline)
                    .map(str::to_owned),
                data: output
                    .data
                    .as_ref()
                    .and_then(Payload::as_inline)
                    .map(|data| serde_json::from_str(data).unwrap_or_default()),
            }),
            _ => None,
        })
    }
}

/// The approval that the replay asked for and the journal has no answer to.
fn waiting(ran: &Ran) -> Option<Label> {
    let open = ran.steps.iter().find(|step| step.outcome.is_none())?;
    ran.calls
        .values()
        .map(|(_, call)| Label::of(call))
        .find(|label| label.path.as_str() == open.path)
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps answered from the journal", self.steps)
    }
}

/// Holds the place of the agent in the bench that only lends its script.
struct Nobody;

#[crate::async_trait]
impl Agent for Nobody {
    fn card(&self) -> crate::Card {
        crate::Card::new("nobody", "0", "")
    }

    async fn run(&self, _: crate::Task, _: crate::Context) -> Result<crate::Output, crate::AgentError> {
        Err(crate::AgentError::new("nobody is here"))
    }
}
