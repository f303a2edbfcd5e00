//! Questions.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use greenroom_kernel::{
    AgentName, AggregateRequest, Failure, PageRequest, Principal, ProviderStatus as KernelProvider,
    SessionId, SessionQuery, TaskId, TaskRow,
};

use super::agent::{AgentStatus, ProviderStatus};
use super::connection::{
    AgentRecordConnection, ModelRequestConnection, SessionConnection, TaskConnection, TokenPage, page_size,
};
use super::enums::TaskStatus;
use super::history;
use super::mutation::repeated;
use super::node::ActorNode;
use super::reach::{Reach, agent_name, millis, session_id};
use super::request::RequestFilter;
use super::response::{AgentResponse, TaskError};
use super::scalars::{DateTime, Json};
use super::session::ChatSession;
use super::spend::{self, Budget, Spend, SpendGroupBy};
use super::task::Task;

/// How many agents one aggregate may ask.
const MAX_TARGETS: usize = 32;

/// Which sessions to list.
#[derive(InputObject)]
pub(crate) struct SessionFilter {
    /// Only those created at or after.
    created_after: Option<DateTime>,
    /// Only those created before.
    created_before: Option<DateTime>,
    /// Only those whose title contains this, without regard to ASCII case.
    title: Option<String>,
}

/// An agent to ask, and what.
#[derive(InputObject)]
pub(crate) struct AggregateTarget {
    /// The agent.
    agent: String,
    /// An input of its own; absent, the common one.
    input: Option<Json>,
}

/// Asks several agents at once.
#[derive(InputObject)]
pub(crate) struct AggregateInput {
    /// Whom to ask.
    agents: Vec<AggregateTarget>,
    /// The input of those without one of their own.
    input: Json,
    /// How long to wait for all, in milliseconds.
    timeout_ms: Option<i32>,
    /// How many answers are enough; absent, all.
    quorum: Option<i32>,
    /// Whether to have one answer made of the parts.
    #[graphql(default_with = "Some(false)")]
    synthesize: Option<bool>,
    /// The caller's own name for the call: repeating it returns the same.
    idempotency_key: Option<String>,
}

/// What several agents answered.
#[derive(SimpleObject)]
pub(crate) struct AggregateResult {
    /// Whether every part is there and well.
    complete: bool,
    /// One part for each agent, in the order asked.
    parts: Vec<AggregatePart>,
    /// One answer made of the parts, if asked for.
    synthesis: Option<AgentResponse>,
}

/// What one of several agents answered.
#[derive(SimpleObject)]
pub(crate) struct AggregatePart {
    /// The agent.
    agent: String,
    /// The task it was given.
    task_id: ID,
    /// Whether it answered.
    ok: bool,
    /// Its answer.
    response: Option<AgentResponse>,
    /// How it failed.
    error: Option<TaskError>,
}

impl From<TaskRow> for AggregatePart {
    fn from(task: TaskRow) -> Self {
        Self {
            agent: task.agent.to_string(),
            task_id: ID(task.id.to_string()),
            ok: task.status == greenroom_kernel::TaskStatus::Completed,
            response: AgentResponse::of(&task),
            error: task.error.map(TaskError::from),
        }
    }
}

/// Questions.
pub(crate) struct Query;

/// Questions. They change nothing, save `aggregateDataFromAgents`, which makes tasks.
#[Object]
impl Query {
    /// A conversation; null when it is unknown or not the caller's.
    async fn get_session(&self, ctx: &Context<'_>, id: ID) -> Result<Option<ChatSession>> {
        let Ok(id) = SessionId::parse(&id) else {
            return Ok(None);
        };
        let reach = Reach::of(ctx)?;
        Ok(reach
            .supervisor()
            .session(reach.who(), &id)
            .await?
            .map(ChatSession))
    }

