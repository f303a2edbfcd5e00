//! `SupervisorService` over any supervisor.

mod answer;

use futures::StreamExt as _;
use greenroom_kernel::{AgentName, Cursor, SessionId};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::supervisor_service_server::SupervisorService;
use tonic::Request;

use crate::convert::events::{decode_scope, encode_event};
use crate::convert::history::{decode_history_query, encode_records};
use crate::convert::observe::{encode_actor, encode_agent, encode_provider, encode_supervision};
use crate::convert::requests::{
    decode_accept, decode_action, decode_aggregate, decode_page, decode_range, decode_session_query,
    encode_accepted, encode_aggregated, encode_sessions, encode_tasks,
};
use crate::convert::rows::{
    decode_payload, decode_task_status, encode_message, encode_session, encode_step, encode_task,
};
use crate::convert::{decode_principal, parsed, parsed_if};
use crate::status_from_failure;
use crate::supervisor::service::ServedSupervisor;
use answer::{Answer, Items, begin, session_id, task_id};

#[tonic::async_trait]
impl SupervisorService for ServedSupervisor {
    async fn create_session(&self, request: Request<pb::CreateSessionRequest>) -> Answer<pb::Session> {
        let (span, q) = begin("CreateSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = parsed_if(SessionId::parse, q.id, "id")?;
            Ok(encode_session(
                self.supervisor.create_session(&who, id, q.title).await?,
            ))
        };
        self.answer(span, work).await
    }

    async fn update_session(&self, request: Request<pb::UpdateSessionRequest>) -> Answer<pb::Session> {
        let (span, q) = begin("UpdateSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = session_id(&q.id)?;
            Ok(encode_session(
                self.supervisor.update_session(&who, &id, q.title).await?,
            ))
        };
        self.answer(span, work).await
    }

    async fn delete_session(&self, request: Request<pb::SessionRequest>) -> Answer<pb::Nothing> {
        let (span, q) = begin("DeleteSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            self.supervisor.delete_session(&who, &session_id(&q.id)?).await?;
            Ok(pb::Nothing {})
        };
        self.answer(span, work).await
    }

    async fn get_session(&self, request: Request<pb::SessionRequest>) -> Answer<pb::MaybeSession> {
        let (span, q) = begin("GetSession", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let session = self.supervisor.session(&who, &session_id(&q.id)?).await?;
            Ok(pb::MaybeSession {
                session: session.map(encode_session),
            })
        };
        self.answer(span, work).await
    }

    async fn list_sessions(&self, request: Request<pb::ListSessionsRequest>) -> Answer<pb::SessionPage> {
        let (span, mut q) = begin("ListSessions", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            let page = decode_page(q.page.take())?;
            let sessions = self
                .supervisor
                .sessions(&who, decode_session_query(q)?, page)
                .await?;
            Ok(encode_sessions(sessions))
        };
        self.answer(span, work).await
    }

    async fn list_messages(&self, request: Request<pb::ListMessagesRequest>) -> Answer<pb::MessageList> {
        let (span, q) = begin("ListMessages", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let id = parsed(SessionId::parse, &q.session_id, "session_id")?;
            let range = decode_range(q.range)?;
            let messages = self.supervisor.messages(&who, &id, range, q.limit).await?;
            Ok(pb::MessageList {
                messages: messages.into_iter().map(encode_message).collect(),
            })
        };
        self.answer(span, work).await
    }

    async fn accept(&self, request: Request<pb::AcceptRequest>) -> Answer<pb::AcceptedTask> {
        let (span, mut q) = begin("Accept", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            Ok(encode_accepted(
                self.supervisor.accept(&who, decode_accept(q)?).await?,
            ))
        };
        self.answer(span, work).await
    }

