//! Answers requests in the process that runs the tasks.

use std::sync::Arc;

use greenroom_kernel::{
    Costs, Failure, HistoryQuery, PageRequest, Payload, Principal, ResolveAction, SessionId, Supervisor,
    TaskId, TaskRow, TaskStatus,
};
use greenroom_orchestrator::Orchestrator;
use serde_json::{Value, json};

use super::agents::{agents, records};
use super::spend::spent;
use super::view::{TaskInFull, TaskView, Texts, exported, is_json};
use super::{Answer, Request};

/// An administrator's desk over the running orchestrator.
pub(crate) struct Desk {
    pub(crate) orchestrator: Arc<Orchestrator>,
    pub(crate) costs: Arc<dyn Costs>,
    /// In whose name: it sees every session of its tenant.
    pub(crate) who: Principal,
}

impl Desk {
    /// Does what is asked for.
    pub(crate) async fn answer(&self, request: Request) -> Answer {
        match self.served(request).await {
            Ok(value) => Answer::Ok(value),
            Err(failure) => Answer::Err(failure),
        }
    }

    async fn served(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::List {
                status,
                session,
                limit,
                after,
            } => self.list(status, session, limit, after).await,
            Request::Show { id } => {
                let id = TaskId::parse(&id)?;
                let row = self
                    .orchestrator
                    .task(&self.who, &id)
                    .await?
                    .ok_or_else(|| Failure::not_found("task"))?;
                self.shown(&row).await
            }
            Request::Export { id } => {
                let export = self.orchestrator.export(&self.who, &TaskId::parse(&id)?).await?;
                exported(&export)
            }
            Request::Agents => Ok(agents(&self.orchestrator.agents().await?)),
            Request::AgentHistory {
                agent,
                from,
                to,
                limit,
                after,
            } => {
                let (query, page) = (HistoryQuery { agent, from, to }, PageRequest { after, limit });
                Ok(records(&self.orchestrator.agent_history(query, page).await?))
            }
            Request::Spend(query) => Ok(spent(self.costs.spend(&self.who, query).await?)),
            Request::Kill { id } => {
                let row = self.orchestrator.kill(&self.who, &TaskId::parse(&id)?).await?;
                self.shown(&row).await
            }
            Request::Retry { id } => {
                let row = self.orchestrator.retry(&self.who, &TaskId::parse(&id)?).await?;
                self.shown(&row).await
            }
            Request::Settle {
                id,
                step,
                attempt,
                done,
                note,
            } => {
                let action = match done {
                    Some(result) if is_json(&result) => ResolveAction::SettleDone(Some(result)),
                    Some(_) => return Err(Failure::bad_input("the result of a settled step must be JSON")),
                    None => ResolveAction::SettleNotDone,
                };
                let id = TaskId::parse(&id)?;
                let row = self
                    .orchestrator
                    .resolve(&self.who, &id, step, attempt, action, note)
                    .await?;
                self.shown(&row).await
            }
        }
    }

    async fn list(
        &self,
        status: Option<TaskStatus>,
        session: Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Value, Failure> {
        let session = session.as_deref().map(SessionId::parse).transpose()?;
        let page = self
            .orchestrator
            .tasks(&self.who, session, status, PageRequest { after, limit })
            .await?;
        let tasks: Vec<TaskView> = page.rows.iter().map(TaskView::from).collect();
        Ok(json!({ "tasks": tasks, "next": page.next }))
    }

    async fn shown(&self, row: &TaskRow) -> Result<Value, Failure> {
        let steps = self.orchestrator.steps(&self.who, &row.id).await?;
        let output = row.output.as_ref();
        let texts = Texts {
            input: self.text(row, Some(&row.input)).await?,
            content: self
                .text(row, output.and_then(|output| output.content.as_ref()))
                .await?,
            data: self
                .text(row, output.and_then(|output| output.data.as_ref()))
                .await?,
        };
        Ok(json!(TaskInFull::new(row, &texts, steps)))
    }

    async fn text(&self, row: &TaskRow, payload: Option<&Payload>) -> Result<Option<Arc<str>>, Failure> {
        match payload {
            None | Some(Payload::Hollow) => Ok(None),
            Some(payload) => self
                .orchestrator
                .payload(&self.who, &row.id.journal, payload)
                .await
                .map(Some),
        }
    }
}
