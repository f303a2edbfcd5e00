//! The port's operations, each a call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentRecord, AgentStatus, Aggregate, AggregateRequest,
    Cursor, EventScope, EventStream, Failure, HistoryQuery, MessageRange, MessageRow, Page, PageRequest,
    Payload, Principal, ProviderStatus, ResolveAction, SessionId, SessionQuery, SessionRow, StepView,
    SupervisionEvent, Supervisor, TaskId, TaskRow, TaskStatus,
};
use greenroom_proto::v1 as pb;

use super::{ANSWER_TIMEOUT, GrpcSupervisor, asking};
use crate::Malformed;
use crate::convert::events::{decode_event, encode_scope};
use crate::convert::history::{decode_records, encode_history_query};
use crate::convert::observe::{decode_actor, decode_agent, decode_provider, decode_supervision};
use crate::convert::requests::{
    decode_accepted, decode_aggregated, decode_sessions, decode_tasks, encode_accept, encode_action,
    encode_aggregate, encode_page, encode_range, encode_session_query,
};
use crate::convert::rows::{
    decode_message, decode_session, decode_step, decode_task, encode_payload, encode_task_status,
};
use crate::convert::{encode_principal, list};

/// Asks one unary question: builds the request, bounds the wait, and decodes the answer.
macro_rules! ask {
    ($self:ident . $call:ident ( $question:expr ), $within:expr) => {{
        let mut client = $self.client.clone();
        let within: Option<Duration> = $self.bound($within);
        let request = asking($question, within);
        $self
            .answered(stringify!($call), within, client.$call(request))
            .await?
    }};
    ($self:ident . $call:ident ( $question:expr )) => {
        ask!($self.$call($question), Some(ANSWER_TIMEOUT))
    };
}

/// Opens a subscription. Only its opening is bounded, and only here: a deadline that travelled would bound it whole.
macro_rules! subscribe {
    ($self:ident . $call:ident ( $question:expr )) => {{
        let mut client = $self.client.clone();
        let call = client.$call(asking($question, None));
        $self
            .answered(stringify!($call), $self.bound(Some(ANSWER_TIMEOUT)), call)
            .await?
    }};
}

fn read<T>(decoded: Result<T, Malformed>) -> Result<T, Failure> {
    decoded.map_err(|malformed| malformed.by_peer())
}

fn session_request(who: &Principal, id: &SessionId) -> pb::SessionRequest {
    pb::SessionRequest {
        principal: Some(encode_principal(who)),
        id: id.to_string(),
    }
}

fn task_request(who: &Principal, id: &TaskId) -> pb::TaskRequest {
    pb::TaskRequest {
        principal: Some(encode_principal(who)),
        id: id.to_string(),
    }
}

#[async_trait]
impl Supervisor for GrpcSupervisor {
    async fn create_session(
        &self,
        who: &Principal,
        id: Option<SessionId>,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let question = pb::CreateSessionRequest {
            principal: Some(encode_principal(who)),
            id: id.map(|id| id.to_string()),
            title,
        };
        read(decode_session(ask!(self.create_session(question))))
    }

    async fn update_session(
        &self,
        who: &Principal,
        id: &SessionId,
        title: Option<String>,
    ) -> Result<SessionRow, Failure> {
        let question = pb::UpdateSessionRequest {
            principal: Some(encode_principal(who)),
            id: id.to_string(),
            title,
        };
        read(decode_session(ask!(self.update_session(question))))
    }

    async fn delete_session(&self, who: &Principal, id: &SessionId) -> Result<(), Failure> {
        ask!(self.delete_session(session_request(who, id)));
        Ok(())
    }

    async fn session(&self, who: &Principal, id: &SessionId) -> Result<Option<SessionRow>, Failure> {
        let answer = ask!(self.get_session(session_request(who, id)));
        read(answer.session.map(decode_session).transpose())
    }

    async fn sessions(
        &self,
        who: &Principal,
        query: SessionQuery,
        page: PageRequest,
    ) -> Result<Page<SessionRow>, Failure> {
        read(decode_sessions(ask!(
            self.list_sessions(encode_session_query(who, query, page))
        )))
    }

