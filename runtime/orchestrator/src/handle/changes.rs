//! What the calls do that change a session or a task. Each is run to its end by the call that begins it.

use greenroom_kernel::{
    ErrorCode, Failure, IdempotencyKey, JournalKind, NewTask, Opened, Principal, Reply, SessionId,
    SessionRow, StepResolution, TaskId, TaskRow,
};
use tokio::sync::oneshot;

use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::room::Rest;
use crate::steps;

use super::Orchestrator;

fn session_of(reply: Reply) -> Result<SessionRow, Failure> {
    match reply {
        Reply::Session(row) => Ok(*row),
        _ => Err(Failure::internal("a session was asked for")),
    }
}

impl Orchestrator {
    pub(super) async fn open(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let opened = Opened {
            kind: JournalKind::Session,
            subject: who.subject.clone(),
            title,
            metadata: None,
            call: Some(self.shared.random.next_u64()),
        };
        session_of(self.ask(who, id, Operation::Open { opened }).await?)
    }

    pub(super) async fn retitle(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        self.own_session(who, id).await?;
        session_of(self.ask(who, id, Operation::Retitle { title }).await?)
    }

    pub(super) async fn end_as_cancelled(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        if row.status.is_terminal() {
            return Ok(row);
        }
        let reply = self
            .ask(who, &id.journal, Operation::Cancel { task: id.ordinal })
            .await?;
        self.task_of(who, reply).await
    }

    pub(super) async fn accept_again(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        let key = self.key(who, &id.journal);
        if !row.status.is_terminal() {
            return Err(Failure::new(
                ErrorCode::Conflict,
                "this task has not ended: cancel it first, or wait",
            ));
        }
        // It is work as any other that callers bring.
        let place = self.shared.room.take()?;
        let replayed = steps::replay(&*self.shared.store, &key, &row).await?;
        let first = replayed.ok_or_else(|| Failure::not_found("task"))?;
        let mut accepted = first.accepted;
        accepted.key = IdempotencyKey::mint(&*self.shared.random);
        accepted.retries = Some(id.ordinal);
        accepted.deadline = None;
        let message = if row.turn {
            self.first_message(&key, &row).await?
        } else {
            None
        };
        let copy = Box::new(NewTask { accepted, message });
        let operation = Operation::Retry {
            task: id.ordinal,
            copy,
        };
        let (done, ended) = oneshot::channel();
        let (tasks, stopping) = (self.shared.tasks.clone(), self.shared.stopping.clone());
        let _rest = Rest::new(ended, Some(place), tasks, stopping);
        let shared = &self.shared;
        let asked = shared
            .journals
            .ask(shared, &key, Way::Outside, operation, Some(done));
        self.task_of(who, asked.await?).await
    }

    pub(super) async fn answer(
        &self,
        who: &Principal,
        id: &TaskId,
        answer: StepResolution,
    ) -> Result<TaskRow, Failure> {
        let row = self.own_task(who, id).await?;
        if row.status.is_terminal() {
            return self.was_answered(who, row, &answer).await;
        }
        let operation = Operation::Resolve(Box::new(answer.clone()));
        let reply = self.ask(who, &id.journal, operation).await?;
        let ended = matches!(reply, Reply::Ended(_));
        let row = self.task_of(who, reply).await?;
        if ended {
            return self.was_answered(who, row, &answer).await;
        }
        Ok(row)
    }
}
