//! Sessions, tasks, messages, steps: what lists and lookups hand out.

use greenroom_kernel::{
    AgentName, BlobId, JournalKind, Message, MessageRow, Payload, Position, SessionId, SessionRow,
    StepStatus, StepView, Subject, TaskId, TaskOutput, TaskRow, TaskStatus, Timestamp, Usage,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::payload::Text;
use serde_json::Value;

use super::common::{
    decode_effect, decode_failure, decode_json, decode_kind, decode_role, encode_effect, encode_failure,
    encode_kind, encode_role, need, paired, parsed, parsed_if,
};
use crate::Malformed;

paired!(encode_journal_kind, decode_journal_kind, JournalKind, pb::JournalKind, {
    Session <=> Session, Task <=> Task,
});
paired!(encode_task_status, decode_task_status, TaskStatus, pb::TaskStatus, {
    Accepted <=> Accepted, Running <=> Running, Waiting <=> Waiting, Completed <=> Completed,
    Failed <=> Failed, Cancelled <=> Cancelled, OutcomeUnknown <=> OutcomeUnknown,
});
paired!(encode_step_status, decode_step_status, StepStatus, pb::StepStatus, {
    Started <=> Started, Waiting <=> Waiting, Done <=> Done, Failed <=> Failed,
    OutcomeUnknown <=> OutcomeUnknown,
});

pub(crate) fn encode_payload(payload: &Payload) -> pb::Payload {
    pb::Payload {
        text: Some(match payload {
            Payload::Inline(text) => Text::Inline(String::from(&**text)),
            Payload::Blob { id, bytes } => Text::Stored(pb::StoredPayload {
                id: id.as_str().to_owned(),
                bytes: *bytes,
            }),
            Payload::Hollow => Text::Hollow(pb::Nothing {}),
        }),
    }
}

pub(crate) fn decode_payload(
    payload: Option<pb::Payload>,
    field: &'static str,
) -> Result<Payload, Malformed> {
    Ok(match need(payload.and_then(|payload| payload.text), field)? {
        Text::Inline(text) => Payload::inline(text),
        Text::Stored(stored) => Payload::Blob {
            id: parsed(BlobId::parse, &stored.id, field)?,
            bytes: stored.bytes,
        },
        Text::Hollow(_) => Payload::Hollow,
    })
}

fn decode_payload_if(
    payload: Option<pb::Payload>,
    field: &'static str,
) -> Result<Option<Payload>, Malformed> {
    match payload {
        None => Ok(None),
        some => decode_payload(some, field).map(Some),
    }
}

pub(crate) fn encode_position(position: Position) -> pb::Position {
    pb::Position {
        seq: position.seq,
        index: position.index,
    }
}

pub(crate) fn decode_position(position: pb::Position) -> Position {
    Position {
        seq: position.seq,
        index: position.index,
    }
}

pub(crate) fn encode_usage(usage: Usage) -> pb::Usage {
    pb::Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        cost_usd: usage.cost_usd,
        estimated: usage.estimated,
    }
}

pub(crate) fn decode_usage(usage: pb::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        cost_usd: usage.cost_usd,
        estimated: usage.estimated,
    }
}

fn encode_value(value: Option<Value>) -> Option<String> {
    value.map(|value| value.to_string())
}

pub(crate) fn encode_session(row: SessionRow) -> pb::Session {
    pb::Session {
        id: row.id.to_string(),
        subject: row.subject.to_string(),
        title: row.title,
        metadata_json: encode_value(row.metadata),
        created_at_ms: row.created_at.as_millis(),
        updated_at_ms: row.updated_at.as_millis(),
        last: Some(encode_position(row.last)),
        deleted: row.deleted,
    }
}

pub(crate) fn decode_session(row: pb::Session) -> Result<SessionRow, Malformed> {
    Ok(SessionRow {
        id: parsed(SessionId::parse, &row.id, "session.id")?,
        subject: parsed(Subject::parse, &row.subject, "session.subject")?,
        title: row.title,
        metadata: decode_json(row.metadata_json, "session.metadata_json")?,
        created_at: Timestamp::from_millis(row.created_at_ms),
        updated_at: Timestamp::from_millis(row.updated_at_ms),
        last: decode_position(need(row.last, "session.last")?),
        deleted: row.deleted,
    })
}

pub(crate) fn encode_message(row: MessageRow) -> pb::Message {
    pb::Message {
        session_id: row.session.to_string(),
        position: Some(encode_position(row.position)),
        at_ms: row.at.as_millis(),
        task: row.message.task,
        number: row.message.number,
        role: encode_role(row.message.role),
        content: Some(encode_payload(&row.message.content)),
        agent: row.message.agent.map(|agent| agent.to_string()),
        usage: row.message.usage.map(encode_usage),
        metadata_json: encode_value(row.message.metadata),
    }
}

