//! The log of requests.

use async_graphql::{ID, InputObject, SimpleObject};
use greenroom_kernel::{Failure, RequestContent, RequestQuery, RequestRow, Subject};

use super::enums::ErrorCode;
use super::reach::int;
use super::response::Usage;
use super::scalars::DateTime;

/// One call of a model, whole: with all its tries.
#[derive(SimpleObject)]
pub(crate) struct ModelRequest {
    /// Its name among requests.
    id: ID,
    /// When it ended.
    at: DateTime,
    /// Who called.
    subject: String,
    /// The credential it was called with.
    key: Option<String>,
    /// The conversation it was made in.
    session_id: Option<ID>,
    /// The task it was made in.
    task_id: Option<ID>,
    /// The request's own id, as its answer named it in `x-request-id`.
    request_id: Option<String>,
    /// The model that was asked for; null asked for the default.
    asked: Option<String>,
    /// The provider that answered.
    provider: Option<String>,
    /// Its model.
    model: Option<String>,
    /// Whether the answer was told as it came.
    streamed: bool,
    /// How many tries were made.
    tries: i32,
    /// How it failed; null: it didn't.
    error: Option<ErrorCode>,
    /// From its arrival to its end, in milliseconds.
    took_ms: i32,
    /// From its arrival to its first content, in milliseconds.
    first_content_ms: Option<i32>,
    /// What all its tries used.
    usage: Usage,
    /// What was said; only where the configuration has it kept.
    content: Option<ModelRequestContent>,
}

/// What was said in a request, without secrets, cut where it is long.
#[derive(SimpleObject)]
pub(crate) struct ModelRequestContent {
    /// What was asked.
    asked: String,
    /// What was answered.
    answered: String,
}

impl From<RequestContent> for ModelRequestContent {
    fn from(content: RequestContent) -> Self {
        Self {
            asked: content.asked,
            answered: content.answered,
        }
    }
}

/// A request's place in the log.
pub(super) fn place(row: &RequestRow) -> String {
    format!("{:032x}", row.id.0)
}

impl From<RequestRow> for ModelRequest {
    fn from(row: RequestRow) -> Self {
        let (provider, model) = row.served.clone().unzip();
        let caller = &row.caller;
        Self {
            id: ID(place(&row)),
            at: DateTime(row.at),
            subject: caller.subject.to_string(),
            key: caller.key.as_deref().map(str::to_owned),
            session_id: caller.session.as_ref().map(|id| ID(id.to_string())),
            task_id: caller.task.as_ref().map(|id| ID(id.to_string())),
            request_id: caller.request.as_deref().map(str::to_owned),
            asked: row.asked.as_deref().map(str::to_owned),
            provider: provider.map(|provider| provider.to_string()),
            model: model.map(|model| model.to_string()),
            streamed: row.streamed,
            tries: int(row.tries),
            error: row.failure.map(ErrorCode::from),
            took_ms: int(row.took_ms),
            first_content_ms: row.first_content_ms.map(int),
            usage: row.usage.into(),
            content: row.content.map(ModelRequestContent::from),
        }
    }
}

/// Which requests to tell of: those that fit everything that is said.
#[derive(InputObject)]
pub(crate) struct RequestFilter {
    /// Only those of this caller.
    subject: Option<String>,
    /// Only those that asked for this name, or that this model answered: a model's name or `provider/model`.
    model: Option<String>,
    /// Only those that failed; false: only those that didn't.
    failed: Option<bool>,
    /// Only those that ended at or after.
    ended_after: Option<DateTime>,
    /// Only those that ended before.
    ended_before: Option<DateTime>,
}

impl RequestFilter {
    pub(super) fn read(self) -> Result<RequestQuery, Failure> {
        Ok(RequestQuery {
            subject: self.subject.as_deref().map(Subject::parse).transpose()?,
            model: self.model,
            failed: self.failed,
            from: self.ended_after.map(|at| at.0),
            until: self.ended_before.map(|at| at.0),
        })
    }
}
