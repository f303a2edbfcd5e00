//! The doors that clients of OpenAI and Anthropic know: conversations, vectors and the list of models, in their words.
//!
//! A call is passed on as it came to a target that speaks its words; for others, and for agents (`agent:NAME` as the
//! model), the family's dialect translates. What is here adds no hop of its own: bytes go to the kernel's
//! [`Models`] port and come back as they are, at the client's pace, and a client that hangs up cancels its call.

mod agent;
mod answer;
mod call;
mod context;
mod count;
mod cut;
mod held;
mod listing;
mod own;
mod place;
mod refusal;
mod relayed;
mod watched;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use greenroom_kernel::{Clock, Models, Supervisor, Timestamp, WireFamily};
use greenroom_provider_http::{Dialect, EdgeError, ErrorKind};
use http::Method;
use tokio_util::task::TaskTracker;

use crate::gateway::Inner;
use crate::request_id::{self, RequestId};
use crate::{edge, http as graphql};
use place::Place;
use refusal::Refused;

/// Whether a path is served here.
pub(crate) fn is_below(path: &str) -> bool {
    path.strip_prefix("/v1/").is_some_and(|rest| !rest.is_empty())
}

/// What `/v1` is made of.
pub(crate) struct Door {
    models: Arc<dyn Models>,
    dialects: Vec<Arc<dyn Dialect>>,
    supervisor: Arc<dyn Supervisor>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    /// When the models of the list were made, as far as anybody here knows.
    since: Timestamp,
}

impl Door {
    pub(crate) fn new(
        models: Arc<dyn Models>,
        dialects: Vec<Arc<dyn Dialect>>,
        supervisor: &Arc<dyn Supervisor>,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Self {
        Self {
            models,
            dialects,
            supervisor: Arc::clone(supervisor),
            since: clock.now(),
            clock: Arc::clone(clock),
            tasks: tasks.clone(),
        }
    }

    fn dialect(&self, family: WireFamily) -> Option<&Arc<dyn Dialect>> {
        self.dialects.iter().find(|dialect| dialect.family() == family)
    }

    /// Who words the errors of a request: its own family, else any.
    fn words(&self, request: &Request) -> Option<&Arc<dyn Dialect>> {
        let family = place::family(request.uri().path(), request.headers());
        self.dialect(family).or(self.dialects.first())
    }
}

/// Serves everything below `/v1/`.
pub(crate) async fn serve(inner: Arc<Inner>, request: Request) -> Response {
    let began = Instant::now();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let request_id = request_id.unwrap_or_else(|| RequestId::of(request.headers(), &*inner.random));
    let place = place::of(request.uri().path());
    let Some(words) = inner.door.words(&request).cloned() else {
        let response = edge::unknown_path(State(Arc::clone(&inner)), request).await;
        edge::count(&inner, edge::OTHER, &response, began);
        return response;
    };
    let of_anthropic = words.family() == WireFamily::AnthropicMessages;
    let label = place.label();
    let answered = answer(&inner, place, request, &request_id).await;
    let mut response = answered.unwrap_or_else(|refused| refused.response(&*words));
    if of_anthropic && let Some(id) = request_id.header() {
        response.headers_mut().insert(request_id::ANTHROPIC_HEADER, id);
    }
    edge::count(&inner, label, &response, began);
    response
}

/// Refuses a request that wasn't meant for this machine.
pub(crate) fn foreign(inner: &Inner, request: &Request, why: &str, id: &RequestId) -> Response {
    match inner.door.words(request) {
        Some(words) => Refused::from(EdgeError::new(ErrorKind::Forbidden, why)).response(&**words),
        None => {
            let failure = greenroom_kernel::Failure::new(greenroom_kernel::ErrorCode::Forbidden, why);
            graphql::failure(failure, id)
        }
    }
}

async fn answer(
    inner: &Arc<Inner>,
    place: Place,
    request: Request,
    request_id: &RequestId,
) -> Result<Response, Refused> {
    let method = match &place {
        Place::Call(_) | Place::Count => Method::POST,
        Place::Models | Place::Model(_) => Method::GET,
        Place::Nowhere => return Err(nowhere()),
    };
    if *request.method() != method {
        return Err(Refused::method(if method == Method::POST {
            "POST"
        } else {
            "GET"
        }));
    }
    let peer = graphql::peer(&request);
    let who = graphql::authenticate(inner, request.headers(), peer).await;
    let who = who.map_err(Refused::failed)?;
    match place {
        Place::Call(family) => match inner.door.dialect(family) {
            Some(dialect) => {
                let dialect = Arc::clone(dialect);
                call::call(inner, dialect, who, request, request_id).await
            }
            None => Err(nowhere()),
        },
        Place::Count => match inner.door.dialect(WireFamily::AnthropicMessages) {
            Some(dialect) => count::count(inner, Arc::clone(dialect), request).await,
            None => Err(nowhere()),
        },
        Place::Models => listing::all(inner, request.headers()).await,
        Place::Model(id) => listing::one(inner, request.headers(), &id).await,
        Place::Nowhere => Err(nowhere()),
    }
}

fn nowhere() -> Refused {
    let why = "no such path: there are POST /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/messages, \
               /v1/messages/count_tokens and GET /v1/models";
    EdgeError::new(ErrorKind::NotFound, why)
        .coded("unknown_path")
        .into()
}
