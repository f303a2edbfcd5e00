//! What callers ask of a journal's actor, and the way into an owner's hands.

use std::sync::Arc;

use greenroom_kernel::{
    ErrorCode, Failure, NewTask, Opened, Owner, Reply, RequestId, StepResolution, TaskRow,
};
use greenroom_supervision::{Admission, Context};
use tokio::sync::oneshot;

use super::{JournalActor, Message, Phase};
use crate::membership::Way;
use crate::steps::Loaded;

/// One question, with where its answer goes.
pub(crate) struct Command {
    pub(crate) operation: Operation,
    pub(crate) answer: oneshot::Sender<Result<Reply, Failure>>,
    /// Where the task's row goes once it needs no owner any more.
    pub(crate) done: Option<oneshot::Sender<TaskRow>>,
    /// Its place in the mailbox, kept while it waits for the journal: what waits is bounded too.
    pub(crate) admission: Option<Admission>,
}

/// What can be asked. Each may be given twice: to the owner that was lost, and to the next.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Opens a session that must not exist yet, unless it was this very call that opened it.
    Open { opened: Opened },
    /// Accepts a task; `open` is how the journal begins if it doesn't exist, and `fresh` says that it can't. Of one
    /// that is `refused` only what its key made before is found.
    Accept {
        task: Box<NewTask>,
        open: Option<Opened>,
        fresh: bool,
        refused: Option<Failure>,
    },
    /// Ends a task.
    Cancel { task: u32 },
    /// Ends a task as failed, by an operator's hand.
    Kill { task: u32, why: Failure },
    /// Answers a step.
    Resolve(Box<StepResolution>),
    /// Accepts a copy of an ended task.
    Retry { task: u32, copy: Box<NewTask> },
    /// Changes the session's title.
    Retitle { title: Option<String> },
    /// Deletes the session.
    Delete { again: bool },
    /// Takes the journal and carries on with what is open.
    Recover,
}

impl Operation {
    /// It is given again: what it made the first time must not count against it.
    pub(crate) fn is_repeated(&mut self) {
        match self {
            Self::Delete { again } => *again = true,
            Self::Accept { fresh, .. } => *fresh = false,
            _ => {}
        }
    }

    fn opens(&self) -> Option<&Opened> {
        match self {
            Self::Open { opened } => Some(opened),
            Self::Accept {
                open, refused: None, ..
            } => open.as_ref(),
            _ => None,
        }
    }

    fn is_fresh(&self) -> bool {
        matches!(
            self,
            Self::Accept {
                fresh: true,
                refused: None,
                ..
            }
        )
    }

    /// What it is answered where there is no such journal.
    fn nowhere(self) -> Failure {
        match self {
            Self::Accept {
                refused: Some(why), ..
            } => why,
            _ => Failure::not_found("session"),
        }
    }
}

impl JournalActor {
    pub(super) fn command(&mut self, ctx: &Context<Message>, command: Command) {
        match &mut self.phase {
            // What belongs to another is never new here.
            Phase::New if command.operation.is_fresh() && self.way != Way::Back => {
                if let Some(opened) = command.operation.opens().cloned() {
                    self.open(opened);
                }
                self.give(command);
            }
            Phase::New => {
                self.phase = Phase::Loading(vec![command]);
                self.load(ctx);
            }
            Phase::Loading(waiting) => waiting.push(command),
            Phase::Owned { owner, waiting } if !owner.is_owning() => waiting.push(command),
            Phase::Owned { .. } => self.give(command),
        }
    }

    fn open(&mut self, opened: Opened) {
        let (key, writer) = (self.key.clone(), self.shared.writer.clone());
        let seed = self.shared.random.next_u64();
        let owner = Owner::open(key, writer, seed, opened, self.shared.now());
        self.phase = Phase::Owned {
            owner: Box::new(owner),
            waiting: Vec::new(),
        };
    }

    /// Reads the journal: its snapshot, then what came after.
    pub(super) fn load(&self, ctx: &Context<Message>) {
        let (shared, key, way) = (Arc::clone(&self.shared), self.key.clone(), self.way);
        let loopback = ctx.loopback();
        ctx.spawn(async move {
            let loaded = crate::steps::obtain(&shared, &key, way).await;
            loopback.send(Message::Loaded(loaded.map(Box::new)));
        });
    }

