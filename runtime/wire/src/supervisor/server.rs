//! `SupervisorService` over any supervisor.

mod answer;

use std::sync::Arc;

use futures::StreamExt as _;
use greenroom_kernel::{AgentName, Cursor, SessionId, Supervisor};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::supervisor_service_server::{SupervisorService, SupervisorServiceServer};
use tonic::Request;

use crate::convert::events::{decode_scope, encode_event};
use crate::convert::observe::{encode_actor, encode_agent, encode_provider, encode_supervision};
use crate::convert::requests::{
    decode_accept, decode_action, decode_aggregate, decode_page, decode_range, decode_session_query,
    encode_accepted, encode_aggregated, encode_sessions, encode_tasks,
};
use crate::convert::rows::{
    decode_payload, decode_task_status, encode_message, encode_session, encode_step, encode_task,
};
use crate::convert::{decode_principal, parsed, parsed_if};
use crate::{MAX_MESSAGE_BYTES, status_from_failure};
use answer::{Answer, Items, answer, begin, session_id, task_id};

/// The service over `supervisor`: mount it with [`GrpcServer::service`](crate::GrpcServer::service).
pub fn supervisor_service(supervisor: Arc<dyn Supervisor>) -> SupervisorServiceServer<ServedSupervisor> {
    SupervisorServiceServer::new(ServedSupervisor(supervisor)).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// A supervisor as a service.
#[derive(Clone)]
pub struct ServedSupervisor(Arc<dyn Supervisor>);

#[tonic::async_trait]
impl SupervisorService for ServedSupervisor {
    async fn create_session(&self, request: Request<pb::CreateSessionRequest>) -> Answer<pb::Session> {
        let (span, q) = begin("CreateSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = parsed_if(SessionId::parse, q.id, "id")?;
            Ok(encode_session(self.0.create_session(&who, id, q.title).await?))
        };
        answer(span, work).await
    }

    async fn update_session(&self, request: Request<pb::UpdateSessionRequest>) -> Answer<pb::Session> {
        let (span, q) = begin("UpdateSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = session_id(&q.id)?;
            Ok(encode_session(self.0.update_session(&who, &id, q.title).await?))
        };
        answer(span, work).await
    }

    async fn delete_session(&self, request: Request<pb::SessionRequest>) -> Answer<pb::Nothing> {
        let (span, q) = begin("DeleteSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            self.0.delete_session(&who, &session_id(&q.id)?).await?;
            Ok(pb::Nothing {})
        };
        answer(span, work).await
    }

    async fn get_session(&self, request: Request<pb::SessionRequest>) -> Answer<pb::MaybeSession> {
        let (span, q) = begin("GetSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let session = self.0.session(&who, &session_id(&q.id)?).await?;
            Ok(pb::MaybeSession {
                session: session.map(encode_session),
            })
        };
        answer(span, work).await
    }

    async fn list_sessions(&self, request: Request<pb::ListSessionsRequest>) -> Answer<pb::SessionPage> {
        let (span, mut q) = begin("ListSessions", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            let page = decode_page(q.page.take())?;
            let sessions = self.0.sessions(&who, decode_session_query(q)?, page).await?;
            Ok(encode_sessions(sessions))
        };
        answer(span, work).await
    }

    async fn list_messages(&self, request: Request<pb::ListMessagesRequest>) -> Answer<pb::MessageList> {
        let (span, q) = begin("ListMessages", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = parsed(SessionId::parse, &q.session_id, "session_id")?;
            let range = decode_range(q.range)?;
            let messages = self.0.messages(&who, &id, range, q.limit).await?;
            Ok(pb::MessageList {
                messages: messages.into_iter().map(encode_message).collect(),
            })
        };
        answer(span, work).await
    }

    async fn accept(&self, request: Request<pb::AcceptRequest>) -> Answer<pb::AcceptedTask> {
        let (span, mut q) = begin("Accept", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            Ok(encode_accepted(self.0.accept(&who, decode_accept(q)?).await?))
        };
        answer(span, work).await
    }

    async fn get_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::MaybeTask> {
        let (span, q) = begin("GetTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let task = self.0.task(&who, &task_id(&q.id)?).await?;
            Ok(pb::MaybeTask {
                task: task.map(encode_task),
            })
        };
        answer(span, work).await
    }

    async fn list_tasks(&self, request: Request<pb::ListTasksRequest>) -> Answer<pb::TaskPage> {
        let (span, q) = begin("ListTasks", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let journal = parsed_if(SessionId::parse, q.journal, "journal")?;
            let status = q
                .status
                .map(|status| decode_task_status(status, "status"))
                .transpose()?;
            let page = decode_page(q.page)?;
            Ok(encode_tasks(self.0.tasks(&who, journal, status, page).await?))
        };
        answer(span, work).await
    }

    async fn list_steps(&self, request: Request<pb::TaskRequest>) -> Answer<pb::StepList> {
        let (span, q) = begin("ListSteps", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let steps = self.0.steps(&who, &task_id(&q.id)?).await?;
            Ok(pb::StepList {
                steps: steps.into_iter().map(encode_step).collect(),
            })
        };
        answer(span, work).await
    }

    async fn list_children(&self, request: Request<pb::ListChildrenRequest>) -> Answer<pb::TaskPage> {
        let (span, q) = begin("ListChildren", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let page = decode_page(q.page)?;
            Ok(encode_tasks(self.0.children(&who, &task_id(&q.id)?, page).await?))
        };
        answer(span, work).await
    }

    async fn cancel_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("CancelTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            Ok(encode_task(self.0.cancel(&who, &task_id(&q.id)?).await?))
        };
        answer(span, work).await
    }

    async fn retry_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("RetryTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            Ok(encode_task(self.0.retry(&who, &task_id(&q.id)?).await?))
        };
        answer(span, work).await
    }

    async fn resolve_task(&self, request: Request<pb::ResolveTaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("ResolveTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let (id, action) = (task_id(&q.id)?, decode_action(q.action)?);
            let task = self.0.resolve(&who, &id, q.step, action, q.note).await?;
            Ok(encode_task(task))
        };
        answer(span, work).await
    }

    async fn aggregate(&self, request: Request<pb::AggregateRequest>) -> Answer<pb::AggregateResult> {
        let (span, mut q) = begin("Aggregate", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            let aggregate = self.0.aggregate(&who, decode_aggregate(q)?).await?;
            Ok(encode_aggregated(aggregate))
        };
        answer(span, work).await
    }

    async fn get_payload(&self, request: Request<pb::GetPayloadRequest>) -> Answer<pb::PayloadText> {
        let (span, q) = begin("GetPayload", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let journal = parsed(SessionId::parse, &q.journal, "journal")?;
            let payload = decode_payload(q.payload, "payload")?;
            let text = self.0.payload(&who, &journal, &payload).await?;
            Ok(pb::PayloadText {
                text: String::from(&*text),
            })
        };
        answer(span, work).await
    }

    type EventsStream = Items<pb::ChatEvent>;

    async fn events(&self, request: Request<pb::EventsRequest>) -> Answer<Self::EventsStream> {
        let (span, q) = begin("Events", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let scope = decode_scope(q.scope)?;
            // A cursor's own failure says what a cursor is.
            let after = q.after.as_deref().map(Cursor::parse).transpose()?;
            let events = self.0.events(&who, scope, after).await?;
            let sent = events.map(|event| event.map(encode_event).map_err(|e| status_from_failure(&e)));
            Ok(sent.boxed())
        };
        answer(span, work).await
    }

    async fn get_agent(&self, request: Request<pb::AgentRequest>) -> Answer<pb::MaybeAgent> {
        let (span, q) = begin("GetAgent", request);
        let work = async {
            let name = parsed(AgentName::parse, &q.name, "name")?;
            Ok(pb::MaybeAgent {
                agent: self.0.agent(&name).await?.map(encode_agent),
            })
        };
        answer(span, work).await
    }

    async fn list_agents(&self, request: Request<pb::Nothing>) -> Answer<pb::AgentList> {
        let (span, _) = begin("ListAgents", request);
        let work = async {
            let agents = self.0.agents().await?;
            Ok(pb::AgentList {
                agents: agents.into_iter().map(encode_agent).collect(),
            })
        };
        answer(span, work).await
    }

    type WatchAgentsStream = Items<pb::AgentStatus>;

    async fn watch_agents(
        &self,
        request: Request<pb::WatchAgentsRequest>,
    ) -> Answer<Self::WatchAgentsStream> {
        let (span, q) = begin("WatchAgents", request);
        let work = async {
            let name = parsed_if(AgentName::parse, q.name, "name")?;
            let agents = self.0.watch_agents(name).await?;
            Ok(agents.map(|agent| Ok(encode_agent(agent))).boxed())
        };
        answer(span, work).await
    }

    async fn list_providers(&self, request: Request<pb::Nothing>) -> Answer<pb::ProviderList> {
        let (span, _) = begin("ListProviders", request);
        let work = async {
            let providers = self.0.providers().await?;
            Ok(pb::ProviderList {
                providers: providers.into_iter().map(encode_provider).collect(),
            })
        };
        answer(span, work).await
    }

    async fn get_supervision_tree(&self, request: Request<pb::Nothing>) -> Answer<pb::ActorList> {
        let (span, _) = begin("GetSupervisionTree", request);
        let work = async {
            let actors = self.0.supervision_tree().await?;
            Ok(pb::ActorList {
                actors: actors.into_iter().map(encode_actor).collect(),
            })
        };
        answer(span, work).await
    }

    type WatchSupervisionStream = Items<pb::SupervisionEvent>;

    async fn watch_supervision(&self, request: Request<pb::Nothing>) -> Answer<Self::WatchSupervisionStream> {
        let (span, _) = begin("WatchSupervision", request);
        let work = async {
            let events = self.0.watch_supervision().await?;
            Ok(events.map(|event| Ok(encode_supervision(event))).boxed())
        };
        answer(span, work).await
    }
}
