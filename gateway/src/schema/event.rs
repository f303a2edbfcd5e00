//! One event of a conversation.

use async_graphql::{ID, Object};
use greenroom_kernel::{ChatEventBody, TaskId, TaskStatus};

use super::enums::ChatEventKind;
use super::message::ChatMessage;
use super::reach::int;
use super::response::TaskError;
use super::scalars::DateTime;
use super::task::{Step, Task};

/// One event of a conversation. All but `DELTA` and a `STEP` that only started are delivered exactly once.
pub(crate) struct ChatEvent(pub(super) greenroom_kernel::ChatEvent);

/// One event of a conversation. All but `DELTA` and a `STEP` that only started are delivered exactly once.
#[Object]
impl ChatEvent {
    /// A subscription from here continues behind this event.
    async fn cursor(&self) -> String {
        self.0.cursor.to_string()
    }

    /// The session; of a task without one, its own journal.
    async fn session_id(&self) -> ID {
        ID(self.0.session.to_string())
    }

    /// What it tells.
    async fn kind(&self) -> ChatEventKind {
        match &self.0.body {
            ChatEventBody::Message(_) => ChatEventKind::Message,
            ChatEventBody::Delta { .. } => ChatEventKind::Delta,
            ChatEventBody::Attempt { .. } => ChatEventKind::Attempt,
            ChatEventBody::Step { .. } => ChatEventKind::Step,
            ChatEventBody::Waiting { .. } => ChatEventKind::Waiting,
            ChatEventBody::Ended(task) => match task.status {
                TaskStatus::Completed => ChatEventKind::Completed,
                TaskStatus::Cancelled => ChatEventKind::Cancelled,
                _ => ChatEventKind::Failed,
            },
        }
    }

    /// The task it is about.
    async fn task_id(&self) -> Option<ID> {
        let id: TaskId = match &self.0.body {
            ChatEventBody::Message(message) => message.task(),
            ChatEventBody::Delta { task, .. }
            | ChatEventBody::Attempt { task, .. }
            | ChatEventBody::Step { task, .. } => task.clone(),
            ChatEventBody::Waiting { task, .. } | ChatEventBody::Ended(task) => task.id.clone(),
        };
        Some(ID(id.to_string()))
    }

    /// The attempt it is about.
    async fn attempt(&self) -> Option<i32> {
        match &self.0.body {
            ChatEventBody::Delta { attempt, .. } | ChatEventBody::Attempt { attempt, .. } => {
                Some(int(*attempt))
            }
            ChatEventBody::Step { step, .. } | ChatEventBody::Waiting { step, .. } => Some(int(step.attempt)),
            ChatEventBody::Ended(task) => Some(int(task.attempts)),
            ChatEventBody::Message(_) => None,
        }
    }

    /// Where `delta` begins in the attempt's text, in UTF-16 units: `text = text[..offset] + delta`.
    async fn offset(&self) -> Option<i32> {
        match &self.0.body {
            ChatEventBody::Delta { offset, .. } => Some(int(*offset)),
            _ => None,
        }
    }

    /// More text of the attempt.
    async fn delta(&self) -> Option<&str> {
        match &self.0.body {
            ChatEventBody::Delta { delta, .. } => Some(delta),
            _ => None,
        }
    }

    /// The message that was added.
    async fn message(&self) -> Option<ChatMessage> {
        match &self.0.body {
            ChatEventBody::Message(message) => Some(ChatMessage(message.clone())),
            _ => None,
        }
    }

    /// The task that waits or has ended.
    async fn task(&self) -> Option<Task> {
        match &self.0.body {
            ChatEventBody::Waiting { task, .. } | ChatEventBody::Ended(task) => Some(Task(task.clone())),
            _ => None,
        }
    }

    /// The step that changed.
    async fn step(&self) -> Option<Step> {
        match &self.0.body {
            ChatEventBody::Step { step, .. } | ChatEventBody::Waiting { step, .. } => {
                Some(Step::new(self.0.session.clone(), step.clone()))
            }
            _ => None,
        }
    }

    /// How the task or the step failed.
    async fn error(&self) -> Option<TaskError> {
        let failure = match &self.0.body {
            ChatEventBody::Step { step, .. } | ChatEventBody::Waiting { step, .. } => step.error.as_ref(),
            ChatEventBody::Ended(task) => task.error.as_ref(),
            _ => None,
        };
        failure.cloned().map(TaskError::from)
    }

    /// When.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }
}
