//! Who may see what: every call reads sessions and tasks through here.

use greenroom_kernel::{
    Entry, Failure, JournalKey, Payload, Principal, Reply, SessionId, SessionRow, StepResolution, TaskId,
    TaskRow, TaskStatus,
};

use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::{events, steps};

use super::Orchestrator;

impl Orchestrator {
    pub(super) fn key(&self, who: &Principal, journal: &SessionId) -> JournalKey {
        self.shared.key(&who.tenant, journal)
    }

    pub(super) async fn ask(
        &self,
        who: &Principal,
        journal: &SessionId,
        operation: Operation,
    ) -> Result<Reply, Failure> {
        self.shared
            .journals
            .ask(
                &self.shared,
                &self.key(who, journal),
                Way::Outside,
                operation,
                None,
            )
            .await
    }

    pub(super) async fn visible_session(
        &self,
        who: &Principal,
        id: &SessionId,
    ) -> Result<Option<SessionRow>, Failure> {
        let row = self
            .shared
            .store
            .session(&who.tenant, id)
            .await
            .map_err(|error| Failure::from(&error))?;
        Ok(row.filter(|row| !row.deleted && who.sees(&row.subject)))
    }

    pub(super) async fn own_session(&self, who: &Principal, id: &SessionId) -> Result<SessionRow, Failure> {
        self.visible_session(who, id)
            .await?
            .ok_or_else(|| Failure::not_found("session"))
    }

    pub(super) async fn visible_task(
        &self,
        who: &Principal,
        id: &TaskId,
    ) -> Result<Option<TaskRow>, Failure> {
        let row = self
            .shared
            .store
            .task(&who.tenant, id)
            .await
            .map_err(|error| Failure::from(&error))?;
        Ok(row
            .filter(|row| who.sees(&row.subject))
            .map(|row| self.as_it_runs(who, row)))
    }

    pub(super) async fn own_task(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        self.visible_task(who, id)
            .await?
            .ok_or_else(|| Failure::not_found("task"))
    }

    /// The first attempt's start is not journaled: a task that runs says so.
    pub(super) fn as_it_runs(&self, who: &Principal, mut row: TaskRow) -> TaskRow {
        if row.status == TaskStatus::Accepted {
            let hub = self.shared.journals.hub_if_any(&self.key(who, &row.id.journal));
            if hub.is_some_and(|hub| hub.running().is_some_and(|(task, _)| task == row.id.ordinal)) {
                row.status = TaskStatus::Running;
            }
        }
        row
    }

    /// Whether how these tasks of one journal stand is known here: whether one that was accepted has begun, its owner alone
    /// knows.
    ///
    /// # Errors
    /// UNAVAILABLE, with where it is known; what the store says.
    pub(super) async fn is_told_here(
        &self,
        who: &Principal,
        mut rows: impl Iterator<Item = &TaskRow>,
    ) -> Result<(), Failure> {
        let Some(row) = rows.find(|row| row.status == TaskStatus::Accepted) else {
            return Ok(());
        };
        let key = self.key(who, &row.id.journal);
        events::is_not_elsewhere(&self.shared, &key, row.last.seq).await
    }

    pub(super) async fn task_of(&self, who: &Principal, reply: Reply) -> Result<TaskRow, Failure> {
        match reply {
            Reply::Task(row) => Ok(self.as_it_runs(who, *row)),
            Reply::Ended(id) => self.own_task(who, &id).await,
            Reply::Session(_) | Reply::Deleted => Err(Failure::internal("a task was asked for")),
        }
    }

    /// An ended task as it stands, if this answer was the one it was given.
    pub(super) async fn was_answered(
        &self,
        who: &Principal,
        row: TaskRow,
        answer: &StepResolution,
    ) -> Result<TaskRow, Failure> {
        let key = self.key(who, &row.id.journal);
        let replayed = steps::replay(&*self.shared.store, &key, &row).await?;
        let task = replayed.ok_or_else(|| Failure::not_found("task"))?;
        task.was_answered(answer.number, answer.attempt, &answer.action)
            .map(|()| row)
    }

    pub(super) async fn reaches(
        &self,
        who: &Principal,
        journal: &SessionId,
        seq: u64,
    ) -> Result<bool, Failure> {
        let slots = self.shared.store.read(&self.key(who, journal), seq, 1).await;
        slots
            .map(|slots| !slots.is_empty())
            .map_err(|error| Failure::from(&error))
    }

    pub(super) async fn first_message(
        &self,
        key: &JournalKey,
        row: &TaskRow,
    ) -> Result<Option<Payload>, Failure> {
        let slots = self
            .shared
            .store
            .read(key, row.first.seq, 1)
            .await
            .map_err(|error| Failure::from(&error))?;
        let entries = slots.into_iter().flat_map(|slot| slot.entries);
        Ok(entries.into_iter().find_map(|entry| match entry {
            Entry::Message(message) if message.task == row.id.ordinal && message.number == 0 => {
                Some(message.content)
            }
            _ => None,
        }))
    }
}
