//! The actor of one live journal: gives the owner what happens, and does what it asks for.
//!
//! Nothing of unknown length is awaited here: appends, attempts and steps run beside the mailbox and come back
//! as messages. A killed actor loses nothing: what it acknowledged is in the store, and the next one recovers.

mod appends;
mod begin;
mod commands;
mod counts;
mod leaving;
mod meters;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Action, Appended, AttemptEnd, Entry, Failure, Holding, JournalKey, JournalKind, Nonce, Owner, Projection,
    Reply, RequestId, Slot, StepCall, StepCost, StepOutcome, StepPath, StoreError, TaskId, TaskRow,
    TaskStatus, Timestamp,
};
use greenroom_supervision::{ActorError, Admission, Context, Supervised};
use tokio::sync::oneshot;

use crate::attempt::AttemptLine;
use crate::hub::Hub;
use crate::membership::Way;
use crate::meter::Metered;
use crate::shared::Shared;
use crate::steps::Loaded;

pub(crate) use commands::{Command, Operation};

/// Timers further away than this are left to the scan.
const TIMER_HORIZON: Duration = Duration::from_secs(120);

/// A request that no caller waits for.
const NOBODY: RequestId = RequestId(0);

/// What the actor is told.
pub(crate) enum Message {
    /// A caller asks.
    Command(Box<Command>),
    /// The journal was read.
    Loaded(Result<Box<Loaded>, Failure>),
    /// An append was answered.
    Appended {
        nonce: Nonce,
        outcome: Result<Appended, StoreError>,
    },
    /// An agent asks for a step.
    Called {
        task: u32,
        attempt: u32,
        call: Box<StepCall>,
    },
    /// A step came back.
    Finished {
        task: u32,
        attempt: u32,
        path: StepPath,
        outcome: StepOutcome,
        cost: StepCost,
    },
    /// An attempt ended.
    Ended {
        task: u32,
        attempt: u32,
        end: AttemptEnd,
    },
    /// The task that handed this one off has ended without wanting its answer.
    Orphaned { task: u32 },
    /// A step that runs has used more.
    Metered,
    /// Time passed.
    Tick,
    /// Somebody else may write the journal: look.
    Look,
    /// The slot behind the last one, if there is one.
    Looked(Option<Box<Slot>>),
    /// Another process would have the journal, or this one is leaving.
    Release(oneshot::Sender<Holding>),
    /// This process has no more time: let go where it stands.
    Leave,
    /// Nothing happened since the work number that it carries.
    Idle(u64),
}

/// One journal's actor.
pub(crate) struct JournalActor {
    shared: Arc<Shared>,
    key: JournalKey,
    /// On whose behalf it was started.
    way: Way,
    hub: Arc<Hub>,
    place: Arc<crate::journals::Slot>,
    phase: Phase,
    requests: u64,
    replies: HashMap<RequestId, oneshot::Sender<Result<Reply, Failure>>>,
    waiters: Vec<(u32, oneshot::Sender<TaskRow>)>,
    awaiting: HashMap<RequestId, oneshot::Sender<TaskRow>>,
    attempt: Option<AttemptLine>,
    children: Vec<(u32, TaskId)>,
    meters: Vec<Metered>,
    armed: Option<Timestamp>,
    snapshot_at: u64,
    /// It was deleted when it was read: its content may still be there.
    was_deleted: bool,
    failed_appends: u32,
    work: u64,
    idling: bool,
    /// It lets go at its next step boundary.
    releasing: bool,
    looking: bool,
}

enum Phase {
    /// Nobody asked yet.
    New,
    /// The journal is being read; commands wait.
    Loading(Vec<Command>),
    /// The journal is written here; commands wait until that is confirmed.
    Owned {
        owner: Box<Owner>,
        waiting: Vec<Command>,
    },
}