    /// Conversations, newest first.
    async fn list_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones; absent, all.")] filter: Option<SessionFilter>,
        #[graphql(desc = "How many; 20 unless told, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<SessionConnection> {
        let page = TokenPage::new(first, after.as_deref())?;
        let reach = Reach::of(ctx)?;
        let who = reach.who();
        let sees_all = who.scopes.iter().any(|scope| scope == Principal::SESSIONS_ALL);
        let (after, before, title) = match filter {
            Some(filter) => (filter.created_after, filter.created_before, filter.title),
            None => (None, None, None),
        };
        let query = SessionQuery {
            subject: (!sees_all).then(|| who.subject.clone()),
            created_after: after.map(|at| at.0),
            created_before: before.map(|at| at.0),
            title,
        };
        let rows = reach.supervisor().sessions(who, query, page.request()).await?;
        Ok(page.rows(rows, ChatSession).into())
    }

    /// A task; null when it is unknown or not the caller's.
    async fn get_task(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Task>> {
        let Ok(id) = TaskId::parse(&id) else {
            return Ok(None);
        };
        let reach = Reach::of(ctx)?;
        Ok(reach.supervisor().task(reach.who(), &id).await?.map(Task))
    }

    /// Tasks, newest first.
    async fn list_tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this session.")] session_id: Option<ID>,
        #[graphql(desc = "Only those in this status.")] status: Option<TaskStatus>,
        #[graphql(desc = "How many; 20 unless told, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<TaskConnection> {
        let page = TokenPage::new(first, after.as_deref())?;
        let journal = session_id.map(|id| self::session_id(&id)).transpose()?;
        let reach = Reach::of(ctx)?;
        let status = status.map(greenroom_kernel::TaskStatus::from);
        let rows = reach
            .supervisor()
            .tasks(reach.who(), journal, status, page.request())
            .await?;
        Ok(page.rows(rows, Task).into())
    }

    /// An agent as it is now; null when there is none of that name.
    async fn get_agent_status(&self, ctx: &Context<'_>, name: String) -> Result<Option<AgentStatus>> {
        let Ok(name) = AgentName::parse(&name) else {
            return Ok(None);
        };
        Ok(Reach::of(ctx)?.supervisor().agent(&name).await?.map(AgentStatus))
    }

    /// Every agent as it is now, by name.
    async fn list_agents(&self, ctx: &Context<'_>) -> Result<Vec<AgentStatus>> {
        let agents = Reach::of(ctx)?.supervisor().agents().await?;
        Ok(agents.into_iter().map(AgentStatus).collect())
    }

    /// What supervisors saw of an agent, the youngest beginning first: a record for each stretch of time over which one of
    /// them saw one instance unchanged. A page may hold fewer than were asked for, even none, while `hasNextPage` is true: go
    /// on behind `endCursor`.
    async fn agent_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The agent, whether it is there still or not.")] name: String,
        #[graphql(desc = "Only what lasted until then or longer; absent, from an hour before the end on.")]
        since: Option<DateTime>,
        #[graphql(desc = "Only what began before; absent, until now.")] before: Option<DateTime>,
        #[graphql(desc = "How many, from 1 to 100; 20 unless told.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<AgentRecordConnection> {
        let limit = page_size("first", first)?;
        if limit == 0 {
            return Err(Failure::bad_input("first must be from 1 to 100").into());
        }
        let reach = Reach::of(ctx)?;
        let query = history::query(&name, since, before, reach.backend.clock.now())?;
        let is_behind = after.is_some();
        let page = PageRequest { after, limit };
        let page = reach.supervisor().agent_history(query, page).await?;
        Ok(AgentRecordConnection::of(page, is_behind))
    }

    /// Every model provider as it is now, as each supervisor sees it, and this gateway for its own calls.
    async fn list_providers(&self, ctx: &Context<'_>) -> Result<Vec<ProviderStatus>> {
        let reach = Reach::of(ctx)?;
        let theirs = reach.supervisor().providers().await?;
        let mut own = reach.backend.models.providers();
        // A gateway in one process with its supervisor has no others.
        own.retain(|own| {
            let same = |known: &KernelProvider| (&known.name, &known.node) == (&own.name, &own.node);
            !theirs.iter().any(same)
        });
        let all = theirs.into_iter().chain(own);
        Ok(all.map(ProviderStatus::from).collect())
    }

    /// What the caller's tenant spent on models, as far as it is known to the day.
    async fn spend(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day, in UTC, as 2026-11-26; absent, the first of this month.")]
        from: Option<String>,
        #[graphql(desc = "The last day, itself included; absent, today.")] to: Option<String>,
        #[graphql(desc = "One sum for each of these; absent, one of all.")] group_by: Option<
            Vec<SpendGroupBy>,
        >,
    ) -> Result<Spend> {
        let reach = Reach::of(ctx)?;
        let now = reach.backend.clock.now();
        let query = spend::query(from.as_deref(), to.as_deref(), group_by.unwrap_or_default(), now)?;
        Ok(reach.backend.costs.spend(reach.who(), query).await?.into())
    }

    /// The budgets of the caller's tenant and how they stand, by name.
    async fn budgets(&self, ctx: &Context<'_>) -> Result<Vec<Budget>> {
        let reach = Reach::of(ctx)?;
        Ok(spend::budgets(reach.backend.costs.budgets(reach.who()).await?))
    }

    /// The log of requests to models, newest first: the caller's own. A page may hold fewer than were asked for, even none,
    /// while `hasNextPage` is true: go on behind `endCursor`.
    async fn requests(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones; absent, all.")] filter: Option<RequestFilter>,
        #[graphql(desc = "How many, from 1 to 100; 20 unless told.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<ModelRequestConnection> {
        let limit = page_size("first", first)?;
        if limit == 0 {
            return Err(Failure::bad_input("first must be from 1 to 100").into());
        }
        let query = filter.map(RequestFilter::read).transpose()?.unwrap_or_default();
        let reach = Reach::of(ctx)?;
        let is_behind = after.is_some();
        let page = PageRequest { after, limit };
        let page = reach.backend.costs.requests(reach.who(), query, page).await?;
        Ok(ModelRequestConnection::of(page, is_behind))
    }

    /// The supervision tree as it stands.
    async fn supervision_tree(&self, ctx: &Context<'_>) -> Result<Vec<ActorNode>> {
        let nodes = Reach::of(ctx)?.supervisor().supervision_tree().await?;
        Ok(nodes.into_iter().map(ActorNode::from).collect())
    }

    /// Asks several agents at once and waits for a quorum of them. Makes tasks: never by GET.
    async fn aggregate_data_from_agents(
        &self,
        ctx: &Context<'_>,
        input: AggregateInput,
    ) -> Result<AggregateResult> {
        let reach = Reach::of(ctx)?;
        let asked = input.agents.len();
        if !(1..=MAX_TARGETS).contains(&asked) {
            return Err(Failure::bad_input(format!("agents must name 1 to {MAX_TARGETS}")).into());
        }
        let quorum = match input.quorum {
            None => None,
            Some(n) => match u32::try_from(n) {
                Ok(quorum) if (1..=asked).contains(&(quorum as usize)) => Some(quorum),
                _ => return Err(Failure::bad_input("quorum must be from 1 to the number of agents").into()),
            },
        };
        let target = |target: AggregateTarget| -> Result<_, Failure> {
            Ok((
                agent_name(&target.agent)?,
                target.input.map(|input| input.to_text()),
            ))
        };
        let request = AggregateRequest {
            targets: input.agents.into_iter().map(target).collect::<Result<_, _>>()?,
            input: input.input.to_text(),
            timeout: input
                .timeout_ms
                .map(|ms| millis("timeoutMs", ms, 1, i32::MAX as u64))
                .transpose()?,
            quorum,
            synthesize: input.synthesize.unwrap_or(false),
            key: reach.key(input.idempotency_key.as_deref())?,
            trace: reach.caller.trace.clone(),
        };
        let patience = request.timeout.unwrap_or(reach.backend.max_wait) + reach.backend.answer_grace;
        let call = || reach.supervisor().aggregate(reach.who(), request.clone());
        let answer = repeated(&request.key, patience, call).await?;
        Ok(AggregateResult {
            complete: answer.complete,
            parts: answer.parts.into_iter().map(AggregatePart::from).collect(),
            synthesis: answer.synthesis.as_ref().and_then(AgentResponse::of),
        })
    }
}
