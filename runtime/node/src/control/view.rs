//! Tasks and steps as commands print them: by their public names.

use std::sync::Arc;

use greenroom_kernel::{
    Effect, ErrorCode, Failure, Payload, StepKind, StepStatus, StepView, TaskExport, TaskRow, TaskStatus,
    Timestamp, Usage,
};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::LINE_AT_MOST;

/// The longest journal that is exported, in bytes: it has to fit a line, with what is around it.
const EXPORT_AT_MOST: u64 = LINE_AT_MOST - 1024;

/// A task in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskView {
    id: String,
    session_id: String,
    agent: String,
    status: TaskStatus,
    attempts: u32,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
}

/// A task by itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskInFull {
    #[serde(flatten)]
    task: TaskView,
    input: Value,
    content: Option<String>,
    data: Value,
    steps: Vec<StepShown>,
}

/// Payloads of a task, fetched; none was deleted.
pub(super) struct Texts {
    pub(super) input: Option<Arc<str>>,
    pub(super) content: Option<Arc<str>>,
    pub(super) data: Option<Arc<str>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureView {
    code: &'static str,
    message: String,
    retryable: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepShown {
    seq: u32,
    attempt: u32,
    kind: StepKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    effect: Effect,
    status: &'static str,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<f64>,
    estimated: bool,
}

impl From<&Usage> for UsageView {
    fn from(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            cost_usd: usage.cost_usd,
            estimated: usage.estimated,
        }
    }
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.as_str(),
            message: failure.message.clone(),
            retryable: failure.retryable,
        }
    }
}

impl From<&TaskRow> for TaskView {
    fn from(row: &TaskRow) -> Self {
        Self {
            id: row.id.to_string(),
            session_id: row.id.journal.to_string(),
            agent: row.agent.to_string(),
            status: row.status,
            attempts: row.attempts,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            deadline: row.deadline.map(|at| at.to_string()),
            parent: row.parent.as_ref().map(ToString::to_string),
            error: row.error.as_ref().map(FailureView::from),
            usage: row.usage.as_ref().map(UsageView::from),
        }
    }
}

impl From<StepView> for StepShown {
    fn from(step: StepView) -> Self {
        let prompt = |payload: Payload| payload.as_inline().map(json_or_text);
        Self {
            seq: step.number,
            attempt: step.attempt,
            kind: step.kind,
            name: step.name,
            effect: step.effect,
            status: match step.status {
                StepStatus::Started => "STARTED",
                StepStatus::Waiting => "WAITING",
                StepStatus::Done => "DONE",
                StepStatus::Failed => "FAILED",
                StepStatus::OutcomeUnknown => "OUTCOME_UNKNOWN",
            },
            started_at: step.started_at.to_string(),
            finished_at: step.finished_at.map(|at: Timestamp| at.to_string()),
            error: step.error.as_ref().map(FailureView::from),
            prompt: step.prompt.and_then(prompt),
        }
    }
}

impl TaskInFull {
    pub(super) fn new(row: &TaskRow, texts: &Texts, steps: Vec<StepView>) -> Self {
        let value = |text: &Option<Arc<str>>| text.as_deref().map_or(Value::Null, json_or_text);
        Self {
            task: row.into(),
            input: value(&texts.input),
            content: texts.content.as_deref().map(str::to_owned),
            data: value(&texts.data),
            steps: steps.into_iter().map(StepShown::from).collect(),
        }
    }
}

/// A task's journal as an answer, if it fits one.
pub(super) fn exported(export: &TaskExport) -> Result<Value, Failure> {
    let value = serde_json::to_value(export)
        .map_err(|error| Failure::internal(format!("a journal can't be written as JSON: {error}")))?;
    let bytes = value.to_string().len() as u64;
    if bytes > EXPORT_AT_MOST {
        return Err(Failure::new(
            ErrorCode::LimitExceeded,
            format!("the journal has {bytes} bytes; at most {EXPORT_AT_MOST} can be exported"),
        ));
    }
    Ok(value)
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Whether a text is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}
