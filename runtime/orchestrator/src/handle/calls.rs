//! Every call of the port.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentRecord, AgentStatus, Aggregate, AggregateRequest,
    Cursor, EventScope, EventStream, Failure, HistoryQuery, MessageRange, MessageRow, Page, PageRequest,
    Payload, Principal, ProviderStatus, ResolveAction, SessionId, SessionQuery, SessionRow, StepResolution,
    StepView, SupervisionEvent, Supervisor, TaskId, TaskQuery, TaskRow, TaskStatus,
};
use greenroom_supervision::TreeNews;

use crate::events::Whose;
use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::payloads::fetch;
use crate::{events, steps};

use super::Orchestrator;

#[async_trait]
impl Supervisor for Orchestrator {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let id = id.unwrap_or_else(|| SessionId::generate(&*self.shared.clock, &*self.shared.random));
        let who = who.clone();
        self.to_the_end(|this| async move { this.open(&who, &id, title).await })
            .await
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move { this.retitle(&who, &id, title).await })
            .await
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move {
            this.own_session(&who, &id).await?;
            let deleted = this.ask(&who, &id, Operation::Delete { again: false }).await;
            deleted.map(|_| ())
        })
        .await
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        self.visible_session(who, id).await
    }

    async fn sessions(
        &self,
        who: &Principal,
        mut query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        if !who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL) {
            query.subject = Some(who.subject.clone());
        }
        self.shared
            .store
            .sessions(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        self.own_session(who, id).await?;
        let key = self.key(who, id);
        self.shared
            .store
            .messages(&key, range, limit)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        let accepting = who.clone();
        let begun =
            self.to_the_end(|this| async move { this.begin(&accepting, &request, Way::Outside).await });
        self.finish(who, begun.await?).await
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        let row = self.visible_task(who, id).await?;
        self.is_told_here(who, row.iter()).await?;
        Ok(row)
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        if let Some(journal) = &journal {
            self.own_session(who, journal).await?;
        }
        let of_one = journal.is_some();
        let all = who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL);
        let subject = (!all).then(|| who.subject.clone());
        let query = TaskQuery {
            subject,
            journal,
            status,
            parent: None,
        };
        let mut page = self
            .shared
            .store
            .tasks(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))?;
        page.rows = page
            .rows
            .into_iter()
            .map(|row| self.as_it_runs(who, row))
            .collect();
        if of_one {
            self.is_told_here(who, page.rows.iter()).await?;
        }
        Ok(page)
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        let row = self.own_task(who, id).await?;
        let key = self.key(who, &id.journal);
        if !row.status.is_terminal() {
            // Those that only run are hints, which its owner alone has.
            events::is_not_elsewhere(&self.shared, &key, row.last.seq).await?;
        }
        let hub = self.shared.journals.hub_if_any(&key);
        steps::views(&*self.shared.store, &key, &row, hub).await
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        self.own_task(who, id).await?;
        let query = TaskQuery {
            parent: Some(id.clone()),
            ..TaskQuery::default()
        };
        self.shared
            .store
            .tasks(&who.tenant, &query, &page)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move { this.end_as_cancelled(&who, &id).await })
            .await
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move { this.accept_again(&who, &id).await })
            .await
    }

    async fn resolve(
        &self,
        who: &Principal,
        id: &TaskId,
        step: u32,
        attempt: Option<u32>,
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        let answer = StepResolution {
            task: id.ordinal,
            number: step,
            attempt,
            action,
            by: who.subject.clone(),
            note,
        };
        let (who, id) = (who.clone(), id.clone());
        self.to_the_end(|this| async move { this.answer(&who, &id, answer).await })
            .await
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        let who = who.clone();
        self.to_the_end(|this| async move { crate::aggregate::run(&this, &who, request).await })
            .await
    }

    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        fetch(&*self.shared.store, &self.key(who, journal), payload).await
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        let (journal, whose, last) = match &scope {
            EventScope::Session(id) => {
                let row = self.own_session(who, id).await?;
                (id.clone(), Whose::Journal, row.last)
            }
            EventScope::Task(id) => {
                let row = self.own_task(who, id).await?;
                let whose = Whose::Task {
                    ordinal: row.id.ordinal,
                    ended: row.status.is_terminal().then_some(row.last),
                };
                (id.journal.clone(), whose, row.last)
            }
        };
        // What is over is only read, which anybody can.
        if !matches!(whose, Whose::Task { ended: Some(_), .. }) {
            events::are_here(&self.shared, &self.key(who, &journal), last.seq).await?;
        }
        let from = after.unwrap_or_else(|| Cursor::behind(last));
        // A task's row doesn't tell how far its journal goes.
        if from.position.seq > last.seq + 1 && !self.reaches(who, &journal, from.position.seq - 1).await? {
            return Err(Failure::bad_input(
                "unknown cursor: it lies beyond what was ever written here",
            ));
        }
        Ok(events::stream(
            Arc::clone(&self.shared),
            self.key(who, &journal),
            whose,
            from,
        ))
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        Ok(self.shared.agents.status(name))
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        Ok(self.shared.agents.statuses())
    }

    async fn agent_history(
        &self,
        query: HistoryQuery,
        page: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure> {
        crate::history::read(&self.shared, query, &page).await
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        if let Some(name) = &name {
            self.shared.agents.known(name)?;
        }
        Ok(events::agents(Arc::clone(&self.shared.agents), name))
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        Ok(self.shared.models.providers())
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        Ok(self.environment.tree().snapshot())
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        let watch = self.environment.tree().subscribe();
        let news = futures::stream::unfold(watch, |mut watch| async {
            let news = watch.next().await?;
            Some((news, watch))
        });
        // A reader that missed something reads the tree again; what it missed can't be told.
        let events = news.filter_map(|news| async {
            match news {
                TreeNews::Event(event) => Some(event),
                TreeNews::Missed(_) => None,
            }
        });
        Ok(events.boxed())
    }
}