pub(crate) fn decode_message(row: pb::Message) -> Result<MessageRow, Malformed> {
    Ok(MessageRow {
        session: parsed(SessionId::parse, &row.session_id, "message.session_id")?,
        position: decode_position(need(row.position, "message.position")?),
        at: Timestamp::from_millis(row.at_ms),
        message: Message {
            task: row.task,
            number: row.number,
            role: decode_role(row.role, "message.role")?,
            content: decode_payload(row.content, "message.content")?,
            agent: parsed_if(AgentName::parse, row.agent, "message.agent")?,
            usage: row.usage.map(decode_usage),
            metadata: decode_json(row.metadata_json, "message.metadata_json")?,
        },
    })
}

pub(crate) fn encode_task(row: TaskRow) -> pb::Task {
    pb::Task {
        id: row.id.to_string(),
        subject: row.subject.to_string(),
        kind: encode_journal_kind(row.kind),
        turn: row.turn,
        agent: row.agent.to_string(),
        status: encode_task_status(row.status),
        input: Some(encode_payload(&row.input)),
        output: row.output.map(|output| pb::TaskOutput {
            content: output.content.as_ref().map(encode_payload),
            data: output.data.as_ref().map(encode_payload),
            provider: output.provider,
            model: output.model,
        }),
        error: row.error.map(encode_failure),
        usage: row.usage.map(encode_usage),
        attempts: row.attempts,
        created_at_ms: row.created_at.as_millis(),
        updated_at_ms: row.updated_at.as_millis(),
        deadline_ms: row.deadline.map(Timestamp::as_millis),
        parent: row.parent.map(|parent| parent.to_string()),
        first: Some(encode_position(row.first)),
        last: Some(encode_position(row.last)),
        due_ms: row.due.map(Timestamp::as_millis),
    }
}

pub(crate) fn decode_task(row: pb::Task) -> Result<TaskRow, Malformed> {
    let output = |output: pb::TaskOutput| {
        Ok(TaskOutput {
            content: decode_payload_if(output.content, "task.output.content")?,
            data: decode_payload_if(output.data, "task.output.data")?,
            provider: output.provider,
            model: output.model,
        })
    };
    Ok(TaskRow {
        id: parsed(TaskId::parse, &row.id, "task.id")?,
        subject: parsed(Subject::parse, &row.subject, "task.subject")?,
        kind: decode_journal_kind(row.kind, "task.kind")?,
        turn: row.turn,
        agent: parsed(AgentName::parse, &row.agent, "task.agent")?,
        status: decode_task_status(row.status, "task.status")?,
        input: decode_payload(row.input, "task.input")?,
        output: row.output.map(output).transpose()?,
        error: row
            .error
            .map(|error| decode_failure(error, "task.error"))
            .transpose()?,
        usage: row.usage.map(decode_usage),
        attempts: row.attempts,
        created_at: Timestamp::from_millis(row.created_at_ms),
        updated_at: Timestamp::from_millis(row.updated_at_ms),
        deadline: row.deadline_ms.map(Timestamp::from_millis),
        parent: parsed_if(TaskId::parse, row.parent, "task.parent")?,
        first: decode_position(need(row.first, "task.first")?),
        last: decode_position(need(row.last, "task.last")?),
        due: row.due_ms.map(Timestamp::from_millis),
    })
}

pub(crate) fn encode_step(step: StepView) -> pb::Step {
    pb::Step {
        number: step.number,
        attempt: step.attempt,
        kind: encode_kind(step.kind),
        name: step.name,
        effect: encode_effect(step.effect),
        status: encode_step_status(step.status),
        started_at_ms: step.started_at.as_millis(),
        finished_at_ms: step.finished_at.map(Timestamp::as_millis),
        usage: step.usage.map(encode_usage),
        error: step.error.map(encode_failure),
        prompt: step.prompt.as_ref().map(encode_payload),
    }
}

pub(crate) fn decode_step(step: pb::Step) -> Result<StepView, Malformed> {
    Ok(StepView {
        number: step.number,
        attempt: step.attempt,
        kind: decode_kind(step.kind, "step.kind")?,
        name: step.name,
        effect: decode_effect(step.effect, "step.effect")?,
        status: decode_step_status(step.status, "step.status")?,
        started_at: Timestamp::from_millis(step.started_at_ms),
        finished_at: step.finished_at_ms.map(Timestamp::from_millis),
        usage: step.usage.map(decode_usage),
        error: step
            .error
            .map(|error| decode_failure(error, "step.error"))
            .transpose()?,
        prompt: decode_payload_if(step.prompt, "step.prompt")?,
    })
}
