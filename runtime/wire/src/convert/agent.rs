//! A run's frames.

use std::time::Duration;

use greenroom_kernel::{
    AgentName, FromAgent, HistoryMessage, Payload, RunStart, StepAnswer, StepCall, StepOutcome, StepPath,
    TaskId, Timestamp, ToAgent,
};
use greenroom_proto::v1 as pb;
use greenroom_proto::v1::answer::Answer as AnswerIs;
use greenroom_proto::v1::report::Outcome;
use greenroom_proto::v1::run_request::Frame as ToFrame;
use greenroom_proto::v1::run_response::Frame as FromFrame;

use super::common::{
    checked_json, decode_effect, decode_failure, decode_kind, decode_principal, decode_role, encode_effect,
    encode_failure, encode_kind, encode_principal, encode_role,
};
use crate::Malformed;

/// The first frame of a run.
pub fn encode_start(start: RunStart) -> pb::RunRequest {
    let history = start.history.into_iter().map(|message| pb::HistoryMessage {
        role: encode_role(message.role),
        content: message.content,
    });
    to_frame(ToFrame::Start(pb::Start {
        task_id: start.task.to_string(),
        agent: start.agent.as_str().to_owned(),
        attempt: start.attempt,
        principal: Some(encode_principal(&start.principal)),
        input_json: start.input,
        history: history.collect(),
        model: start.model,
        deadline_ms: start.deadline.map(Timestamp::as_millis),
        accepted_at_ms: start.accepted_at.as_millis(),
        seed: start.seed,
        credit: start.credit,
        heartbeat_ms: u64::try_from(start.heartbeat.as_millis()).unwrap_or(u64::MAX),
        traceparent: start.trace,
    }))
}

/// Reads the first frame of a run. The input is not looked into.
pub fn decode_start(frame: pb::RunRequest) -> Result<RunStart, Malformed> {
    let Some(ToFrame::Start(start)) = frame.frame else {
        return Err(Malformed::new(
            "frame",
            "the first frame of a run is not its start",
        ));
    };
    let positive = |value: u64, field| match value {
        0 => Err(Malformed::new(field, "it must be at least 1")),
        value => Ok(value),
    };
    let message = |message: pb::HistoryMessage| {
        Ok(HistoryMessage {
            role: decode_role(message.role, "start.history.role")?,
            content: message.content,
        })
    };
    positive(start.attempt.into(), "start.attempt")?;
    positive(start.credit.into(), "start.credit")?;
    Ok(RunStart {
        task: TaskId::parse(&start.task_id).map_err(|e| Malformed::new("start.task_id", e))?,
        agent: AgentName::parse(&start.agent).map_err(|e| Malformed::new("start.agent", e))?,
        attempt: start.attempt,
        principal: decode_principal(start.principal)?,
        input: start.input_json,
        history: start.history.into_iter().map(message).collect::<Result<_, _>>()?,
        model: start.model,
        deadline: start.deadline_ms.map(Timestamp::from_millis),
        accepted_at: Timestamp::from_millis(start.accepted_at_ms),
        seed: start.seed,
        credit: start.credit,
        heartbeat: Duration::from_millis(positive(start.heartbeat_ms, "start.heartbeat_ms")?),
        trace: start.traceparent,
    })
}

/// A frame to an agent, after the first.
pub fn encode_to_agent(frame: ToAgent) -> pb::RunRequest {
    to_frame(match frame {
        ToAgent::Answer { path, answer } => ToFrame::Answer(pb::Answer {
            path: path.as_str().to_owned(),
            answer: Some(match answer {
                StepAnswer::Go => AnswerIs::Go(pb::Nothing {}),
                StepAnswer::Finished(Ok(result)) => AnswerIs::ResultJson(result),
                StepAnswer::Finished(Err(failure)) => AnswerIs::Failure(encode_failure(failure)),
            }),
        }),
        ToAgent::Credit(calls) => ToFrame::Credit(pb::Credit { calls }),
        ToAgent::Cancel(reason) => ToFrame::Cancel(pb::Cancel { reason }),
    })
}

