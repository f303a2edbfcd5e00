//! Subscriptions: whose events, and the events.

use greenroom_kernel::{ChatEvent, ChatEventBody, Cursor, EventScope, SessionId, TaskId, Timestamp};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::chat_event::Body;
use greenroom_proto::v1::events_request::Scope;

use super::common::{need, parsed};
use super::rows::{decode_message, decode_step, decode_task, encode_message, encode_step, encode_task};
use crate::Malformed;

pub(crate) fn encode_scope(scope: EventScope) -> Scope {
    match scope {
        EventScope::Session(session) => Scope::SessionId(session.to_string()),
        EventScope::Task(task) => Scope::TaskId(task.to_string()),
    }
}

pub(crate) fn decode_scope(scope: Option<Scope>) -> Result<EventScope, Malformed> {
    Ok(match need(scope, "scope")? {
        Scope::SessionId(id) => EventScope::Session(parsed(SessionId::parse, &id, "session_id")?),
        Scope::TaskId(id) => EventScope::Task(parsed(TaskId::parse, &id, "task_id")?),
    })
}

pub(crate) fn encode_event(event: ChatEvent) -> pb::ChatEvent {
    let body = match event.body {
        ChatEventBody::Message(message) => Body::Message(encode_message(message)),
        ChatEventBody::Delta {
            task,
            attempt,
            offset,
            delta,
        } => Body::Delta(pb::Delta {
            task_id: task.to_string(),
            attempt,
            offset,
            delta,
        }),
        ChatEventBody::Attempt { task, attempt } => Body::Attempt(pb::Attempt {
            task_id: task.to_string(),
            attempt,
        }),
        ChatEventBody::Step { task, step } => Body::Step(pb::StepChange {
            task_id: task.to_string(),
            step: Some(encode_step(step)),
        }),
        ChatEventBody::Waiting { task, step } => Body::Waiting(pb::Waiting {
            task: Some(encode_task(task)),
            step: Some(encode_step(step)),
        }),
        ChatEventBody::Ended(task) => Body::Ended(encode_task(task)),
    };
    pb::ChatEvent {
        cursor: event.cursor.to_string(),
        session_id: event.session.to_string(),
        at_ms: event.at.as_millis(),
        body: Some(body),
    }
}

pub(crate) fn decode_event(event: pb::ChatEvent) -> Result<ChatEvent, Malformed> {
    let task = |id: &str| parsed(TaskId::parse, id, "event.task_id");
    let body = match need(event.body, "event.body")? {
        Body::Message(message) => ChatEventBody::Message(decode_message(message)?),
        Body::Delta(delta) => ChatEventBody::Delta {
            task: task(&delta.task_id)?,
            attempt: delta.attempt,
            offset: delta.offset,
            delta: delta.delta,
        },
        Body::Attempt(attempt) => ChatEventBody::Attempt {
            task: task(&attempt.task_id)?,
            attempt: attempt.attempt,
        },
        Body::Step(change) => ChatEventBody::Step {
            task: task(&change.task_id)?,
            step: decode_step(need(change.step, "event.step")?)?,
        },
        Body::Waiting(waiting) => ChatEventBody::Waiting {
            task: decode_task(need(waiting.task, "event.task")?)?,
            step: decode_step(need(waiting.step, "event.step")?)?,
        },
        Body::Ended(task) => ChatEventBody::Ended(decode_task(task)?),
    };
    Ok(ChatEvent {
        cursor: parsed(Cursor::parse, &event.cursor, "event.cursor")?,
        session: parsed(SessionId::parse, &event.session_id, "event.session_id")?,
        at: Timestamp::from_millis(event.at_ms),
        body,
    })
}
