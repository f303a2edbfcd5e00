//! A task, its steps and its children.

use async_graphql::{Context, ID, Object, Result};
use greenroom_kernel::{Cursor, SessionId, StepView, TaskRow};

use super::connection::{Rows, StepConnection, TaskConnection, TokenPage, page_size, unknown_cursor};
use super::enums::{Effect, StepKind, StepStatus, TaskStatus};
use super::reach::{Reach, int};
use super::response::{AgentResponse, TaskError, Usage};
use super::scalars::{DateTime, Json};

/// One unit of work for one agent.
pub(crate) struct Task(pub(super) TaskRow);

/// One unit of work for one agent.
#[Object]
impl Task {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The session it belongs to; of a task without one, its own journal.
    async fn session_id(&self) -> ID {
        ID(self.0.id.journal.to_string())
    }

    /// Who does it.
    async fn agent(&self) -> &str {
        self.0.agent.as_str()
    }

    /// Where it stands.
    async fn status(&self) -> TaskStatus {
        self.0.status.into()
    }

    /// What was asked.
    async fn input(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(Json(
            Reach::of(ctx)?.json(&self.0.id.journal, &self.0.input).await?,
        ))
    }

    /// The answer of a completed task.
    async fn response(&self) -> Option<AgentResponse> {
        AgentResponse::of(&self.0)
    }

    /// How it failed.
    async fn error(&self) -> Option<TaskError> {
        self.0.error.clone().map(TaskError::from)
    }

    /// Where it stands: a subscription from here misses nothing that follows.
    async fn cursor(&self) -> String {
        Cursor::behind(self.0.last).to_string()
    }

    /// When it was accepted.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it must be done.
    async fn deadline(&self) -> Option<DateTime> {
        self.0.deadline.map(DateTime)
    }

    /// Its steps, in order.
    async fn steps(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 unless told, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only steps behind this cursor.")] after: Option<String>,
    ) -> Result<StepConnection> {
        let size = usize::try_from(page_size("first", first)?).unwrap_or(usize::MAX);
        let after: Option<u32> = after
            .map(|cursor| cursor.parse())
            .transpose()
            .map_err(|_| unknown_cursor())?;
        let reach = Reach::of(ctx)?;
        let steps = reach.supervisor().steps(reach.who(), &self.0.id).await?;
        let mut behind: Vec<_> = steps
            .into_iter()
            .filter(|step| after.is_none_or(|after| step.number > after))
            .take(size.saturating_add(1))
            .collect();
        let more = behind.len() > size;
        behind.truncate(size);
        let journal = &self.0.id.journal;
        let rows = behind
            .into_iter()
            .map(|view| (view.number.to_string(), Step::new(journal.clone(), view)))
            .collect();
        Ok(Rows {
            rows,
            has_previous: after.is_some(),
            has_next: more,
        }
        .into())
    }

    /// The tasks it handed to other agents, newest first.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 unless told, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only tasks behind this cursor.")] after: Option<String>,
    ) -> Result<TaskConnection> {
        let page = TokenPage::new(first, after.as_deref())?;
        let reach = Reach::of(ctx)?;
        let rows = reach
            .supervisor()
            .children(reach.who(), &self.0.id, page.request())
            .await?;
        Ok(page.rows(rows, Task).into())
    }
}

/// One effect inside a task: a model call, a tool call, a call of another agent, a timer, an approval, a named
/// side effect.
pub(crate) struct Step {
    journal: SessionId,
    view: StepView,
}

impl Step {
    pub(super) fn new(journal: SessionId, view: StepView) -> Self {
        Self { journal, view }
    }
}

/// One effect inside a task: a model call, a tool call, a call of another agent, a timer, an approval, a named
/// side effect.
#[Object]
impl Step {
    /// Its number in the task, from 0: what `resolveTask` calls it by.
    async fn seq(&self) -> i32 {
        int(self.view.number)
    }

    /// The attempt that ran it.
    async fn attempt(&self) -> i32 {
        int(self.view.attempt)
    }

    /// What it does.
    async fn kind(&self) -> StepKind {
        self.view.kind.into()
    }

    /// The tool's, agent's, model's or effect's name.
    async fn name(&self) -> Option<&str> {
        self.view.name.as_deref()
    }

    /// What repeating it does.
    async fn effect(&self) -> Effect {
        self.view.effect.into()
    }

    /// Where it stands.
    async fn status(&self) -> StepStatus {
        self.view.status.into()
    }

    /// When it began.
    async fn started_at(&self) -> DateTime {
        DateTime(self.view.started_at)
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime> {
        self.view.finished_at.map(DateTime)
    }

    /// What it used.
    async fn usage(&self) -> Option<Usage> {
        self.view.usage.map(Usage::from)
    }

    /// How it failed.
    async fn error(&self) -> Option<TaskError> {
        self.view.error.clone().map(TaskError::from)
    }

    /// The approver's question.
    async fn prompt(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        match &self.view.prompt {
            Some(prompt) => Ok(Some(Json(Reach::of(ctx)?.json(&self.journal, prompt).await?))),
            None => Ok(None),
        }
    }
}