/// Reads a frame to an agent, after the first.
pub fn decode_to_agent(frame: pb::RunRequest) -> Result<ToAgent, Malformed> {
    match frame.frame.ok_or(Malformed::absent("frame"))? {
        ToFrame::Start(_) => Err(Malformed::new("frame", "a run starts once")),
        ToFrame::Answer(answer) => Ok(ToAgent::Answer {
            path: decode_path(&answer.path, "answer.path")?,
            answer: match answer.answer.ok_or(Malformed::absent("answer.answer"))? {
                AnswerIs::Go(_) => StepAnswer::Go,
                AnswerIs::ResultJson(result) => StepAnswer::Finished(Ok(result)),
                AnswerIs::Failure(failure) => {
                    StepAnswer::Finished(Err(decode_failure(failure, "answer.failure")?))
                }
            },
        }),
        ToFrame::Credit(credit) => Ok(ToAgent::Credit(credit.calls)),
        ToFrame::Cancel(cancel) => Ok(ToAgent::Cancel(cancel.reason)),
    }
}

/// A frame from an agent. A reported result must be inline: an agent knows no store.
pub fn encode_from_agent(frame: FromAgent) -> Result<pb::RunResponse, Malformed> {
    let frame = match frame {
        FromAgent::Call(call) => FromFrame::Call(pb::Call {
            path: call.path.as_str().to_owned(),
            kind: encode_kind(call.kind),
            name: call.name,
            effect: encode_effect(call.effect),
            input_json: call.input,
            visible: call.visible,
        }),
        FromAgent::Report { path, outcome } => FromFrame::Report(pb::Report {
            path: path.as_str().to_owned(),
            outcome: Some(match outcome {
                StepOutcome::Done(Payload::Inline(result)) => Outcome::ResultJson(String::from(&*result)),
                StepOutcome::Done(Payload::Blob { .. } | Payload::Hollow) => {
                    return Err(Malformed::new(
                        "report.result_json",
                        "a reported result is inline",
                    ));
                }
                StepOutcome::Failed(failure) => Outcome::Failure(encode_failure(failure)),
            }),
        }),
        FromAgent::Emit(text) => FromFrame::Emit(text),
        FromAgent::Heartbeat => FromFrame::Heartbeat(pb::Nothing {}),
        FromAgent::Completed { content, data } => FromFrame::Completed(pb::Completed {
            content,
            data_json: data,
        }),
        FromAgent::Failed(failure) => FromFrame::Failed(encode_failure(failure)),
        FromAgent::Panicked(message) => FromFrame::Panicked(message),
    };
    Ok(pb::RunResponse { frame: Some(frame) })
}

/// Reads a frame from an agent. JSON texts are checked to be JSON.
pub fn decode_from_agent(frame: pb::RunResponse) -> Result<FromAgent, Malformed> {
    Ok(match frame.frame.ok_or(Malformed::absent("frame"))? {
        FromFrame::Call(call) => FromAgent::Call(StepCall {
            path: decode_path(&call.path, "call.path")?,
            kind: decode_kind(call.kind, "call.kind")?,
            name: call.name,
            effect: decode_effect(call.effect, "call.effect")?,
            input: checked_json(call.input_json, "call.input_json")?,
            visible: call.visible,
        }),
        FromFrame::Report(report) => FromAgent::Report {
            path: decode_path(&report.path, "report.path")?,
            outcome: match report.outcome.ok_or(Malformed::absent("report.outcome"))? {
                Outcome::ResultJson(result) => {
                    StepOutcome::Done(Payload::inline(checked_json(result, "report.result_json")?))
                }
                Outcome::Failure(failure) => StepOutcome::Failed(decode_failure(failure, "report.failure")?),
            },
        },
        FromFrame::Emit(text) => FromAgent::Emit(text),
        FromFrame::Heartbeat(_) => FromAgent::Heartbeat,
        FromFrame::Completed(done) => FromAgent::Completed {
            content: done.content,
            data: match done.data_json {
                Some(data) => Some(checked_json(data, "completed.data_json")?),
                None => None,
            },
        },
        FromFrame::Failed(failure) => FromAgent::Failed(decode_failure(failure, "failed")?),
        FromFrame::Panicked(message) => FromAgent::Panicked(message),
    })
}

fn to_frame(frame: ToFrame) -> pb::RunRequest {
    pb::RunRequest { frame: Some(frame) }
}

fn decode_path(text: &str, field: &'static str) -> Result<StepPath, Malformed> {
    StepPath::parse(text).map_err(|e| Malformed::new(field, e))
}

#[cfg(test)]
mod tests;
