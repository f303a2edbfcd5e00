//! A supervisor in memory that does as the agent's name says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use greenroom_kernel::*;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::fake_rows as rows;

/// What is known of one journal.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) session: Option<SessionRow>,
    pub(crate) tasks: Vec<TaskRow>,
    pub(crate) messages: Vec<MessageRow>,
    pub(crate) events: Vec<ChatEvent>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) journals: BTreeMap<(String, SessionId), Journal>,
    pub(crate) keys: HashMap<(SessionId, IdempotencyKey), TaskId>,
    pub(crate) made: i64,
}

/// One call of `resolve`.
pub(crate) type Resolved = (TaskId, u32, Option<u32>, ResolveAction, Option<String>);

pub(crate) struct Fake {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) changed: watch::Sender<u64>,
    /// Agent `slow` waits for a permit of it.
    pub(crate) release: Semaphore,
    /// Calls of `accept`.
    pub(crate) accepted: Mutex<Vec<(Principal, AcceptRequest)>>,
    /// Calls of `aggregate`.
    pub(crate) aggregated: Mutex<Vec<AggregateRequest>>,
    /// Calls of `resolve`.
    pub(crate) resolved: Mutex<Vec<Resolved>>,
    /// Turns that ran to their end.
    pub(crate) finished: watch::Sender<usize>,
    /// Calls of `steps`, `messages` and `payload`.
    pub(crate) lazy_calls: AtomicUsize,
    /// Event streams that were dropped.
    pub(crate) dropped_streams: watch::Sender<usize>,
    /// Events that were pulled from endless streams.
    pub(crate) pulled: Arc<AtomicU64>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Arc::default(),
            changed: watch::Sender::new(0),
            release: Semaphore::new(0),
            accepted: Mutex::default(),
            aggregated: Mutex::default(),
            resolved: Mutex::default(),
            finished: watch::Sender::new(0),
            lazy_calls: AtomicUsize::new(0),
            dropped_streams: watch::Sender::new(0),
            pulled: Arc::default(),
        })
    }

    pub(crate) fn with<T>(
        &self,
        who: &Principal,
        id: &SessionId,
        f: impl FnOnce(&mut Journal) -> T,
    ) -> Option<T> {
        let mut state = self.state.lock();
        let key = (who.tenant.to_string(), id.clone());
        state.journals.get_mut(&key).map(f)
    }

    pub(crate) fn session_row(&self, who: &Principal, id: &SessionId) -> Option<SessionRow> {
        self.with(who, id, |journal| journal.session.clone())?
    }

    pub(crate) fn task_row(&self, who: &Principal, id: &TaskId) -> Option<TaskRow> {
        self.with(who, &id.journal, |journal| {
            journal.tasks.iter().find(|task| task.id == *id).cloned()
        })?
    }

    /// Adds an event at the journal's end and wakes subscribers.
    pub(crate) fn push(&self, who: &Principal, id: &SessionId, body: ChatEventBody) {
        self.with(who, id, |journal| push(journal, id, body));
        self.changed.send_modify(|n| *n += 1);
    }

    /// Reads single events, for a stream that outlives the call.
    pub(crate) fn snapshots(
        &self,
        key: (String, SessionId),
    ) -> impl Fn(usize) -> Option<ChatEvent> + Send + 'static {
        let state = Arc::clone(&self.state);
        move |at| state.lock().journals.get(&key)?.events.get(at).cloned()
    }

    pub(crate) fn set_task(&self, who: &Principal, task: &TaskRow) {
        self.with(who, &task.id.journal, |journal| {
            for known in &mut journal.tasks {
                if known.id == task.id {
                    *known = task.clone();
                }
            }
        });
    }

    /// The turn of a chat: a message, text in two deltas, a step, an answer, the end.
    pub(crate) async fn run(&self, who: &Principal, mut task: TaskRow, said: &str) -> TaskRow {
        let id = task.id.journal.clone();
        if task.agent.as_str() == "slow" {
            self.release.acquire().await.unwrap().forget();
        }
        if task.agent.as_str() == "fails" {
            task.status = TaskStatus::Failed;
            task.error =
                Some(Failure::new(ErrorCode::AgentFailed, "it broke").retry_after(Duration::from_secs(2)));
        } else {
            for (offset, delta) in [(0, "echo: "), (6, said)] {
                let body = ChatEventBody::Delta {
                    task: task.id.clone(),
                    attempt: 1,
                    offset,
                    delta: delta.into(),
                };
                self.push(who, &id, body);
            }
            self.push(
                who,
                &id,
                ChatEventBody::Step {
                    task: task.id.clone(),
                    step: rows::step(0),
                },
            );
            let answer = format!("echo: {said}");
            let content = if said == "large" {
                Payload::Blob {
                    id: BlobId::of(&answer),
                    bytes: answer.len() as u64,
                }
            } else {
                Payload::inline(answer.as_str())
            };
            task = rows::completed(task, content, r#"{"said":true}"#);
            if task.turn {
                let at = self.with(who, &id, |journal| end(journal)).unwrap();
                let answer = rows::message(&task.id, 1, Role::Assistant, &answer, at);
                self.with(who, &id, |journal| journal.messages.push(answer.clone()));
                self.push(who, &id, ChatEventBody::Message(answer));
            }
        }
        task.last = self.with(who, &id, |journal| end(journal)).unwrap();
        self.set_task(who, &task);
        self.push(who, &id, ChatEventBody::Ended(task.clone()));
        self.finished.send_modify(|n| *n += 1);
        task
    }

    pub(crate) fn begin(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        agent: &AgentName,
    ) -> Result<(TaskRow, bool), Failure> {
        let mut state = self.state.lock();
        let is_chat = matches!(request.call, AcceptCall::Chat { .. });
        let journal_id = match &request.session {
            Some(id) => id.clone(),
            None if is_chat => SessionId::derived(&who.tenant, &who.subject, "chat", &request.key),
            None => SessionId::derived(&who.tenant, &who.subject, "task", &request.key),
        };
        let journal_id = match is_chat && request.session.is_none() {
            true => SessionId::parse(&journal_id.as_str().replace("t-", "s-")).unwrap(),
            false => journal_id,
        };
        if let Some(known) = state.keys.get(&(journal_id.clone(), request.key.clone())) {
            let (journal, id) = (journal_id.clone(), known.clone());
            let key = (who.tenant.to_string(), journal);
            let task = state.journals[&key]
                .tasks
                .iter()
                .find(|task| task.id == id)
                .unwrap()
                .clone();
            return Ok((task, false));
        }
        let key = (who.tenant.to_string(), journal_id.clone());
        if request.session.is_some() && state.journals.get(&key).is_none_or(|j| j.session.is_none()) {
            return Err(Failure::not_found("session"));
        }
        state.made += 1;
        let made = state.made;
        let journal = state.journals.entry(key).or_default();
        if is_chat && journal.session.is_none() {
            journal.session = Some(rows::session(&journal_id, &who.subject, None, made));
        }
        let ordinal = u32::try_from(journal.tasks.len()).unwrap();
        let id = TaskId {
            journal: journal_id.clone(),
            ordinal,
        };
        let input = match &request.call {
            AcceptCall::Chat { content, .. } => serde_json::json!({ "content": content }).to_string(),
            AcceptCall::Task { input, .. } => input.clone(),
        };
        let task = rows::task(id.clone(), &who.subject, agent, &input, end(journal));
        journal.tasks.push(task.clone());
        if let AcceptCall::Chat {
            content, metadata, ..
        } = &request.call
        {
            let mut said = rows::message(&id, 0, Role::User, content, end(journal));
            said.message.metadata = metadata.clone();
            journal.messages.push(said.clone());
            push(journal, &journal_id, ChatEventBody::Message(said));
        }
        state.keys.insert((journal_id, request.key.clone()), id);
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        Ok((task, true))
    }
}

