//! What a gateway asks of a supervisor, and the answers that are more than rows.

use std::time::Duration;

use greenroom_kernel::{
    AcceptCall, AcceptRequest, AcceptedTask, AgentName, Aggregate, AggregateRequest, Cursor, IdempotencyKey,
    MessageRange, Page, PageRequest, Principal, ResolveAction, SessionId, SessionQuery, SessionRow, Subject,
    TaskRow, Timestamp,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::accept_request::Call;
use greenroom_proto::v1::list_messages_request::Range;
use greenroom_proto::v1::resolve_task_request::Action;

use super::common::{
    checked_json, checked_json_if, decode_json, encode_principal, list, millis, need, parsed, parsed_if,
};
use super::rows::{
    decode_message, decode_position, decode_session, decode_task, encode_message, encode_position,
    encode_session, encode_task,
};
use crate::Malformed;

pub(crate) fn encode_page(page: PageRequest) -> pb::PageRequest {
    pb::PageRequest {
        after: page.after,
        limit: page.limit,
    }
}

pub(crate) fn decode_page(page: Option<pb::PageRequest>) -> Result<PageRequest, Malformed> {
    let page = need(page, "page")?;
    Ok(PageRequest {
        after: page.after,
        limit: page.limit,
    })
}

pub(crate) fn encode_session_query(
    who: &Principal,
    query: SessionQuery,
    page: PageRequest,
) -> pb::ListSessionsRequest {
    pb::ListSessionsRequest {
        principal: Some(encode_principal(who)),
        subject: query.subject.map(|subject| subject.to_string()),
        created_after_ms: query.created_after.map(Timestamp::as_millis),
        created_before_ms: query.created_before.map(Timestamp::as_millis),
        title: query.title,
        page: Some(encode_page(page)),
    }
}

/// The query of the request, whose principal and page are read apart.
pub(crate) fn decode_session_query(request: pb::ListSessionsRequest) -> Result<SessionQuery, Malformed> {
    Ok(SessionQuery {
        subject: parsed_if(Subject::parse, request.subject, "subject")?,
        created_after: request.created_after_ms.map(Timestamp::from_millis),
        created_before: request.created_before_ms.map(Timestamp::from_millis),
        title: request.title,
    })
}

pub(crate) fn encode_sessions(page: Page<SessionRow>) -> pb::SessionPage {
    pb::SessionPage {
        sessions: page.rows.into_iter().map(encode_session).collect(),
        next: page.next,
    }
}

pub(crate) fn decode_sessions(page: pb::SessionPage) -> Result<Page<SessionRow>, Malformed> {
    Ok(Page {
        rows: list(page.sessions, decode_session)?,
        next: page.next,
    })
}

pub(crate) fn encode_tasks(page: Page<TaskRow>) -> pb::TaskPage {
    pb::TaskPage {
        tasks: page.rows.into_iter().map(encode_task).collect(),
        next: page.next,
    }
}

pub(crate) fn decode_tasks(page: pb::TaskPage) -> Result<Page<TaskRow>, Malformed> {
    Ok(Page {
        rows: list(page.tasks, decode_task)?,
        next: page.next,
    })
}

pub(crate) fn encode_range(range: MessageRange) -> Range {
    let bound = |position: Option<_>| pb::MessageBound {
        position: position.map(encode_position),
    };
    match range {
        MessageRange::After(position) => Range::After(bound(position)),
        MessageRange::Before(position) => Range::Before(bound(position)),
    }
}

pub(crate) fn decode_range(range: Option<Range>) -> Result<MessageRange, Malformed> {
    Ok(match need(range, "range")? {
        Range::After(bound) => MessageRange::After(bound.position.map(decode_position)),
        Range::Before(bound) => MessageRange::Before(bound.position.map(decode_position)),
    })
}

pub(crate) fn encode_accept(who: &Principal, request: AcceptRequest) -> pb::AcceptRequest {
    let call = match request.call {
        AcceptCall::Chat {
            content,
            agent,
            model,
            metadata,
        } => Call::Chat(pb::Chat {
            content,
            agent: agent.map(|agent| agent.to_string()),
            model,
            metadata_json: metadata.map(|metadata| metadata.to_string()),
        }),
        AcceptCall::Task { agent, input } => Call::Task(pb::AgentTask {
            agent: agent.to_string(),
            input_json: input,
        }),
    };
    pb::AcceptRequest {
        principal: Some(encode_principal(who)),
        call: Some(call),
        session_id: request.session.map(|session| session.to_string()),
        idempotency_key: request.key.to_string(),
        timeout_ms: request.timeout.map(millis),
        wait_ms: millis(request.wait),
        traceparent: request.trace,
    }
}

/// The call of the request, whose principal is read apart.
pub(crate) fn decode_accept(request: pb::AcceptRequest) -> Result<AcceptRequest, Malformed> {
    let call = match need(request.call, "call")? {
        Call::Chat(chat) => AcceptCall::Chat {
            content: chat.content,
            agent: parsed_if(AgentName::parse, chat.agent, "chat.agent")?,
            model: chat.model,
            metadata: decode_json(chat.metadata_json, "chat.metadata_json")?,
        },
        Call::Task(task) => AcceptCall::Task {
            agent: parsed(AgentName::parse, &task.agent, "task.agent")?,
            input: checked_json(task.input_json, "task.input_json")?,
        },
    };
    Ok(AcceptRequest {
        call,
        session: parsed_if(SessionId::parse, request.session_id, "session_id")?,
        key: parsed(IdempotencyKey::parse, &request.idempotency_key, "idempotency_key")?,
        timeout: request.timeout_ms.map(Duration::from_millis),
        wait: Duration::from_millis(request.wait_ms),
        trace: request.traceparent,
    })
}

pub(crate) fn encode_accepted(accepted: AcceptedTask) -> pb::AcceptedTask {
    pb::AcceptedTask {
        task: Some(encode_task(accepted.task)),
        session: accepted.session.map(encode_session),
        message: accepted.message.map(encode_message),
        cursor: accepted.cursor.to_string(),
    }
}

pub(crate) fn decode_accepted(accepted: pb::AcceptedTask) -> Result<AcceptedTask, Malformed> {
    Ok(AcceptedTask {
        task: decode_task(need(accepted.task, "task")?)?,
        session: accepted.session.map(decode_session).transpose()?,
        message: accepted.message.map(decode_message).transpose()?,
        cursor: parsed(Cursor::parse, &accepted.cursor, "cursor")?,
    })
}

pub(crate) fn encode_action(action: ResolveAction) -> Action {
    match action {
        ResolveAction::Approve(value_json) => Action::Approve(pb::Resolved { value_json }),
        ResolveAction::Reject => Action::Reject(pb::Nothing {}),
        ResolveAction::SettleDone(value_json) => Action::SettleDone(pb::Resolved { value_json }),
        ResolveAction::SettleNotDone => Action::SettleNotDone(pb::Nothing {}),
    }
}

pub(crate) fn decode_action(action: Option<Action>) -> Result<ResolveAction, Malformed> {
    let value = |resolved: pb::Resolved| checked_json_if(resolved.value_json, "action.value_json");
    Ok(match need(action, "action")? {
        Action::Approve(resolved) => ResolveAction::Approve(value(resolved)?),
        Action::Reject(_) => ResolveAction::Reject,
        Action::SettleDone(resolved) => ResolveAction::SettleDone(value(resolved)?),
        Action::SettleNotDone(_) => ResolveAction::SettleNotDone,
    })
}

pub(crate) fn encode_aggregate(who: &Principal, request: AggregateRequest) -> pb::AggregateRequest {
    let target = |(agent, input_json): (AgentName, _)| pb::AggregateTarget {
        agent: agent.to_string(),
        input_json,
    };
    pb::AggregateRequest {
        principal: Some(encode_principal(who)),
        targets: request.targets.into_iter().map(target).collect(),
        input_json: request.input,
        timeout_ms: request.timeout.map(millis),
        quorum: request.quorum,
        synthesize: request.synthesize,
        idempotency_key: request.key.to_string(),
        traceparent: request.trace,
    }
}

/// The question of the request, whose principal is read apart.
pub(crate) fn decode_aggregate(request: pb::AggregateRequest) -> Result<AggregateRequest, Malformed> {
    let target = |target: pb::AggregateTarget| {
        Ok((
            parsed(AgentName::parse, &target.agent, "targets.agent")?,
            checked_json_if(target.input_json, "targets.input_json")?,
        ))
    };
    Ok(AggregateRequest {
        targets: list(request.targets, target)?,
        input: checked_json(request.input_json, "input_json")?,
        timeout: request.timeout_ms.map(Duration::from_millis),
        quorum: request.quorum,
        synthesize: request.synthesize,
        key: parsed(IdempotencyKey::parse, &request.idempotency_key, "idempotency_key")?,
        trace: request.traceparent,
    })
}

pub(crate) fn encode_aggregated(aggregate: Aggregate) -> pb::AggregateResult {
    pb::AggregateResult {
        complete: aggregate.complete,
        parts: aggregate.parts.into_iter().map(encode_task).collect(),
        synthesis: aggregate.synthesis.map(encode_task),
    }
}

pub(crate) fn decode_aggregated(aggregate: pb::AggregateResult) -> Result<Aggregate, Malformed> {
    Ok(Aggregate {
        complete: aggregate.complete,
        parts: list(aggregate.parts, decode_task)?,
        synthesis: aggregate.synthesis.map(decode_task).transpose()?,
    })
}
