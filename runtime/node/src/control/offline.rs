//! Answers what can be answered from the store alone, while no process runs its tasks.

use std::path::Path;
use std::sync::Arc;

use greenroom_kernel::{
    AgentHistory, ErrorCode, Failure, HistoryQuery, JournalKey, Ledger, OpenTask, PageRequest, Payload,
    SessionId, Slot, StepRecord, Store, StoreError, TaskId, TaskQuery, TaskRow, TenantId,
};
use greenroom_store::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};

use super::agents;
use super::spend::spent;
use super::view::{TaskInFull, TaskView, Texts, exported};
use super::{Answer, Request};
use crate::table::Table;

const PAGE: u32 = 256;

/// A store, read without anything running on it here.
pub(crate) struct Offline {
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
    history: Arc<dyn AgentHistory>,
    tenant: TenantId,
}

impl Offline {
    /// Opens the store under its lock. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub(crate) fn open(path: &Path, tenant: TenantId) -> Result<Self, StoreError> {
        let options = SqliteOptions {
            readers: 1,
            ..SqliteOptions::default()
        };
        let store = Arc::new(SqliteStore::open(path, options)?);
        Ok(Self {
            ledger: Arc::clone(&store) as Arc<dyn Ledger>,
            history: Arc::clone(&store) as Arc<dyn AgentHistory>,
            store,
            tenant,
        })
    }

    /// On a store that is open already.
    pub(crate) fn on(table: Table, tenant: TenantId) -> Self {
        Self {
            store: table.store,
            ledger: table.ledger,
            history: table.history,
            tenant,
        }
    }

    /// Does what is asked for, or says what it takes.
    pub(crate) async fn answer(&self, request: Request) -> Answer {
        let done = match request {
            Request::List {
                status,
                session,
                limit,
                after,
            } => {
                let query = |journal| TaskQuery {
                    journal,
                    status,
                    ..TaskQuery::default()
                };
                match session.as_deref().map(SessionId::parse).transpose() {
                    Ok(session) => self.list(query(session), PageRequest { after, limit }).await,
                    Err(invalid) => Err(invalid.into()),
                }
            }
            Request::Show { id } => self.show(&id).await,
            Request::Export { id } => self.export(&id).await,
            Request::Spend(query) => {
                let report = self.ledger.report(&self.tenant, &query).await;
                report.map(spent).map_err(|error| Failure::from(&error))
            }
            Request::AgentHistory {
                agent,
                from,
                to,
                limit,
                after,
            } => {
                let (query, page) = (HistoryQuery { agent, from, to }, PageRequest { after, limit });
                agents::read(&*self.history, &query, &page).await
            }
            Request::Agents => Err(Failure::new(
                ErrorCode::Unavailable,
                "no process on this machine has this store open, and how agents are is known to none else: name one to \
                 read how it was",
            )),
            Request::Kill { .. } | Request::Retry { .. } | Request::Settle { .. } => Err(Failure::new(
                ErrorCode::Unavailable,
                "nothing runs the tasks of this store: start `greenroom dev` on it, then repeat this command",
            )),
        };
        match done {
            Ok(value) => Answer::Ok(value),
            Err(failure) => Answer::Err(failure),
        }
    }

    async fn list(&self, query: TaskQuery, page: PageRequest) -> Result<Value, Failure> {
        let page = self
            .store
            .tasks(&self.tenant, &query, &page)
            .await
            .map_err(|e| Failure::from(&e))?;
        let tasks: Vec<TaskView> = page.rows.iter().map(TaskView::from).collect();
        Ok(json!({ "tasks": tasks, "next": page.next }))
    }

    async fn row(&self, id: &TaskId) -> Result<TaskRow, Failure> {
        let found = self.store.task(&self.tenant, id).await;
        let found = found.map_err(|e| Failure::from(&e))?;
        found.ok_or_else(|| Failure::not_found("task"))
    }

    async fn export(&self, id: &str) -> Result<Value, Failure> {
        let row = self.row(&TaskId::parse(id)?).await?;
        exported(&greenroom_orchestrator::export(&*self.store, &self.tenant, &row).await?)
    }

    async fn show(&self, id: &str) -> Result<Value, Failure> {
        let id = TaskId::parse(id)?;
        let row = self.row(&id).await?;
        let key = JournalKey {
            tenant: self.tenant.clone(),
            journal: id.journal.clone(),
        };
        let slots = self.slots(&key, &row).await.map_err(|e| Failure::from(&e))?;
        let task = OpenTask::replay(id.ordinal, &slots);
        let steps = task
            .iter()
            .flat_map(|task| task.steps.values())
            .map(StepRecord::view)
            .collect();
        let output = row.output.as_ref();
        let texts = Texts {
            input: self.text(&key, Some(&row.input)).await?,
            content: self
                .text(&key, output.and_then(|output| output.content.as_ref()))
                .await?,
            data: self
                .text(&key, output.and_then(|output| output.data.as_ref()))
                .await?,
        };
        Ok(json!(TaskInFull::new(&row, &texts, steps)))
    }

    async fn slots(&self, key: &JournalKey, row: &TaskRow) -> Result<Vec<Slot>, StoreError> {
        let (mut slots, mut next): (Vec<Slot>, u64) = (Vec::new(), row.first.seq);
        while next <= row.last.seq {
            let page = self.store.read(key, next, PAGE).await?;
            let Some(last) = page.last() else { break };
            next = last.seq + 1;
            slots.extend(page);
        }
        Ok(slots)
    }

    async fn text(&self, key: &JournalKey, payload: Option<&Payload>) -> Result<Option<Arc<str>>, Failure> {
        match payload {
            None | Some(Payload::Hollow) => Ok(None),
            Some(Payload::Inline(text)) => Ok(Some(Arc::clone(text))),
            Some(Payload::Blob { id, .. }) => self.store.blob(key, id).await.map_err(|e| Failure::from(&e)),
        }
    }
}
