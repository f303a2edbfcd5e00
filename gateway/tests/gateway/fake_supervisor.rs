//! The port of the supervisor in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use greenroom_kernel::*;

use crate::fake::{Fake, OnDrop, page, task_of};
use crate::fake_rows as rows;

#[async_trait]
impl Supervisor for Fake {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let mut state = self.state.lock();
        state.made += 1;
        let n = state.made;
        let id = id.unwrap_or_else(|| SessionId::parse(&format!("made-{n}")).unwrap());
        let journal = state
            .journals
            .entry((who.tenant.to_string(), id.clone()))
            .or_default();
        if journal.session.is_some() {
            return Err(Failure::new(ErrorCode::Conflict, "the session id is taken"));
        }
        let row = rows::session(&id, &who.subject, title, n);
        journal.session = Some(row.clone());
        Ok(row)
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let row = self.with(who, id, |journal| {
            let session = journal.session.as_mut()?;
            session.title = title;
            Some(session.clone())
        });
        row.flatten().ok_or_else(|| Failure::not_found("session"))
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        let gone = self.with(who, id, |journal| journal.session.take());
        gone.flatten()
            .map(drop)
            .ok_or_else(|| Failure::not_found("session"))
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        assert_ne!(id.as_str(), "panic", "asked to");
        if id.as_str() == "down" {
            return Err(Failure::unavailable("the store is away"));
        }
        Ok(self.session_row(who, id))
    }

    async fn sessions(
        &self,
        _who: &Principal,
        query: SessionQuery,
        request: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        let state = self.state.lock();
        let mut all: Vec<_> = state
            .journals
            .values()
            .filter_map(|journal| journal.session.clone())
            .collect();
        drop(state);
        all.retain(|row| {
            query
                .subject
                .as_ref()
                .is_none_or(|subject| row.subject == *subject)
                && query.created_after.is_none_or(|at| row.created_at >= at)
                && query.created_before.is_none_or(|at| row.created_at < at)
                && query
                    .title
                    .as_ref()
                    .is_none_or(|t| row.title.as_ref().is_some_and(|title| title.contains(t)))
        });
        all.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        page(all, &request)
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        self.lazy_calls.fetch_add(1, Ordering::Relaxed);
        let all = self
            .with(who, id, |journal| journal.messages.clone())
            .unwrap_or_default();
        let limit = limit as usize;
        Ok(match range {
            MessageRange::After(at) => all
                .into_iter()
                .filter(|row| at.is_none_or(|at| row.position > at))
                .take(limit)
                .collect(),
            MessageRange::Before(at) => {
                let before: Vec<_> = all
                    .into_iter()
                    .filter(|row| at.is_none_or(|at| row.position < at))
                    .collect();
                before[before.len().saturating_sub(limit)..].to_vec()
            }
        })
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        let (agent, said) = match &request.call {
            AcceptCall::Chat { agent, content, .. } => (
                agent
                    .clone()
                    .unwrap_or_else(|| AgentName::parse("assistant").unwrap()),
                content.clone(),
            ),
            AcceptCall::Task { agent, input } => (agent.clone(), input.clone()),
        };
        let calls = {
            let mut accepted = self.accepted.lock();
            accepted.push((who.clone(), request.clone()));
            accepted
                .iter()
                .filter(|(_, earlier)| earlier.key == request.key)
                .count()
        };
        match agent.as_str() {
            "nobody" => return Err(Failure::not_found("agent")),
            "exhausted" => {
                let failure = Failure::new(ErrorCode::ResourceExhausted, "no permit");
                return Err(failure.retry_after(Duration::from_millis(1_500)));
            }
            "away" => return Err(Failure::unavailable("no answer")),
            "flaky" if calls == 1 => return Err(Failure::unavailable("no answer")),
            "closed" => {
                return Err(Failure::new(
                    ErrorCode::Unavailable,
                    "no model: set OPENAI_API_KEY",
                ));
            }
            "panics" => panic!("asked to"),
            _ => {}
        }
        let (task, is_new) = self.begin(who, &request, &agent)?;
        let cursor = Cursor::before(task.first);
        let task = if is_new && request.wait > Duration::ZERO {
            self.run(who, task, &said).await
        } else {
            task
        };
        Ok(AcceptedTask {
            session: self.session_row(who, &task.id.journal),
            message: self
                .with(who, &task.id.journal, |journal| {
                    journal
                        .messages
                        .iter()
                        .find(|row| row.message.task == task.id.ordinal)
                        .cloned()
                })
                .flatten(),
            task,
            cursor,
        })
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        Ok(self.task_row(who, id))
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        request: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        if let Some(id) = &journal
            && self.with(who, id, |_| ()).is_none()
        {
            return Err(Failure::not_found("session"));
        }
        let state = self.state.lock();
        let all = state
            .journals
            .values()
            .flat_map(|journal| journal.tasks.iter().rev().cloned());
        let all = all
            .filter(|row| journal.as_ref().is_none_or(|id| row.id.journal == *id))
            .filter(|row| status.is_none_or(|status| row.status == status));
        let all = all.collect();
        drop(state);
        page(all, &request)
    }

    async fn steps(&self, _who: &Principal, _id: &TaskId) -> Result<Vec<StepView>, Failure> {
        self.lazy_calls.fetch_add(1, Ordering::Relaxed);
        Ok((0..3).map(rows::step).collect())
    }

    async fn children(
        &self,
        _who: &Principal,
        id: &TaskId,
        request: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        let agent = AgentName::parse("echo").unwrap();
        let subject = Subject::parse("dev").unwrap();
        let child = |n: u32| {
            let id = TaskId {
                journal: id.journal.clone(),
                ordinal: 100 + n,
            };
            rows::task(id, &subject, &agent, "{}", Position::default())
        };
        page((0..3).map(child).collect(), &request)
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let mut task = self.task_row(who, id).ok_or_else(|| Failure::not_found("task"))?;
        if !task.status.is_terminal() {
            task.status = TaskStatus::Cancelled;
            self.set_task(who, &task);
            self.push(who, &id.journal, ChatEventBody::Ended(task.clone()));
        }
        Ok(task)
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let task = self.task_row(who, id).ok_or_else(|| Failure::not_found("task"))?;
        match task.status.is_terminal() {
            true => Ok(task),
            false => Err(Failure::new(ErrorCode::Conflict, "the task has not ended")),
        }
    }

    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        attempt: Option<u32>,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        let answer = (id.clone(), step, attempt, action, note);
        self.resolved.lock().push(answer);
        self.task_row(who, id).ok_or_else(|| Failure::not_found("task"))
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        self.aggregated.lock().push(request.clone());
        let part = |(ordinal, (agent, input)): (u32, &(AgentName, Option<String>))| {
            let journal = SessionId::derived(&who.tenant, &who.subject, "aggregate", &request.key);
            let input = input.as_deref().unwrap_or(&request.input);
            let task = rows::task(
                TaskId { journal, ordinal },
                &who.subject,
                agent,
                input,
                Position::default(),
            );
            if agent.as_str() == "fails" {
                let error = Some(Failure::new(ErrorCode::AgentFailed, "it broke"));
                TaskRow {
                    status: TaskStatus::Failed,
                    error,
                    ..task
                }
            } else {
                rows::completed(task, Payload::inline("part"), "1")
            }
        };
        let parts: Vec<_> = (0..).zip(&request.targets).map(part).collect();
        Ok(Aggregate {
            complete: parts.iter().all(|part| part.status == TaskStatus::Completed),
            synthesis: request.synthesize.then(|| parts[0].clone()),
            parts,
        })
    }

    async fn payload(
        &self,
        _who: &Principal,
        _journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        self.lazy_calls.fetch_add(1, Ordering::Relaxed);
        match payload {
            Payload::Blob { .. } => Ok(rows::text("from the store")),
            _ => Err(Failure::internal("asked for what is not stored apart")),
        }
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        let (id, only) = match scope {
            EventScope::Session(id) => (id, None),
            EventScope::Task(task) => (task.journal.clone(), Some(task)),
        };
        let Some(end) = self.with(who, &id, |journal| journal.events.len()) else {
            return Err(Failure::not_found("session"));
        };
        let guard = OnDrop(self.dropped_streams.clone());
        if id.as_str() == "endless" {
            let event = self.with(who, &id, |journal| journal.events[0].clone()).unwrap();
            let pulled = Arc::clone(&self.pulled);
            return Ok(stream::repeat_with(move || {
                let _alive = &guard;
                pulled.fetch_add(1, Ordering::Relaxed);
                Ok(event.clone())
            })
            .boxed());
        }
        let from = match after {
            None => end,
            Some(cursor) if cursor.attempt == 9 => return Err(Failure::bad_input("unknown cursor")),
            Some(cursor) => {
                usize::try_from(cursor.position.seq).unwrap() + usize::from(cursor.position.index > 0)
            }
        };
        let key = (who.tenant.to_string(), id.clone());
        let (events, changed) = (self.snapshots(key), self.changed.subscribe());
        let all = stream::unfold(
            (from, changed, events, guard),
            async |(at, mut changed, events, guard)| {
                loop {
                    changed.mark_unchanged();
                    if let Some(event) = events(at) {
                        return Some((Ok(event), (at + 1, changed, events, guard)));
                    }
                    changed.changed().await.ok()?;
                }
            },
        );
        let ends = id.as_str() == "breaks";
        let all = all.filter(move |event| {
            let fits = match (event, &only) {
                (Ok(event), Some(only)) => task_of(event) == *only,
                _ => true,
            };
            std::future::ready(fits)
        });
        if ends {
            let broken = stream::once(async { Err(Failure::unavailable("the owner is gone")) });
            return Ok(all.take(1).chain(broken).boxed());
        }
        Ok(all.boxed())
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        Ok((name.as_str() == "echo").then(|| rows::agent("echo")))
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        Ok(vec![rows::agent("assistant"), rows::agent("echo")])
    }

    async fn agent_history(
        &self,
        query: HistoryQuery,
        request: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure> {
        let mut records = match query.agent.as_str() {
            "echo" => rows::records(),
            _ => Vec::new(),
        };
        records.retain(|record| record.span.until() >= query.from && record.span.since() < query.to);
        if let Some(after) = &request.after {
            let after: RecordPlace = after.parse().map_err(|_| Failure::bad_input("unknown cursor"))?;
            records.retain(|record| record.place() < after);
        }
        let more = records.len() > request.limit as usize;
        records.truncate(request.limit as usize);
        let next = records
            .last()
            .filter(|_| more)
            .map(|last| last.place().to_string());
        Ok(Page { rows: records, next })
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        let name = name.map_or("echo".to_owned(), |name| name.to_string());
        if name != "echo" {
            return Err(Failure::not_found("agent"));
        }
        Ok(stream::iter([rows::agent("echo"), rows::agent("echo")]).boxed())
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        Ok(vec![rows::provider()])
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        Ok(vec![rows::tree()])
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        Ok(stream::iter(0..3).map(rows::supervision).boxed())
    }
}