    async fn messages(
        &self,
        who: &Principal,
        id: &SessionId,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, Failure> {
        let question = pb::ListMessagesRequest {
            principal: Some(encode_principal(who)),
            session_id: id.to_string(),
            range: Some(encode_range(range)),
            limit,
        };
        read(list(ask!(self.list_messages(question)).messages, decode_message))
    }

    async fn accept(&self, who: &Principal, request: AcceptRequest) -> Result<AcceptedTask, Failure> {
        let within = request.wait.saturating_add(ANSWER_TIMEOUT);
        let question = encode_accept(who, request);
        read(decode_accepted(ask!(self.accept(question), Some(within))))
    }

    async fn task(&self, who: &Principal, id: &TaskId) -> Result<Option<TaskRow>, Failure> {
        let answer = ask!(self.get_task(task_request(who, id)));
        read(answer.task.map(decode_task).transpose())
    }

    async fn tasks(
        &self,
        who: &Principal,
        journal: Option<SessionId>,
        status: Option<TaskStatus>,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        let question = pb::ListTasksRequest {
            principal: Some(encode_principal(who)),
            journal: journal.map(|journal| journal.to_string()),
            status: status.map(encode_task_status),
            page: Some(encode_page(page)),
        };
        read(decode_tasks(ask!(self.list_tasks(question))))
    }

    async fn steps(&self, who: &Principal, id: &TaskId) -> Result<Vec<StepView>, Failure> {
        read(list(
            ask!(self.list_steps(task_request(who, id))).steps,
            decode_step,
        ))
    }

    async fn children(
        &self,
        who: &Principal,
        id: &TaskId,
        page: PageRequest,
    ) -> Result<Page<TaskRow>, Failure> {
        let question = pb::ListChildrenRequest {
            principal: Some(encode_principal(who)),
            id: id.to_string(),
            page: Some(encode_page(page)),
        };
        read(decode_tasks(ask!(self.list_children(question))))
    }

    async fn cancel(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        read(decode_task(ask!(self.cancel_task(task_request(who, id)))))
    }

    async fn retry(&self, who: &Principal, id: &TaskId) -> Result<TaskRow, Failure> {
        read(decode_task(ask!(self.retry_task(task_request(who, id)))))
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
        let question = pb::ResolveTaskRequest {
            principal: Some(encode_principal(who)),
            id: id.to_string(),
            step,
            action: Some(encode_action(action)),
            note,
            attempt,
        };
        read(decode_task(ask!(self.resolve_task(question))))
    }

    async fn aggregate(&self, who: &Principal, request: AggregateRequest) -> Result<Aggregate, Failure> {
        let within = request
            .timeout
            .map(|timeout| timeout.saturating_add(ANSWER_TIMEOUT));
        let question = encode_aggregate(who, request);
        read(decode_aggregated(ask!(self.aggregate(question), within)))
    }

    async fn payload(
        &self,
        who: &Principal,
        journal: &SessionId,
        payload: &Payload,
    ) -> Result<Arc<str>, Failure> {
        if let Payload::Inline(text) = payload {
            return Ok(Arc::clone(text));
        }
        let question = pb::GetPayloadRequest {
            principal: Some(encode_principal(who)),
            journal: journal.to_string(),
            payload: Some(encode_payload(payload)),
        };
        Ok(ask!(self.get_payload(question)).text.into())
    }

    async fn events(
        &self,
        who: &Principal,
        scope: EventScope,
        after: Option<Cursor>,
    ) -> Result<EventStream, Failure> {
        let question = pb::EventsRequest {
            principal: Some(encode_principal(who)),
            scope: Some(encode_scope(scope)),
            after: after.map(|cursor| cursor.to_string()),
        };
        let events = subscribe!(self.events(question));
        Ok(self.items(events, decode_event).boxed())
    }

    async fn agent(&self, name: &AgentName) -> Result<Option<AgentStatus>, Failure> {
        let question = pb::AgentRequest {
            name: name.to_string(),
        };
        let answer = ask!(self.get_agent(question));
        read(answer.agent.map(decode_agent).transpose())
    }

    async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        read(list(ask!(self.list_agents(pb::Nothing {})).agents, decode_agent))
    }

    async fn agent_history(
        &self,
        query: HistoryQuery,
        page: PageRequest,
    ) -> Result<Page<AgentRecord>, Failure> {
        read(decode_records(ask!(
            self.list_agent_history(encode_history_query(query, page))
        )))
    }

    async fn watch_agents(
        &self,
        name: Option<AgentName>,
    ) -> Result<BoxStream<'static, AgentStatus>, Failure> {
        let question = pb::WatchAgentsRequest {
            name: name.map(|name| name.to_string()),
        };
        let agents = subscribe!(self.watch_agents(question));
        Ok(self.news(agents, decode_agent))
    }

    async fn providers(&self) -> Result<Vec<ProviderStatus>, Failure> {
        read(list(
            ask!(self.list_providers(pb::Nothing {})).providers,
            decode_provider,
        ))
    }

    async fn supervision_tree(&self) -> Result<Vec<ActorNode>, Failure> {
        read(list(
            ask!(self.get_supervision_tree(pb::Nothing {})).actors,
            decode_actor,
        ))
    }

    async fn watch_supervision(&self) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
        let events = subscribe!(self.watch_supervision(pb::Nothing {}));
        Ok(self.news(events, decode_supervision))
    }
}
