//! Answers requests in the process that runs the tasks.

use std::sync::Arc;

use greenroom_kernel::{
    Costs, Failure, HistoryQuery, HostPort, PageRequest, Payload, Principal, ResolveAction, SessionId,
    Supervisor, TaskId, TaskRow, TaskStatus,
};
use greenroom_orchestrator::Orchestrator;
use greenroom_wire::GrpcPeers;
use serde_json::{Value, json};

use super::agents::{agents, records};
use super::follow::follow;
use super::spend::spent;
use super::view::{TaskInFull, TaskView, Texts, exported, is_json};
use super::{Answer, Request};

/// An administrator's desk over the running orchestrator.
pub(crate) struct Desk {
    pub(crate) orchestrator: Arc<Orchestrator>,
    /// The way to the others on its store; none where this process has the store to itself.
    pub(crate) others: Option<Arc<GrpcPeers>>,
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
                let (who, id) = (&self.who, &TaskId::parse(&id)?);
                let row = self.ask(move |s| async move { s.task(who, id).await }).await?;
                self.shown(&row.ok_or_else(|| Failure::not_found("task"))?).await
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
                let (who, id) = (&self.who, &TaskId::parse(&id)?);
                let kill = move |at: Option<HostPort>| async move {
                    match at {
                        None => self.orchestrator.kill(who, id).await,
                        Some(at) => self.others()?.kill(&at, who, id).await,
                    }
                };
                self.shown(&follow(kill).await?).await
            }
            Request::Retry { id } => {
                let (who, id) = (&self.who, &TaskId::parse(&id)?);
                let row = self.ask(move |s| async move { s.retry(who, id).await }).await?;
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
                let (who, id) = (&self.who, &TaskId::parse(&id)?);
                let (action, note) = (&action, &note);
                let settle = move |s: Arc<dyn Supervisor>| async move {
                    s.resolve(who, id, step, attempt, action.clone(), note.clone())
                        .await
                };
                self.shown(&self.ask(settle).await?).await
            }
        }
    }

    /// Asks this process, and else the one that has what is asked for.
    async fn ask<T, F>(&self, call: impl Fn(Arc<dyn Supervisor>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let call = &call;
        follow(move |at: Option<HostPort>| async move {
            let asked: Arc<dyn Supervisor> = match at {
                None => Arc::clone(&self.orchestrator) as _,
                Some(at) => Arc::new(self.others()?.supervisor(&at)?),
            };
            call(asked).await
        })
        .await
    }

    fn others(&self) -> Result<&GrpcPeers, Failure> {
        let none = || Failure::internal("a process that has its store to itself was sent to another");
        self.others.as_deref().ok_or_else(none)
    }

    async fn list(
        &self,
        status: Option<TaskStatus>,
        session: Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Value, Failure> {
        let session = session.as_deref().map(SessionId::parse).transpose()?;
        let (session, page) = (&session, &PageRequest { after, limit });
        let who = &self.who;
        let list = move |s: Arc<dyn Supervisor>| async move {
            s.tasks(who, session.clone(), status, page.clone()).await
        };
        let page = self.ask(list).await?;
        let tasks: Vec<TaskView> = page.rows.iter().map(TaskView::from).collect();
        Ok(json!({ "tasks": tasks, "next": page.next }))
    }

    async fn shown(&self, row: &TaskRow) -> Result<Value, Failure> {
        let (who, id) = (&self.who, &row.id);
        let steps = self.ask(move |s| async move { s.steps(who, id).await }).await?;
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
