//! Accepting: what a call becomes, and how its task stands when the caller's wait is over.

use std::time::Duration;

use greenroom_kernel::{
    AcceptCall, AcceptRequest, Accepted, AcceptedTask, Cursor, ErrorCode, Failure, InputHash, JournalKey,
    JournalKind, MessageRange, NewTask, Opened, Payload, Position, Principal, SessionId, TaskId, TaskRow,
};
use tokio::sync::oneshot;

use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::payloads::{patiently, stash_input};
use crate::room::Rest;
use crate::steps;

use super::Orchestrator;
use super::canonical::canonical;

/// A call, made ready for its journal's owner.
struct Prepared {
    key: JournalKey,
    task: NewTask,
    open: Option<Opened>,
    fresh: bool,
    refused: Option<Failure>,
}

/// An accepted call, and how its end is heard of.
pub(crate) struct Begun {
    key: JournalKey,
    is_turn: bool,
    row: TaskRow,
    rest: Rest,
    deadline: tokio::time::Instant,
}

impl Begun {
    /// The task as it was accepted, or as it stands when it was accepted before.
    pub(crate) fn row(&self) -> &TaskRow {
        &self.row
    }
}

/// Of a call that was accepted: what fails then must not look like a refusal.
pub(crate) fn not_refused(failure: Failure) -> Failure {
    match failure.code {
        ErrorCode::ResourceExhausted => Failure::unavailable(failure.message),
        _ => failure,
    }
}

impl Orchestrator {
    /// What the call accepts, and in which journal.
    async fn new_task(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        refused: Option<Failure>,
    ) -> Result<Prepared, Failure> {
        let config = &self.shared.config;
        let (agent, input, turn, message, model, metadata) = match &request.call {
            AcceptCall::Chat {
                content,
                agent,
                model,
                metadata,
            } => {
                let agent = agent.clone().unwrap_or_else(|| config.default_agent.clone());
                let input = serde_json::json!({ "content": content }).to_string();
                (
                    agent,
                    input,
                    true,
                    Some(content.clone()),
                    model.clone(),
                    metadata.clone(),
                )
            }
            AcceptCall::Task { agent, input } => (agent.clone(), input.clone(), false, None, None, None),
        };
        // The key comes first: what it made is found, whatever has become of the agent's card since.
        let refused = match refused {
            None => {
                let admits = self.shared.agents.admits(&agent, &input, config.instance_wait());
                admits.await.err()
            }
            refused => refused,
        };
        let hash_model = model.as_deref().unwrap_or("");
        // The order of its members is the caller's, and says nothing.
        let hash_metadata = metadata.clone().map(|mut metadata| {
            metadata.sort_all_objects();
            metadata.to_string()
        });
        let hash_metadata = hash_metadata.unwrap_or_default();
        let minted = request.key.is_minted();
        // Only who gives a key himself may give it with the same input in another order.
        let same = match turn || minted {
            true => None,
            false => canonical(&input).await,
        };
        let hash_input = same.as_deref().unwrap_or(&input);
        let input_hash = InputHash::of(&[agent.as_str(), hash_input, hash_model, &hash_metadata]);
        let key = request.journal(who);
        let (open, fresh) = match &request.session {
            Some(session) => {
                self.own_session(who, session).await?;
                (None, false)
            }
            None => {
                let kind = if turn {
                    JournalKind::Session
                } else {
                    JournalKind::Task
                };
                let opened = Opened {
                    kind,
                    subject: who.subject.clone(),
                    title: None,
                    metadata: None,
                    call: None,
                };
                (Some(opened), minted)
            }
        };
        let keep = async |text: String| match &refused {
            None => stash_input(&*self.shared.store, &key, text).await,
            Some(_) => Ok(Payload::inline(text)),
        };
        let input = keep(input).await?;
        let message = match message {
            Some(content) => Some(keep(content).await?),
            None => None,
        };
        let deadline = request.timeout.map(|timeout| self.shared.now().after(timeout));
        let accepted = Accepted {
            ordinal: 0,
            agent,
            input,
            turn,
            key: request.key.clone(),
            input_hash,
            deadline,
            limits: config.limits,
            model,
            metadata,
            parent: None,
            retries: None,
            subject: who.subject.clone(),
            trace: request.trace.clone(),
        };
        Ok(Prepared {
            key,
            task: NewTask { accepted, message },
            open,
            fresh,
            refused,
        })
    }

    /// Accepts a call, durably, and waits for nothing else.
    pub(crate) async fn begin(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        way: Way,
    ) -> Result<Begun, Failure> {
        self.find_or_begin(who, request, way, None).await
    }

    /// Finds what a call's key made before, and else answers that the call is `refused`.
    pub(crate) async fn find(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        way: Way,
        refused: Failure,
    ) -> Result<(), Failure> {
        let found = self.find_or_begin(who, request, way, Some(refused)).await;
        found.map(drop)
    }