    pub(super) fn loaded(&mut self, ctx: &Context<Message>, loaded: Result<Box<Loaded>, Failure>) {
        let Phase::Loading(waiting) = &mut self.phase else {
            return;
        };
        let mut waiting = std::mem::take(waiting);
        if self.releasing {
            // Who waits is sent on.
            return self.leave(ctx, "another process asked for it");
        }
        let Loaded { journal, snapshot } = match loaded {
            Ok(loaded) => *loaded,
            Err(failure) => {
                for command in waiting {
                    let _ = command.answer.send(Err(failure.clone()));
                }
                return self.leave(ctx, "the journal can't be had");
            }
        };
        self.snapshot_at = snapshot;
        self.was_deleted = journal.deleted;
        if journal.next > 0 {
            let (key, writer, seed) = (
                self.key.clone(),
                self.shared.writer.clone(),
                self.shared.random.next_u64(),
            );
            crate::children::check_parents(&self.shared, &journal, &key, ctx);
            let owner = Box::new(Owner::take(key, writer, seed, journal, self.shared.now()));
            self.phase = Phase::Owned { owner, waiting };
            return;
        }
        let Some(opened) = waiting
            .iter()
            .find_map(|command| command.operation.opens().cloned())
        else {
            for command in waiting {
                let _ = command.answer.send(Err(command.operation.nowhere()));
            }
            return self.leave(ctx, "there is no such journal");
        };
        self.open(opened.clone());
        // The call that opens it comes first, and does not find it taken.
        if let Some(first) = waiting
            .iter()
            .position(|command| command.operation.opens() == Some(&opened))
        {
            let mut opener = waiting.remove(first);
            opener.operation.is_repeated();
            self.give(opener);
        }
        for command in waiting {
            self.give(command);
        }
    }

    /// Commands that waited for the journal to be confirmed as this owner's.
    pub(super) fn admit_waiting(&mut self, ctx: &Context<Message>) {
        let Phase::Owned { owner, waiting } = &mut self.phase else {
            return;
        };
        if !owner.is_owning() || waiting.is_empty() {
            return;
        }
        for command in std::mem::take(waiting) {
            self.give(command);
        }
        self.pump(ctx);
    }

    fn give(&mut self, command: Command) {
        let Command {
            operation,
            answer,
            done,
            admission: _,
        } = command;
        let now = self.shared.now();
        self.requests += 1;
        let request = RequestId(self.requests);
        let Phase::Owned { owner, .. } = &mut self.phase else {
            return;
        };
        self.replies.insert(request, answer);
        let taken = operation.opens().is_some_and(|opened| {
            let journal = owner.journal();
            journal.subject.as_ref() != Some(&opened.subject) || journal.kind != Some(opened.kind)
        });
        if taken {
            return self.reply(request, Err(id_is_taken()));
        }
        if let Some(done) = done {
            self.awaiting.insert(request, done);
        }
        match operation {
            Operation::Open { opened } => {
                let call = owner.journal().created_by;
                if call.is_some() && call == opened.call {
                    owner.show_session(request);
                } else {
                    self.reply(request, Err(id_is_taken()));
                }
            }
            Operation::Accept {
                task,
                refused: Some(why),
                ..
            } if owner.journal().key_use(&task.accepted.key).is_none() => self.reply(request, Err(why)),
            Operation::Accept { task, .. } => {
                self.shared.metrics.task_accepted(task.accepted.agent.as_str());
                owner.accept(now, request, *task);
            }
            Operation::Retry { task, copy } => {
                if owner.journal().open.contains_key(&task) {
                    let open = "this task has not ended: cancel it first, or wait";
                    self.reply(request, Err(Failure::new(ErrorCode::Conflict, open)));
                } else {
                    owner.accept(now, request, *copy);
                }
            }
            Operation::Cancel { task } => owner.cancel(now, request, task),
            Operation::Kill { task, why } => owner.kill(now, request, task, why),
            Operation::Resolve(answer) => owner.resolve(now, request, *answer),
            Operation::Retitle { title } => owner.retitle(now, request, title),
            Operation::Delete { again: true } if owner.journal().deleted => {
                self.reply(request, Ok(Reply::Deleted))
            }
            Operation::Delete { .. } => owner.delete(now, request),
            Operation::Recover => {
                owner.tick(now);
                self.reply(request, Ok(Reply::Deleted));
            }
        }
    }
}

fn id_is_taken() -> Failure {
    let why = "this session id is taken: choose another, or give none and get a new one";
    Failure::new(ErrorCode::Conflict, why)
}