impl JournalActor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        key: JournalKey,
        way: Way,
        hub: Arc<Hub>,
        place: Arc<crate::journals::Slot>,
    ) -> Self {
        Self {
            shared,
            key,
            way,
            hub,
            place,
            phase: Phase::New,
            requests: 0,
            replies: HashMap::new(),
            waiters: Vec::new(),
            awaiting: HashMap::new(),
            attempt: None,
            children: Vec::new(),
            meters: Vec::new(),
            armed: None,
            snapshot_at: 0,
            was_deleted: false,
            failed_appends: 0,
            work: 0,
            idling: false,
            releasing: false,
            looking: false,
        }
    }

    fn owner(&mut self) -> Option<&mut Owner> {
        match &mut self.phase {
            Phase::Owned { owner, .. } => Some(owner),
            Phase::New | Phase::Loading(_) => None,
        }
    }

    /// Does what the owner wants, until it wants nothing.
    fn pump(&mut self, ctx: &Context<Message>) {
        while let Some(owner) = self.owner() {
            let actions = owner.actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(ctx, action);
            }
        }
        self.admit_waiting(ctx);
        if self.lets_go(ctx) {
            return;
        }
        self.arm(ctx);
        self.rest(ctx);
    }

    fn act(&mut self, ctx: &Context<Message>, action: Action) {
        match action {
            Action::Append(append) => self.append(ctx, *append, None),
            Action::Published { slot, rows } => self.published(ctx, slot, rows),
            Action::Begin { task, attempt } => self.begin(ctx, task, attempt),
            Action::Halt {
                task,
                attempt,
                reason,
            } => {
                if let Some(line) = self.attempt.take_if(|line| line.is(task, attempt)) {
                    line.halt(reason);
                    self.hub.end(task);
                }
            }
            Action::Go { task, attempt, path } => self.go(task, attempt, path),
            Action::Answer {
                task,
                attempt,
                path,
                outcome,
            } => self.answer(ctx, task, attempt, path, outcome),
            Action::Perform {
                task,
                attempt,
                head,
                call,
                due,
                lost,
            } => {
                let call = *call;
                self.perform(
                    ctx,
                    task,
                    attempt,
                    begin::LetGo {
                        head,
                        call,
                        due,
                        lost,
                    },
                );
            }
            Action::Reply { request, reply } => self.reply(request, reply),
            Action::Deposed => self.leave(ctx, "another owner writes this journal"),
        }
    }

    fn published(&mut self, ctx: &Context<Message>, slot: Arc<Slot>, rows: Projection) {
        let deletes = slot.entries.contains(&Entry::Deleted);
        counts::count(&self.shared.metrics, &slot);
        self.hub.publish(slot);
        for row in &rows.tasks {
            if row.status.is_terminal() {
                self.ended(row);
            } else if matches!(row.status, TaskStatus::Waiting | TaskStatus::OutcomeUnknown) {
                self.hub.end(row.id.ordinal);
            }
            if !row.status.needs_owner() {
                self.tell_waiters(row);
            }
            if row.parent.is_some() {
                self.tell_parent();
            }
        }
        // Staged is not enough: content goes when its deletion is durable.
        if deletes || self.was_deleted {
            self.hollow();
        }
        self.snapshot(ctx);
    }

    fn ended(&mut self, row: &TaskRow) {
        let agent = row.agent.as_str();
        match &row.error {
            Some(failure) if row.status == TaskStatus::Failed => {
                self.shared.metrics.task_failed(agent, failure.code.as_str());
            }
            _ => self.shared.metrics.task_completed(agent),
        }
        self.hub.end(row.id.ordinal);
        let mut orphans = Vec::new();
        self.children.retain(|(parent, child)| {
            let ended = *parent == row.id.ordinal;
            if ended {
                orphans.push(child.clone());
            }
            !ended
        });
        if row.status != TaskStatus::Completed {
            crate::children::cancel(&self.shared, &self.key.tenant, row.id.clone(), orphans);
        }
    }

    fn tell_waiters(&mut self, row: &TaskRow) {
        let ordinal = row.id.ordinal;
        let mut index = 0;
        while index < self.waiters.len() {
            if self.waiters[index].0 == ordinal {
                // A caller that left is no error.
                let _ = self.waiters.swap_remove(index).1.send(row.clone());
            } else {
                index += 1;
            }
        }
    }

    fn reply(&mut self, request: RequestId, reply: Result<Reply, Failure>) {
        if let (Some(done), Ok(Reply::Task(row))) = (self.awaiting.remove(&request), &reply) {
            if row.status.needs_owner() {
                self.waiters.retain(|(_, waiter)| !waiter.is_closed());
                self.waiters.push((row.id.ordinal, done));
            } else {
                let _ = done.send((**row).clone());
            }
        }
        if let Some(answer) = self.replies.remove(&request) {
            let _ = answer.send(reply);
        }
    }

    /// Wakes when something of this journal is due soon.
    fn arm(&mut self, ctx: &Context<Message>) {
        let now = self.shared.now();
        let owner = self.owner().filter(|owner| owner.is_owning());
        let Some(due) = owner.and_then(|owner| owner.journal().next_due()) else {
            return;
        };
        if now.until(due) > TIMER_HORIZON || self.armed.is_some_and(|armed| armed <= due && armed > now) {
            return;
        }
        self.armed = Some(due);
        let (wait, loopback) = (now.until(due), ctx.loopback());
        ctx.spawn(async move {
            tokio::time::sleep(wait).await;
            loopback.send(Message::Tick);
        });
    }

    /// Leaves when nothing is left to do: a task's own journal at once, a session after a while.
    fn rest(&mut self, ctx: &Context<Message>) {
        let Phase::Owned { owner, waiting } = &self.phase else {
            return;
        };
        let idle = owner.is_idle() && waiting.is_empty() && self.replies.is_empty() && owner.is_owning();
        if !idle {
            return;
        }
        let journal = owner.journal();
        if journal.open.is_empty() && (journal.kind == Some(JournalKind::Task) || journal.deleted) {
            return self.leave(ctx, "done");
        }
        // A turn queued behind a person's answer keeps the actor: the scan would only wake it again.
        if journal.open.values().any(|task| task.status().needs_owner()) {
            return;
        }
        if !self.idling {
            self.idling = true;
            let (wait, work, loopback) = (self.shared.idle(), self.work, ctx.loopback());
            ctx.spawn(async move {
                tokio::time::sleep(wait).await;
                loopback.send(Message::Idle(work));
            });
        }
    }

    fn leave(&mut self, ctx: &Context<Message>, reason: &str) {
        self.shared.journals.left(&self.key, &self.place);
        if let Some(line) = self.attempt.take() {
            line.halt("the session moved");
            self.hub.end(line.task());
        }
        self.replies.clear();
        self.awaiting.clear();
        self.waiters.clear();
        let had = std::mem::replace(&mut self.phase, Phase::New);
        if let Some(fleet) = &self.shared.fleet {
            // What has no open work waits for nobody.
            if matches!(&had, Phase::Owned { owner, .. } if !owner.journal().open.is_empty()) {
                fleet.let_go(&self.key);
            }
            self.hub.changed();
        }
        ctx.stop(reason);
    }
}