    async fn get_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::MaybeTask> {
        let (span, q) = begin("GetTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let task = self.supervisor.task(&who, &task_id(&q.id)?).await?;
            Ok(pb::MaybeTask {
                task: task.map(encode_task),
            })
        };
        self.answer(span, work).await
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
            Ok(encode_tasks(
                self.supervisor.tasks(&who, journal, status, page).await?,
            ))
        };
        self.answer(span, work).await
    }

    async fn list_steps(&self, request: Request<pb::TaskRequest>) -> Answer<pb::StepList> {
        let (span, q) = begin("ListSteps", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let steps = self.supervisor.steps(&who, &task_id(&q.id)?).await?;
            Ok(pb::StepList {
                steps: steps.into_iter().map(encode_step).collect(),
            })
        };
        self.answer(span, work).await
    }

    async fn list_children(&self, request: Request<pb::ListChildrenRequest>) -> Answer<pb::TaskPage> {
        let (span, q) = begin("ListChildren", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let page = decode_page(q.page)?;
            Ok(encode_tasks(
                self.supervisor.children(&who, &task_id(&q.id)?, page).await?,
            ))
        };
        self.answer(span, work).await
    }

    async fn cancel_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("CancelTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            Ok(encode_task(self.supervisor.cancel(&who, &task_id(&q.id)?).await?))
        };
        self.answer(span, work).await
    }

    async fn retry_task(&self, request: Request<pb::TaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("RetryTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            Ok(encode_task(self.supervisor.retry(&who, &task_id(&q.id)?).await?))
        };
        self.answer(span, work).await
    }

    async fn resolve_task(&self, request: Request<pb::ResolveTaskRequest>) -> Answer<pb::Task> {
        let (span, q) = begin("ResolveTask", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let (id, action) = (task_id(&q.id)?, decode_action(q.action)?);
            let task = self
                .supervisor
                .resolve(&who, &id, q.step, q.attempt, action, q.note)
                .await?;
            Ok(encode_task(task))
        };
        self.answer(span, work).await
    }

    async fn aggregate(&self, request: Request<pb::AggregateRequest>) -> Answer<pb::AggregateResult> {
        let (span, mut q) = begin("Aggregate", request);
        let work = async {
            let who = decode_principal(q.principal.take())?;
            let aggregate = self.supervisor.aggregate(&who, decode_aggregate(q)?).await?;
            Ok(encode_aggregated(aggregate))
        };
        self.answer(span, work).await
    }

    async fn get_payload(&self, request: Request<pb::GetPayloadRequest>) -> Answer<pb::PayloadText> {
        let (span, q) = begin("GetPayload", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let journal = parsed(SessionId::parse, &q.journal, "journal")?;
            let payload = decode_payload(q.payload, "payload")?;
            let text = self.supervisor.payload(&who, &journal, &payload).await?;
            Ok(pb::PayloadText {
                text: String::from(&*text),
            })
        };
        self.answer(span, work).await
    }

    type EventsStream = Items<pb::ChatEvent>;

    async fn events(&self, request: Request<pb::EventsRequest>) -> Answer<Self::EventsStream> {
        let (span, q) = begin("Events", request);
        let work = async {
            let who = decode_principal(q.principal)?;
            let scope = decode_scope(q.scope)?;
            // A cursor's own failure says what a cursor is.
            let after = q.after.as_deref().map(Cursor::parse).transpose()?;
            let events = self.supervisor.events(&who, scope, after).await?;
            let sent = events.map(|event| event.map(encode_event).map_err(|e| status_from_failure(&e)));
            Ok(sent.boxed())
        };
        self.answer(span, work).await
    }

    async fn get_agent(&self, request: Request<pb::AgentRequest>) -> Answer<pb::MaybeAgent> {
        let (span, q) = begin("GetAgent", request);
        let work = async {
            let name = parsed(AgentName::parse, &q.name, "name")?;
            Ok(pb::MaybeAgent {
                agent: self.supervisor.agent(&name).await?.map(encode_agent),
            })
        };
        self.answer(span, work).await
    }

    async fn list_agents(&self, request: Request<pb::Nothing>) -> Answer<pb::AgentList> {
        let (span, _) = begin("ListAgents", request);
        let work = async {
            let agents = self.supervisor.agents().await?;
            Ok(pb::AgentList {
                agents: agents.into_iter().map(encode_agent).collect(),
            })
        };
        self.answer(span, work).await
    }

    async fn list_agent_history(
        &self,
        request: Request<pb::ListAgentHistoryRequest>,
    ) -> Answer<pb::AgentRecordPage> {
        let (span, q) = begin("ListAgentHistory", request);
        let work = async {
            let (query, page) = decode_history_query(q)?;
            Ok(encode_records(self.supervisor.agent_history(query, page).await?))
        };
        self.answer(span, work).await
    }

    type WatchAgentsStream = Items<pb::AgentStatus>;

    async fn watch_agents(
        &self,
        request: Request<pb::WatchAgentsRequest>,
    ) -> Answer<Self::WatchAgentsStream> {
        let (span, q) = begin("WatchAgents", request);
        let work = async {
            let name = parsed_if(AgentName::parse, q.name, "name")?;
            let agents = self.supervisor.watch_agents(name).await?;
            Ok(agents.map(|agent| Ok(encode_agent(agent))).boxed())
        };
        self.answer(span, work).await
    }

    async fn list_providers(&self, request: Request<pb::Nothing>) -> Answer<pb::ProviderList> {
        let (span, _) = begin("ListProviders", request);
        let work = async {
            let providers = self.supervisor.providers().await?;
            Ok(pb::ProviderList {
                providers: providers.into_iter().map(encode_provider).collect(),
            })
        };
        self.answer(span, work).await
    }

    async fn get_supervision_tree(&self, request: Request<pb::Nothing>) -> Answer<pb::ActorList> {
        let (span, _) = begin("GetSupervisionTree", request);
        let work = async {
            let actors = self.supervisor.supervision_tree().await?;
            Ok(pb::ActorList {
                actors: actors.into_iter().map(encode_actor).collect(),
            })
        };
        self.answer(span, work).await
    }

    type WatchSupervisionStream = Items<pb::SupervisionEvent>;

    async fn watch_supervision(&self, request: Request<pb::Nothing>) -> Answer<Self::WatchSupervisionStream> {
        let (span, _) = begin("WatchSupervision", request);
        let work = async {
            let events = self.supervisor.watch_supervision().await?;
            Ok(events.map(|event| Ok(encode_supervision(event))).boxed())
        };
        self.answer(span, work).await
    }
}
