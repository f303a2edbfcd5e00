//! What a durable entry tells a reader's caller.

use greenroom_kernel::{
    ChatEvent, ChatEventBody, Cursor, Entry, Failure, MessageRow, Position, Role, StepHead, StepOutcome,
    StepStatus, StepView, TaskRow, Timestamp, Usage,
};

use super::Reader;
use super::text::Shown;
use crate::payloads::fetch;
use crate::steps;

impl Reader {
    pub(super) async fn read_entry(
        &mut self,
        position: Position,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<(), Failure> {
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
            Entry::StepUnknown { task, number } => self.unknown(position, *task, *number).await?,
            Entry::Resolved { task, number, .. } => match self.step(position, *task, *number).await? {
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

    async fn unknown(&self, at: Position, task: u32, number: u32) -> Result<Vec<ChatEventBody>, Failure> {
        let Some((row, mut step)) = self.step(at, task, number).await? else {
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

    /// A step as it stood then, whoever reads it when.
    async fn step(
        &self,
        at: Position,
        task: u32,
        number: u32,
    ) -> Result<Option<(TaskRow, StepView)>, Failure> {
        let Some(row) = self.row(task).await? else {
            return Ok(None);
        };
        let replayed = steps::replay_to(&*self.shared.store, &self.key, &row, at.seq).await?;
        let view = replayed.and_then(|task| task.step(number).map(greenroom_kernel::StepRecord::view));
        Ok(view.map(|view| (row, view)))
    }

    /// The attempt that said a task's final text: as read, or as its row tells one who came in later.
    async fn attempt_of(&self, task: u32) -> Result<u32, Failure> {
        match self.attempts.get(&task) {
            Some(attempt) => Ok(*attempt),
            None => Ok(self.row(task).await?.map_or(1, |row| row.attempts)),
        }
    }
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
