//! What every call of the service has in common: its span, its answer, its refusal.

use futures::stream::BoxStream;
use greenroom_kernel::{Failure, SessionId, TaskId};
use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};

use crate::convert::parsed;
use crate::supervisor::NODE;
use crate::supervisor::service::ServedSupervisor;
use crate::{Malformed, continue_trace, status_from_failure};

pub(super) type Answer<T> = Result<Response<T>, Status>;
pub(super) type Items<T> = BoxStream<'static, Result<T, Status>>;

/// Why a call is not answered: it made no sense, or it failed.
pub(super) struct Refused(Failure);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.by_caller())
    }
}

/// The span of a call, continuing the caller's trace, and what is asked.
pub(super) fn begin<Q>(operation: &'static str, request: Request<Q>) -> (Span, Q) {
    let (metadata, _, question) = request.into_parts();
    let span = tracing::info_span!("supervisor call", otel.kind = "server", operation);
    continue_trace(&span, &metadata, None);
    (span, question)
}

impl ServedSupervisor {
    /// What a call's work comes to, with the name of who did it.
    pub(super) async fn answer<T>(
        &self,
        span: Span,
        work: impl Future<Output = Result<T, Refused>>,
    ) -> Answer<T> {
        let mut answer = match work.instrument(span).await {
            Ok(answer) => Ok(Response::new(answer)),
            Err(Refused(failure)) => Err(status_from_failure(&failure)),
        };
        if let Some(node) = self.node.clone() {
            let metadata = match &mut answer {
                Ok(answer) => answer.metadata_mut(),
                Err(status) => status.metadata_mut(),
            };
            metadata.insert(NODE, node);
        }
        answer
    }
}

pub(super) fn session_id(text: &str) -> Result<SessionId, Malformed> {
    parsed(SessionId::parse, text, "id")
}

pub(super) fn task_id(text: &str) -> Result<TaskId, Malformed> {
    parsed(TaskId::parse, text, "id")
}
