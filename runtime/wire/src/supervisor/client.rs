//! A supervisor in another process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use greenroom_kernel::{
    AcceptRequest, AcceptedTask, ActorNode, AgentName, AgentStatus, Aggregate, AggregateRequest, ChatEvent,
    Cursor, EventScope, EventStream, Failure, MessageRange, MessageRow, Page, PageRequest, Payload,
    Principal, ProviderStatus, ResolveAction, SessionId, SessionQuery, SessionRow, StepView,
    SupervisionEvent, Supervisor, TaskId, TaskRow, TaskStatus,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::supervisor_service_client::SupervisorServiceClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::channel::dial_lazily;
use crate::convert::events::{decode_event, encode_scope};
use crate::convert::observe::{decode_actor, decode_agent, decode_provider, decode_supervision};
use crate::convert::requests::{
    decode_accepted, decode_aggregated, decode_sessions, decode_tasks, encode_accept, encode_action,
    encode_aggregate, encode_page, encode_range, encode_session_query,
};
use crate::convert::rows::{
    decode_message, decode_session, decode_step, decode_task, encode_payload, encode_task_status,
};
use crate::convert::{encode_principal, list};
use crate::{InvalidEndpoint, MAX_MESSAGE_BYTES, Malformed, failure_from_status, inject_trace};

/// How long an answer may take beyond what the caller asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A supervisor in another process, reached over one HTTP/2 connection that is dialled when first needed and again
/// whenever it broke. What no answer came to fails UNAVAILABLE, worth repeating.
#[derive(Debug, Clone)]
pub struct GrpcSupervisor {
    address: Arc<str>,
    client: SupervisorServiceClient<Channel>,
}

/// Asks one unary question: builds the request, bounds the wait, and decodes the answer.
macro_rules! ask {
    ($self:ident . $call:ident ( $question:expr ), $within:expr) => {{
        let mut client = $self.client.clone();
        let within: Option<Duration> = $within;
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
            .answered(stringify!($call), Some(ANSWER_TIMEOUT), call)
            .await?
    }};
}

impl GrpcSupervisor {
    /// The supervisor at `address`, `http://host:port` or `host:port`. Connects to nothing yet; must be called within
    /// a tokio runtime.
    pub fn new(address: &str) -> Result<Self, InvalidEndpoint> {
        let client = SupervisorServiceClient::new(dial_lazily(address)?);
        Ok(Self {
            address: address.into(),
            client: client.max_decoding_message_size(MAX_MESSAGE_BYTES),
        })
    }

    async fn answered<T>(
        &self,
        what: &str,
        within: Option<Duration>,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answer = match within {
            None => call.await,
            Some(within) => match tokio::time::timeout(within, call).await {
                Ok(answer) => answer,
                Err(_) => {
                    let (address, ms) = (&self.address, within.as_millis());
                    let message = format!("{address}: no answer to {what} within {ms} ms");
                    return Err(Failure::unavailable(message));
                }
            },
        };
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(failure_from_status(&status, &self.address)),
        }
    }

    /// Items until the stream ends, which it does behind the first failure.
    fn items<A: Send + 'static, B: Send + 'static>(
        &self,
        stream: Streaming<A>,
        decode: fn(A) -> Result<B, Malformed>,
    ) -> impl Stream<Item = Result<B, Failure>> + Send + 'static {
        let address = Arc::clone(&self.address);
        let decoded = stream.map(move |item| match item {
            Ok(item) => decode(item).map_err(|malformed| malformed.by_peer()),
            Err(status) => Err(failure_from_status(&status, &address)),
        });
        decoded.scan(false, |ended, item| {
            let over = std::mem::replace(ended, item.is_err());
            std::future::ready((!over).then_some(item))
        })
    }

    /// The same where the port has no place for a failure: the stream just ends, and the reader asks again.
    fn news<A: Send + 'static, B: Send + 'static>(
        &self,
        stream: Streaming<A>,
        decode: fn(A) -> Result<B, Malformed>,
    ) -> BoxStream<'static, B> {
        let items = self.items(stream, decode).filter_map(|item| {
            if let Err(failure) = &item {
                tracing::debug!(%failure, "a subscription to a supervisor ended");
            }
            std::future::ready(item.ok())
        });
        items.boxed()
    }
}

fn asking<Q>(question: Q, within: Option<Duration>) -> Request<Q> {
    let mut request = Request::new(question);
    if let Some(within) = within {
        request.set_timeout(within);
    }
    inject_trace(request.metadata_mut(), None);
    request
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
        action: ResolveAction,
        note: Option<String>,
    ) -> Result<TaskRow, Failure> {
        let question = pb::ResolveTaskRequest {
            principal: Some(encode_principal(who)),
            id: id.to_string(),
            step,
            action: Some(encode_action(action)),
            note,
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
        let events: BoxStream<'static, Result<ChatEvent, Failure>> = self.items(events, decode_event).boxed();
        Ok(events)
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