    async fn find_or_begin(
        &self,
        who: &Principal,
        request: &AcceptRequest,
        way: Way,
        refused: Option<Failure>,
    ) -> Result<Begun, Failure> {
        if self.shared.fleet.is_some() {
            // Before anything is kept for it: it may not be for here.
            self.shared
                .journals
                .admits(&self.shared, &request.journal(who), way)?;
        }
        // Before anything is done for it. What is refused anyway takes no place.
        let (place, refused) = match refused {
            Some(refused) => (None, Some(refused)),
            None => match self.shared.room.take() {
                Ok(place) => (Some(place), None),
                // It may be repeated: what it made is found, and nothing new is begun.
                Err(full) if !request.key.is_minted() => (None, Some(full)),
                Err(full) => return Err(full),
            },
        };
        let Prepared {
            key,
            task,
            open,
            fresh,
            refused,
        } = self.new_task(who, request, refused).await?;
        let (is_turn, input_hash) = (task.accepted.turn, task.accepted.input_hash);
        let (done, ended) = oneshot::channel();
        let (tasks, stopping) = (self.shared.tasks.clone(), self.shared.stopping.clone());
        let rest = Rest::new(ended, place, tasks, stopping);
        let operation = Operation::Accept {
            task: Box::new(task),
            open,
            fresh,
            refused,
        };
        let deadline = tokio::time::Instant::now() + request.wait;
        let asked = self
            .shared
            .journals
            .ask(&self.shared, &key, way, operation, Some(done));
        let row = match asked.await {
            Ok(reply) => self.task_of(who, reply).await.map_err(not_refused)?,
            Err(failure) if way == Way::Inside && failure.elsewhere.is_some() => {
                self.runs_elsewhere(who, &key, input_hash, failure).await?
            }
            Err(failure) => return Err(failure),
        };
        Ok(Begun {
            key,
            is_turn,
            row,
            rest,
            deadline,
        })
    }

    /// The task that a call without a session made before, which another process has.
    async fn runs_elsewhere(
        &self,
        who: &Principal,
        key: &JournalKey,
        input_hash: InputHash,
        failure: Failure,
    ) -> Result<TaskRow, Failure> {
        let id = TaskId {
            journal: key.journal.clone(),
            ordinal: 0,
        };
        let Some(row) = self.visible_task(who, &id).await? else {
            return Err(failure);
        };
        let task = steps::replay(&*self.shared.store, key, &row).await?;
        match task.is_some_and(|task| task.accepted.input_hash == input_hash) {
            true => Ok(row),
            // Its owner says what is wrong with it.
            false => Err(failure),
        }
    }

    /// An accepted call as it stands when its wait is over.
    pub(crate) async fn finish(&self, who: &Principal, begun: Begun) -> Result<AcceptedTask, Failure> {
        self.outcome(who, begun).await.map_err(not_refused)
    }

    async fn outcome(&self, who: &Principal, begun: Begun) -> Result<AcceptedTask, Failure> {
        let Begun {
            key,
            is_turn,
            mut row,
            mut rest,
            deadline,
        } = begun;
        if tokio::time::Instant::now() < deadline && row.status.needs_owner() {
            match rest.until(deadline).await {
                Ok(Some(last)) => row = last,
                // The owner was lost, or the wait is over: the task as it stands.
                Ok(None) => row = self.as_stands_at(who, row, deadline).await?,
                Err(_) => row = patiently(|| self.own_task(who, &row.id)).await?,
            }
        }
        let (mut session, mut message) = (None, None);
        if is_turn {
            session = patiently(|| self.visible_session(who, &key.journal)).await?;
            let before = row.first.index.checked_sub(1);
            let before = before.map_or(row.first, |index| Position { index, ..row.first });
            let said = patiently(|| async {
                let range = MessageRange::After(Some(before));
                let said = self.shared.store.messages(&key, range, 1).await;
                said.map_err(|error| Failure::from(&error))
            });
            message = said.await?.into_iter().next();
        }
        Ok(AcceptedTask {
            cursor: Cursor::before(row.first),
            task: row,
            session,
            message,
        })
    }

    /// Whoever waits at a process that leaves is sent on when it has let go of the journal: by its key the caller finds
    /// its task elsewhere, and the process need not stay for it.
    fn sends_on(&self, who: &Principal, journal: &SessionId) -> Result<(), Failure> {
        let key = self.key(who, journal);
        match &self.shared.fleet {
            Some(fleet) if fleet.is_leaving() && !self.shared.journals.is_live(&key) => fleet.shows(&key),
            Some(_) | None => Ok(()),
        }
    }

    /// Follows a task whose owner was lost until it rests or the time is over.
    pub(super) async fn as_stands_at(
        &self,
        who: &Principal,
        row: TaskRow,
        deadline: tokio::time::Instant,
    ) -> Result<TaskRow, Failure> {
        let hub = self.shared.journals.hub(&self.key(who, &row.id.journal));
        let mut changes = hub.subscribe();
        loop {
            changes.borrow_and_update();
            let row = self.own_task(who, &row.id).await?;
            let look_again = tokio::time::Instant::now() + Duration::from_millis(500);
            let over = tokio::time::Instant::now() >= deadline || self.shared.stopping.is_cancelled();
            if !row.status.needs_owner() || over {
                return Ok(row);
            }
            self.sends_on(who, &row.id.journal)?;
            tokio::select! {
                () = self.shared.stopping.cancelled() => {}
                _ = tokio::time::timeout_at(look_again.min(deadline), changes.changed()) => {}
            }
        }
    }
}
