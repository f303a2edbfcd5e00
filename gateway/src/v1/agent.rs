//! An agent asked as if it were a model: its task is accepted as any other is, and its words go out as they come.

mod follow;
mod question;
mod shown;

use std::sync::Arc;

use axum::response::Response;
use greenroom_kernel::{
    AcceptCall, AcceptRequest, AcceptedTask, AgentName, ErrorCode, EventScope, Failure, IdempotencyKey,
    Narrowing, Principal, SessionId, Unreadable, Wish,
};
use greenroom_provider_http::{Dialect, EdgeError, ErrorKind};
use http::{HeaderName, HeaderValue};
use tokio::sync::oneshot;

use super::answer::{self, Caller};
use super::call::Asked;
use super::held::Hold;
use super::refusal::Refused;
use crate::gateway::Inner;
use follow::{Follow, Leaving};
use question::Question;

const AGENT: HeaderName = HeaderName::from_static("x-greenroom-agent");
const TASK: HeaderName = HeaderName::from_static("x-greenroom-task");

/// Who isn't there.
pub(super) fn unknown() -> Refused {
    Refused::no_model("no such agent: GET /v1/models lists them as agent:NAME")
}

/// The answer of the agent `name`. A caller that leaves cancels the task.
pub(super) async fn answer(
    inner: &Arc<Inner>,
    dialect: Arc<dyn Dialect>,
    who: Arc<Principal>,
    name: AgentName,
    asked: Asked,
    trace: String,
    hold: Hold,
) -> Result<Response, Refused> {
    if asked.own.narrowing != Narrowing::default() {
        let why = "an agent is no route: strategy, exclude and the bounds of cost and latency are for models";
        return Err(Unreadable::at("greenroom", why).into());
    }
    let question = match dialect.read(&asked.body)? {
        Wish::Answer(request) => Question::of(&request)?,
        Wish::Embeddings(_) => {
            let why = "an agent answers and embeds nothing: ask a model for vectors";
            return Err(Unreadable::at("model", why).into());
        }
    };
    let session = asked.own.session;
    if let Some(session) = &session {
        open(inner, &who, session).await?;
    }
    let call = match session {
        // What was said before is the session's to know.
        Some(_) => AcceptCall::Chat {
            content: question.content,
            agent: Some(name.clone()),
            model: None,
            metadata: None,
        },
        None => AcceptCall::Task {
            agent: name.clone(),
            input: question.into_input(),
        },
    };
    let request = AcceptRequest {
        call,
        session,
        key: IdempotencyKey::mint(&*inner.random),
        timeout: None,
        wait: std::time::Duration::ZERO,
        trace: Some(trace),
    };
    let (accepted, leaving) = accept(inner, &who, request).await?;
    let supervisor = Arc::clone(&inner.door.supervisor);
    let scope = EventScope::Task(accepted.task.id.clone());
    let events = supervisor.events(&who, scope, Some(accepted.cursor)).await;
    let events = events.map_err(Refused::failed)?;
    let task = accepted.task.id.to_string();
    let raw = asked.peeked.raw;
    let follow = Follow::new(events, leaving, name.to_string(), raw.stream);
    let caller = Caller {
        inner: Arc::clone(inner),
        dialect,
        body: asked.body,
        model: asked.peeked.model,
        stream: raw.stream,
    };
    let mut response = answer::spoken(caller, name.as_str(), follow.words(), hold).await?;
    for (header, value) in [(AGENT, name.as_str()), (TASK, &task)] {
        // Both are ids: always a header's value.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(header, value);
        }
    }
    Ok(response)
}

/// Opens the session where it isn't there.
async fn open(inner: &Inner, who: &Principal, id: &SessionId) -> Result<(), Refused> {
    let supervisor = &inner.door.supervisor;
    let is_there = async || {
        let session = supervisor.session(who, id).await;
        session.map(|session| session.is_some()).map_err(Refused::failed)
    };
    if is_there().await? {
        return Ok(());
    }
    match supervisor.create_session(who, Some(id.clone()), None).await {
        Ok(_) => Ok(()),
        // Another call of the caller's was quicker, or it is somebody else's.
        Err(failure) if failure.code == ErrorCode::Conflict => match is_there().await? {
            true => Ok(()),
            false => {
                let error = EdgeError::new(ErrorKind::NotFound, "no such session");
                let param = Some("greenroom.session".to_owned());
                Err(EdgeError { param, ..error }.into())
            }
        },
        Err(failure) => Err(Refused::failed(failure)),
    }
}

/// Accepts the task, to its end whether or not the caller stays: who left before the task was known leaves nothing
/// running either.
async fn accept(
    inner: &Arc<Inner>,
    who: &Arc<Principal>,
    request: AcceptRequest,
) -> Result<(AcceptedTask, Leaving), Refused> {
    let (tell, told) = oneshot::channel();
    let (inner, who) = (Arc::clone(inner), Arc::clone(who));
    let tasks = inner.door.tasks.clone();
    tasks.spawn(async move {
        let accepted = inner.door.supervisor.accept(&who, request).await;
        let accepted = accepted.map(|accepted| {
            let leaving = Leaving::new(&inner.door.supervisor, who, &accepted.task.id, &inner.door.tasks);
            (accepted, leaving)
        });
        // Where nobody listens any more the task's guard is dropped, which cancels it.
        let _ = tell.send(accepted);
    });
    let accepted = told.await;
    let lost = |_| Failure::internal("accepting the task failed unexpectedly; the log names the cause");
    accepted
        .map_err(lost)
        .flatten()
        .map_err(|failure| match failure.code {
            ErrorCode::NotFound => unknown(),
            _ => Refused::failed(failure),
        })
}
