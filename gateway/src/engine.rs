//! From a query's text to its answer: bounded, parsed once, checked once, executed.

mod answer;
mod cost;
mod document;
mod nulls;
mod scan;
mod types;
mod variables;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::{Name, Response, ServerError, ValidationMode, Variables};
use futures::stream::{self, BoxStream, StreamExt};
use futures::{FutureExt, future};
use greenroom_kernel::Failure;
use serde::Deserialize;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::config::QueryLimits;
use crate::errors::{panicked, refusal};
use crate::request_id::RequestId;
use crate::schema::{self, Backend, Caller, Schema};

pub(crate) use answer::Answer;
pub(crate) use document::Kind;
use document::{Documents, Prepared as PreparedDocument};
use types::TypeMap;

/// A query as a client sends it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Operation {
    /// The document.
    pub(crate) query: String,
    /// Which of its operations.
    pub(crate) name: Option<String>,
    /// Values of its variables.
    pub(crate) variables: Variables,
}

/// An operation that may be executed.
#[derive(Debug)]
pub(crate) struct Prepared {
    document: PreparedDocument,
    name: Option<String>,
    variables: Variables,
}

impl Prepared {
    /// Query, mutation or subscription.
    pub(crate) fn kind(&self) -> Kind {
        self.document.facts().kind
    }

    /// Whether executing it leaves something behind.
    pub(crate) fn has_effect(&self) -> bool {
        self.kind() == Kind::Mutation || self.document.facts().spends
    }

    /// What to call it in traces.
    pub(crate) fn label(&self) -> &str {
        self.name
            .as_deref()
            .unwrap_or(self.document.facts().label.as_str())
    }

    /// The first field at its root, if the schema has it: no text of the caller's own.
    pub(crate) fn root(&self) -> Option<&Name> {
        self.document.facts().root.as_ref()
    }
}

/// For whom and as what an operation is executed.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The request's name.
    pub(crate) request_id: RequestId,
    /// The request's span.
    pub(crate) span: Span,
}

/// Executes documents against the schema.
pub(crate) struct Engine {
    /// Checks a document by every rule of the specification.
    strict: Schema,
    /// For documents that passed those before.
    checked: Schema,
    types: Arc<TypeMap>,
    documents: Documents,
    limits: QueryLimits,
    introspection: bool,
    tasks: TaskTracker,
}

impl Engine {
    /// An engine whose mutations run on `tasks`.
    pub(crate) fn new(
        backend: Backend,
        limits: QueryLimits,
        introspection: bool,
        tasks: TaskTracker,
    ) -> Self {
        let strict = schema::build(backend.clone(), ValidationMode::Strict);
        Self {
            types: Arc::new(TypeMap::of(&strict.sdl())),
            strict,
            checked: schema::build(backend, ValidationMode::Fast),
            documents: Documents::default(),
            limits,
            introspection,
            tasks,
        }
    }

    /// Parses an operation and holds it against the limits. Nothing is executed.
    pub(crate) fn prepare(&self, operation: Operation) -> Result<Prepared, Box<ServerError>> {
        let document = self.documents.get(
            &self.types,
            &operation.query,
            operation.name.as_deref(),
            &self.limits,
        )?;
        document.check_cost(&self.types, &operation.variables, &self.limits)?;
        let definitions = &document.operation().variable_definitions;
        variables::check(&self.types, definitions, &operation.variables)
            .map_err(|error| Box::new(refusal(error)))?;
        Ok(Prepared {
            document,
            name: operation.name,
            variables: operation.variables,
        })
    }

    /// Executes a query or a mutation. What has an effect runs to its end even when the returned future is dropped.
    pub(crate) async fn execute(&self, mut prepared: Prepared, execution: Execution) -> Answer {
        if prepared.kind() == Kind::Subscription {
            let failure =
                Failure::bad_input("a subscription needs a WebSocket, or Accept: text/event-stream");
            return Answer::refused(refusal(failure), execution.request_id.as_str());
        }
        let has_effect = prepared.has_effect();
        let Execution {
            caller,
            request_id,
            span,
        } = execution;
        let (schema, request) = self.request(&mut prepared, caller);
        let run = async move { schema.execute(request).await }.instrument(span);
        let response = if has_effect {
            self.tasks.spawn(run).await.map_err(drop)
        } else {
            AssertUnwindSafe(run).catch_unwind().await.map_err(drop)
        };
        match response {
            Ok(response) => self.answer(&prepared, response, &request_id),
            Err(()) => Answer::failed(panicked(), request_id.as_str()),
        }
    }

    /// Executes any operation as a stream of answers: many of a subscription, else one.
    pub(crate) fn stream(
        self: &Arc<Self>,
        mut prepared: Prepared,
        execution: Execution,
    ) -> BoxStream<'static, Answer> {
        let engine = Arc::clone(self);
        if prepared.kind() != Kind::Subscription {
            return stream::once(async move { engine.execute(prepared, execution).await }).boxed();
        }
        let Execution {
            caller,
            request_id,
            span,
        } = execution;
        let (schema, request) = self.request(&mut prepared, caller);
        let responses = {
            let _entered = span.enter();
            schema.execute_stream(request)
        };
        AssertUnwindSafe(responses)
            .catch_unwind()
            .map(move |response| match response {
                Ok(response) => engine.answer(&prepared, response, &request_id),
                Err(_panic) => Answer::failed(panicked(), request_id.as_str()),
            })
            .scan(false, |ended, answer| {
                let go_on = !*ended;
                *ended = answer.is_final();
                future::ready(go_on.then_some(answer))
            })
            .boxed()
    }

    fn request(&self, prepared: &mut Prepared, caller: Caller) -> (Schema, async_graphql::Request) {
        let mut request = async_graphql::Request::new("")
            .variables(std::mem::take(&mut prepared.variables))
            .data(caller);
        request.operation_name = prepared.name.take();
        request.set_parsed_query(prepared.document.parsed().clone());
        if !self.introspection {
            request = request.disable_introspection();
        }
        let schema = if prepared.document.is_checked() {
            &self.checked
        } else {
            &self.strict
        };
        (schema.clone(), request)
    }

    fn answer(&self, prepared: &Prepared, response: Response, request_id: &RequestId) -> Answer {
        let refused = response.errors.iter().any(|error| error.path.is_empty());
        if !refused {
            prepared.document.set_checked();
        }
        let mut data = response.data;
        if !response.errors.is_empty() && !refused {
            nulls::propagate(&self.types, &prepared.document, &mut data, &response.errors);
        }
        Answer::new((!refused).then_some(data), response.errors, request_id.as_str())
    }
}
