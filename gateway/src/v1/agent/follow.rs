//! A task's events as the events of a call.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{
    CallEvent, CallFailure, ChatEventBody, ErrorCode, EventStream, Failure, FinishReason, ModelAnswer,
    Payload, Principal, StepStatus, Supervisor, TaskId, TaskOutput, TaskRow, TaskStatus,
};
use serde::Deserialize;
use tokio_util::task::TaskTracker;

use super::shown::{Revised, Shown};

/// Cancels a task when its caller leaves it before it has ended.
pub(super) struct Leaving {
    supervisor: Arc<dyn Supervisor>,
    who: Arc<Principal>,
    task: TaskId,
    tasks: TaskTracker,
    is_over: bool,
}

impl Leaving {
    pub(super) fn new(
        supervisor: &Arc<dyn Supervisor>,
        who: Arc<Principal>,
        task: &TaskId,
        tasks: &TaskTracker,
    ) -> Self {
        Self {
            supervisor: Arc::clone(supervisor),
            who,
            task: task.clone(),
            tasks: tasks.clone(),
            is_over: false,
        }
    }

    /// The text of a payload of the task.
    async fn text(&self, payload: Option<Payload>) -> Result<Option<Arc<str>>, Failure> {
        match payload {
            None => Ok(None),
            Some(Payload::Inline(text)) => Ok(Some(text)),
            Some(Payload::Hollow) => Ok(Some("".into())),
            Some(payload) => {
                let text = self.supervisor.payload(&self.who, &self.task.journal, &payload);
                text.await.map(Some)
            }
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.is_over {
            return;
        }
        let (supervisor, who) = (Arc::clone(&self.supervisor), Arc::clone(&self.who));
        let task = self.task.clone();
        self.tasks.spawn_on(
            async move {
                if let Err(failure) = supervisor.cancel(&who, &task).await {
                    tracing::warn!(%task, %failure, "a caller left, and its task goes on");
                }
            },
            &runtime,
        );
    }
}

/// What is heard of a task.
pub(super) struct Follow {
    events: EventStream,
    leaving: Leaving,
    agent: String,
    /// What a caller who is shown words as they come has seen.
    shown: Option<Shown>,
    ready: VecDeque<Result<CallEvent, CallFailure>>,
}

impl Follow {
    /// Follows a task from before its beginning; `shows` says whether its words are told as they come.
    pub(super) fn new(events: EventStream, leaving: Leaving, agent: String, shows: bool) -> Self {
        Self {
            events,
            leaving,
            agent,
            shown: shows.then(Shown::default),
            ready: VecDeque::new(),
        }
    }

    /// Its words and its end. Dropping them before cancels the task.
    pub(super) fn words(self) -> BoxStream<'static, Result<CallEvent, CallFailure>> {
        stream::unfold(self, |mut follow| async { Some((follow.next().await?, follow)) }).boxed()
    }

    async fn next(&mut self) -> Option<Result<CallEvent, CallFailure>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.leaving.is_over {
                return None;
            }
            let heard = match self.events.next().await {
                Some(Ok(event)) => self.hear(event.body).await,
                Some(Err(failure)) => Err(failure),
                None => Err(Failure::unavailable("nothing more is heard of the task")),
            };
            if let Err(failure) = heard {
                self.ready.push_back(Err(failure.into()));
                // What can't be told to its caller is of no use, and is cancelled.
                return self.ready.pop_front();
            }
        }
    }

    async fn hear(&mut self, body: ChatEventBody) -> Result<(), Failure> {
        match body {
            ChatEventBody::Delta { offset, delta, .. } => {
                let told = self.shown.as_mut().map(|shown| shown.delta(offset, &delta));
                self.tell(told)
            }
            ChatEventBody::Attempt { .. } => {
                if let Some(shown) = &mut self.shown {
                    shown.restart();
                }
                Ok(())
            }
            ChatEventBody::Waiting { step, .. } if step.status == StepStatus::OutcomeUnknown => {
                // It rests with a person, who needs it as it is.
                self.leaving.is_over = true;
                let task = &self.leaving.task;
                let why = format!(
                    "whether an effect of task {task} happened is not known: a person must settle it"
                );
                Err(Failure::new(ErrorCode::OutcomeUnknown, why))
            }
            ChatEventBody::Ended(row) => {
                self.leaving.is_over = true;
                self.ended(row).await
            }
            ChatEventBody::Message(_) | ChatEventBody::Step { .. } | ChatEventBody::Waiting { .. } => Ok(()),
        }
    }

    fn tell(&mut self, told: Option<Result<Option<String>, Revised>>) -> Result<(), Failure> {
        let revised =
            "the agent began again and said something else than was shown: ask again, or without streaming";
        let told = told
            .transpose()
            .map_err(|Revised| Failure::new(ErrorCode::AgentFailed, revised))?;
        self.ready
            .extend(told.flatten().map(|text| Ok(CallEvent::Text(text))));
        Ok(())
    }

    async fn ended(&mut self, row: TaskRow) -> Result<(), Failure> {
        if row.status != TaskStatus::Completed {
            let how = || match row.status {
                TaskStatus::Cancelled => Failure::new(ErrorCode::Cancelled, "the task was cancelled"),
                _ => Failure::new(ErrorCode::AgentFailed, "the task failed"),
            };
            return Err(row.error.unwrap_or_else(how));
        }
        let output = row.output.unwrap_or(TaskOutput {
            content: None,
            data: None,
            provider: None,
            model: None,
        });
        let (content, data) = (
            self.leaving.text(output.content).await?,
            self.leaving.text(output.data).await?,
        );
        let finish = finish(data.as_deref());
        // An agent that has data alone says it as it is.
        let content = content.or(data).unwrap_or_default();
        let told = self.shown.as_mut().map(|shown| shown.whole(&content));
        self.tell(told)?;
        let answer = ModelAnswer {
            content: content.to_string(),
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            finish,
            usage: row.usage.unwrap_or_default(),
            provider: output.provider.unwrap_or_else(|| "greenroom".to_owned()),
            model: output.model.unwrap_or_else(|| self.agent.clone()),
        };
        self.ready.push_back(Ok(CallEvent::End(Box::new(answer))));
        Ok(())
    }
}

/// Why the answer ended, as agents say it in their data.
fn finish(data: Option<&str>) -> FinishReason {
    #[derive(Deserialize)]
    struct Data {
        finish: FinishReason,
    }
    let said = data.and_then(|data| serde_json::from_str::<Data>(data).ok());
    match said.map(|said| said.finish) {
        Some(cut @ (FinishReason::Length | FinishReason::ContentFilter)) => cut,
        _ => FinishReason::Stop,
    }
}