impl Supervised for JournalActor {
    type Msg = Message;

    async fn handle(
        &mut self,
        ctx: &Context<Message>,
        message: Message,
        admission: Admission,
    ) -> Result<(), ActorError> {
        let now = self.shared.now();
        let mut admission = Some(admission);
        if let Message::Finished {
            task, attempt, path, ..
        } = &message
        {
            self.meters.retain(|step| !step.is(*task, *attempt, path));
        }
        self.read_meters(now);
        match message {
            Message::Idle(work) => {
                self.idling = false;
                if work == self.work {
                    self.leave(ctx, "idle");
                    return Ok(());
                }
                self.rest(ctx);
                return Ok(());
            }
            Message::Look => {
                self.look(ctx);
                return Ok(());
            }
            Message::Looked(slot) => {
                self.looked(slot);
                self.pump(ctx);
                return Ok(());
            }
            Message::Release(answer) => {
                self.release(ctx, answer);
                return Ok(());
            }
            Message::Leave => {
                self.leave(ctx, "the process leaves");
                return Ok(());
            }
            // It is about to let go: the attempt's next run asks again. Unless what runs and must end may wait for this.
            Message::Called { .. } if self.holds_calls_back() => {}
            Message::Command(mut command) => {
                command.admission = admission.take();
                self.command(ctx, *command);
            }
            Message::Loaded(loaded) => self.loaded(ctx, loaded),
            Message::Appended { nonce, outcome } => self.appended(ctx, nonce, outcome),
            Message::Called { task, attempt, call } => {
                let line = self.attempt.as_ref().filter(|line| line.is(task, attempt));
                let version = line.and_then(AttemptLine::version);
                self.with_owner(|owner| {
                    if let Some(version) = version {
                        owner.attempt_runs(task, attempt, version);
                    }
                    owner.step_called(now, task, attempt, *call);
                });
            }
            Message::Finished {
                task,
                attempt,
                path,
                outcome,
                cost,
            } => {
                self.with_owner(|owner| owner.step_finished(now, task, attempt, &path, outcome, cost));
            }
            Message::Ended { task, attempt, end } => {
                if let Some(line) = self.attempt.take_if(|line| line.is(task, attempt)) {
                    line.close();
                }
                self.with_owner(|owner| owner.attempt_ended(now, task, attempt, end));
            }
            Message::Orphaned { task } => self.with_owner(|owner| owner.cancel(now, NOBODY, task)),
            Message::Metered => self.tell_parent(),
            Message::Tick if matches!(self.phase, Phase::New) => {
                // Whoever started it left before asking anything.
                self.leave(ctx, "nobody asked");
                return Ok(());
            }
            Message::Tick => {
                self.armed = None;
                self.with_owner(|owner| owner.tick(now));
                self.look_if_idle(ctx);
            }
        }
        self.work += 1;
        self.pump(ctx);
        drop(admission);
        Ok(())
    }
}

impl JournalActor {
    fn with_owner(&mut self, tell: impl FnOnce(&mut Owner)) {
        if let Some(owner) = self.owner() {
            tell(owner);
        }
    }
}

impl Drop for JournalActor {
    /// However it ended: nobody shall find the way to an actor that is gone.
    fn drop(&mut self) {
        self.shared.journals.left(&self.key, &self.place);
        if self.shared.fleet.is_some() {
            self.hub.changed();
        }
    }
}
