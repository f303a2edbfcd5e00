//! What came of one run.

mod step;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;

use greenroom_kernel::{
    AttemptCause, Entry, ErrorCode, ExportedMessage, Failure, OpenTask, Payload, StepCall, StepPath,
    StepState, TaskEnd, TaskExport, TaskExporter, Timestamp,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::plan::{Label, Point};
use super::probe::{Firing, counts};
use super::stage::{Known, Stage};

pub use step::StepRan;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// With an answer.
    Completed {
        /// Text for people.
        content: Option<String>,
        /// Data for programs.
        data: Option<Value>,
    },
    /// With a failure.
    Failed(Failure),
    /// Resting: an approval is asked for, and the script has no answer to it.
    Waiting,
    /// Resting: nobody knows whether a step happened.
    OutcomeUnknown,
    /// The agent waits for something that never comes.
    Stuck,
}

/// What came of one run.
#[derive(Debug, Clone)]
pub struct Ran {
    pub(crate) end: End,
    pub(crate) steps: Vec<StepRan>,
    text: String,
    attempts: u32,
    at: Timestamp,
    pub(crate) firings: Vec<Firing>,
    pub(crate) points: Vec<Point>,
    /// Replays that asked for other steps, in the kernel's words.
    pub(crate) diverged: Vec<String>,
    /// Whether a step's outcome was ever unknown.
    pub(crate) doubted: bool,
    pub(crate) known: Known,
    pub(crate) calls: HashMap<StepPath, (StepCall, StepCall)>,
    pub(crate) places: HashMap<StepPath, &'static Location<'static>>,
    /// Finished steps that the last attempt did not ask for.
    pub(crate) skipped: Vec<Label>,
    pub(crate) beyond: Option<StepCall>,
    /// Whether the planned disturbance happened.
    pub(crate) struck: bool,
    export: TaskExport,
}

impl Ran {
    /// How it ended.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// The answer's text, if it was completed with one.
    pub fn content(&self) -> Option<&str> {
        match &self.end {
            End::Completed { content, .. } => content.as_deref(),
            _ => None,
        }
    }

    /// The answer's data, read as `T`, if it was completed with some of that shape.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        match &self.end {
            End::Completed { data: Some(data), .. } => T::deserialize(data).ok(),
            _ => None,
        }
    }

    /// The failure, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.end {
            End::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The text that the caller was shown: what was emitted, and the text of visible model steps.
    pub fn emitted(&self) -> &str {
        &self.text
    }

    /// The journal's steps, in order of their numbers.
    pub fn steps(&self) -> &[StepRan] {
        &self.steps
    }

    /// How many steps of this name the journal holds.
    pub fn steps_named(&self, name: &str) -> usize {
        self.steps
            .iter()
            .filter(|step| step.name.as_deref() == Some(name))
            .count()
    }

    /// How often each effect happened, as the bench's probes saw it.
    pub fn effects(&self) -> BTreeMap<String, usize> {
        counts(&self.firings)
    }

    /// How many attempts there were.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the kit's clock shows at the end.
    pub fn ended_at(&self) -> Timestamp {
        self.at
    }

    /// The task's journal as `greenroom tasks export` would write it: a fixture for [`Replay`](super::Replay).
    pub fn journal_json(&self) -> String {
        serde_json::to_string_pretty(&self.export).unwrap_or_else(|error| error.to_string())
    }

    pub(crate) fn of(stage: Stage<'_>) -> Self {
        let export = exported(&stage);
        let firings: Vec<Firing> = stage
            .script
            .probes
            .iter()
            .flat_map(|probe| probe.firings())
            .collect();
        let task = OpenTask::replay(stage.task, &stage.slots);
        let (mut end, mut diverged, mut doubted) = (None, Vec::new(), false);
        for entry in stage.entries() {
            match entry {
                Entry::AttemptStarted {
                    cause: AttemptCause::Diverged(what),
                    ..
                } => diverged.push(what.clone()),
                Entry::StepUnknown { .. } => doubted = true,
                Entry::Ended { end: how, .. } => end = end.or_else(|| Some(ended(how))),
                _ => {}
            }
        }
        if let Some(End::Failed(failure)) = &end
            && failure.code == ErrorCode::NonDeterministic
        {
            diverged.push(failure.message.clone());
        }
        let end = end.unwrap_or_else(|| match &task {
            Some(task) if task.is_unknown() => End::OutcomeUnknown,
            Some(task) if task.is_waiting() => End::Waiting,
            _ => End::Stuck,
        });
        let mut known = stage.known;
        let (mut steps, mut skipped, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        let mut records: Vec<_> = task.iter().flat_map(|task| task.steps.values()).collect();
        records.sort_by_key(|record| record.head.number);
        for path in stage.calls.keys() {
            if let Some(place) = stage.watch.place(path) {
                places.insert(path.clone(), place);
            }
        }
        for record in records {
            let head = &record.head;
            let outcome = match &record.state {
                StepState::Done { outcome, .. } => Some(outcome),
                _ => None,
            };
            if let Some(outcome) = outcome {
                known.outcomes.insert(head.path.clone(), outcome.clone());
                if !stage.asked.contains(&head.path) {
                    skipped.push(Label {
                        path: head.path.clone(),
                        kind: head.kind,
                        name: head.name.clone(),
                    });
                }
            }
            let asked = stage.calls.get(&head.path).map(|(_, last)| last);
            steps.push(StepRan::of(head, asked, outcome));
        }
        known.fired = firings
            .iter()
            .filter_map(|firing| firing.step.clone())
            .collect::<BTreeSet<_>>();
        Self {
            end,
            steps,
            text: stage.text,
            attempts: stage.attempts,
            at: greenroom_kernel::Clock::now(&*stage.clock),
            firings,
            points: stage.points,
            diverged,
            doubted,
            known,
            calls: stage.calls,
            places,
            skipped,
            beyond: stage.beyond,
            struck: stage.struck,
            export,
        }
    }
}

fn exported(stage: &Stage<'_>) -> TaskExport {
    let id = stage.owner.journal().task_id(stage.task);
    let mut exporter = TaskExporter::new(stage.key.tenant.clone(), id);
    for slot in &stage.slots {
        exporter.slot(slot);
    }
    let mut export = exporter.finish();
    // The kit's journal holds one task alone; what was said before it, the script says.
    export.history = stage
        .script
        .history
        .iter()
        .map(|said| ExportedMessage {
            role: said.role,
            content: Payload::inline(said.content.as_str()),
        })
        .collect();
    export
}

fn ended(end: &TaskEnd) -> End {
    match end {
        TaskEnd::Completed(output) => End::Completed {
            content: output
                .content
                .as_ref()
                .and_then(Payload::as_inline)
                .map(str::to_owned),
            data: output.data.as_ref().and_then(Payload::as_inline).map(json),
        },
        TaskEnd::Failed(failure) => End::Failed(failure.clone()),
        TaskEnd::Cancelled => End::Failed(Failure::new(ErrorCode::Cancelled, "cancelled")),
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
