//! What callers ask of an owner.

use crate::journal::action::{Action, NewTask, Reply, RequestId, StepResolution};
use crate::{Entry, ErrorCode, Failure, Message, Owner, Role, TaskEnd, Timestamp};

use super::QUEUE_BOUND;

impl Owner {
    /// Accepts a task, or finds the one that its idempotency key already made. Replied to when durable.
    pub fn accept(&mut self, now: Timestamp, request: RequestId, mut task: NewTask) {
        if self.journal.deleted {
            return self.reply(request, Err(Failure::not_found("session")));
        }
        if let Some(used) = self.journal.key_use(&task.accepted.key) {
            let reply = if used.input_hash == task.accepted.input_hash {
                Ok(self.task_reply(used.ordinal))
            } else {
                Err(Failure::new(
                    ErrorCode::Conflict,
                    "this idempotency key was used with other input: use a new key for a new call",
                ))
            };
            return self.reply(request, reply);
        }
        if self.journal.open.len() >= QUEUE_BOUND {
            let full = format!("{QUEUE_BOUND} tasks are open in this session: wait for one to end");
            let failure = Failure::new(ErrorCode::ResourceExhausted, full)
                .retry_after(std::time::Duration::from_secs(1));
            self.actions.push(Action::Reply {
                request,
                reply: Err(failure),
            });
            return;
        }
        let ordinal = self.journal.next_ordinal;
        task.accepted.ordinal = ordinal;
        let metadata = task.accepted.metadata.clone();
        self.stage(now, Entry::Accepted(Box::new(task.accepted)));
        if let Some(content) = task.message {
            let message = Message {
                task: ordinal,
                number: 0,
                role: Role::User,
                content,
                agent: None,
                usage: None,
                metadata,
            };
            self.stage(now, Entry::Message(message));
        }
        let reply = self.task_reply(ordinal);
        self.reply(request, Ok(reply));
        self.schedule(now);
    }

    /// Ends a task as cancelled; one that ended stays as it is.
    pub fn cancel(&mut self, now: Timestamp, request: RequestId, ordinal: u32) {
        if self.journal.open.contains_key(&ordinal) {
            self.end(now, ordinal, TaskEnd::Cancelled);
        }
        self.reply_task(request, ordinal);
        self.schedule(now);
    }

    /// Ends a task as failed, by an operator's hand.
    pub fn kill(&mut self, now: Timestamp, request: RequestId, ordinal: u32, why: Failure) {
        if self.journal.open.contains_key(&ordinal) {
            self.end(now, ordinal, TaskEnd::Failed(why));
        }
        self.reply_task(request, ordinal);
        self.schedule(now);
    }

    /// Changes the session's title.
    pub fn retitle(&mut self, now: Timestamp, request: RequestId, title: Option<String>) {
        if self.journal.deleted {
            return self.reply(request, Err(Failure::not_found("session")));
        }
        self.stage(now, Entry::Retitled { title });
        self.show_session(request);
    }

    /// Replies with the session as it stands, when that is durable.
    pub fn show_session(&mut self, request: RequestId) {
        let row = self.journal.session_row().filter(|row| !row.deleted);
        let reply = row
            .map(|row| Reply::Session(Box::new(row)))
            .ok_or_else(|| Failure::not_found("session"));
        self.reply(request, reply);
    }

    /// Deletes the session: open tasks end as cancelled, and every later accept is refused.
    pub fn delete(&mut self, now: Timestamp, request: RequestId) {
        if self.journal.deleted {
            return self.reply(request, Err(Failure::not_found("session")));
        }
        let open: Vec<u32> = self.journal.open.keys().copied().collect();
        for ordinal in open {
            self.end(now, ordinal, TaskEnd::Cancelled);
        }
        self.stage(now, Entry::Deleted);
        self.reply(request, Ok(Reply::Deleted));
    }

    /// Answers a waiting approval or settles an unknown outcome. The same answer again changes nothing; another
    /// one is CONFLICT. A task that ended is replied to as it stands: [`crate::OpenTask::was_answered`] compares.
    pub fn resolve(&mut self, now: Timestamp, request: RequestId, answer: StepResolution) {
        let ordinal = answer.task;
        let verdict = match self
            .journal
            .open
            .get(&ordinal)
            .map(|task| task.step(answer.number))
        {
            None => Ok(None),
            Some(None) => Err(Failure::new(ErrorCode::NotFound, "this task has no such step")),
            Some(Some(step)) => step.answer(answer.attempt, &answer.action),
        };
        match verdict {
            Err(failure) => self.reply(request, Err(failure)),
            Ok(resolved) => {
                if let Some(resolution) = resolved {
                    let (by, note) = (Some(answer.by), answer.note);
                    self.stage(
                        now,
                        Entry::Resolved {
                            task: ordinal,
                            number: answer.number,
                            resolution,
                            by,
                            note,
                        },
                    );
                }
                self.reply_task(request, ordinal);
                self.schedule(now);
            }
        }
    }

    fn reply_task(&mut self, request: RequestId, ordinal: u32) {
        let reply = if ordinal < self.journal.next_ordinal {
            Ok(self.task_reply(ordinal))
        } else {
            Err(Failure::not_found("task"))
        };
        self.reply(request, reply);
    }

    fn task_reply(&self, ordinal: u32) -> Reply {
        match self.row(ordinal) {
            Some(row) => Reply::Task(Box::new(row)),
            None => Reply::Ended(self.journal.task_id(ordinal)),
        }
    }
}