pub(crate) fn end(journal: &Journal) -> Position {
    Position {
        seq: journal.events.len() as u64,
        index: 0,
    }
}

pub(crate) fn push(journal: &mut Journal, id: &SessionId, body: ChatEventBody) {
    let at = end(journal);
    journal.events.push(ChatEvent {
        cursor: Cursor::behind(at),
        session: id.clone(),
        at: rows::T0,
        body,
    });
    if let Some(session) = &mut journal.session {
        session.last = at;
    }
}

pub(crate) fn page<T>(all: Vec<T>, page: &PageRequest) -> Result<Page<T>, Failure> {
    let from: usize = match &page.after {
        Some(token) => token.parse().map_err(|_| Failure::bad_input("unknown cursor"))?,
        None => 0,
    };
    let to = from.saturating_add(page.limit as usize);
    let next = (to < all.len()).then(|| to.to_string());
    Ok(Page {
        rows: all.into_iter().skip(from).take(page.limit as usize).collect(),
        next,
    })
}

/// Counts its own end.
pub(crate) struct OnDrop(pub(crate) watch::Sender<usize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n += 1);
    }
}

pub(crate) fn task_of(event: &ChatEvent) -> TaskId {
    match &event.body {
        ChatEventBody::Message(row) => row.task(),
        ChatEventBody::Delta { task, .. }
        | ChatEventBody::Attempt { task, .. }
        | ChatEventBody::Step { task, .. } => task.clone(),
        ChatEventBody::Waiting { task, .. } | ChatEventBody::Ended(task) => task.id.clone(),
    }
}
