//! The futures that context calls return: named when they are made, asked for when they are first polled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use greenroom_kernel::{Failure, ModelAnswer, StepAnswer, StepCall};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::Run;
use crate::{AgentError, json};

/// A step in the making. Nothing is asked before it is polled. Dropping it abandons the step: what the supervisor
/// runs goes on and its result is lost to this attempt; work of the agent's own stops where it is.
#[must_use = "a step does nothing unless awaited"]
pub struct Step<'a, T>(BoxFuture<'a, Result<T, AgentError>>);

impl<T> Future for Step<'_, T> {
    type Output = Result<T, AgentError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(cx)
    }
}

impl<'a, T: Send + 'a> Step<'a, T> {
    pub(crate) fn failed(failure: Failure) -> Self {
        Self(std::future::ready(Err(AgentError::from_failure(failure))).boxed())
    }
}

impl<'a, T: DeserializeOwned + Send + 'a> Step<'a, T> {
    /// A step that the supervisor runs.
    pub(crate) fn supervised(run: &Arc<Run>, call: Result<StepCall, Failure>, what: &'static str) -> Self {
        let call = match call {
            Ok(call) => call,
            Err(failure) => return Self::failed(failure),
        };
        let run = Arc::clone(run);
        Self(
            async move {
                let kind = call.kind;
                let mut open = run.open(call).await?;
                match open.answer().await? {
                    StepAnswer::Finished(result) => Ok(json::read(&result?, what)?),
                    StepAnswer::Go => Err(AgentError::from_failure(Failure::internal(format!(
                        "the supervisor left a step to the agent that only it can run: {kind:?}"
                    )))),
                }
            }
            .boxed(),
        )
    }

    /// A step that is run here, once the supervisor says so.
    pub(crate) fn own<R, F>(
        run: &Arc<Run>,
        call: Result<StepCall, Failure>,
        what: &'static str,
        work: F,
    ) -> Self
    where
        R: Serialize + Send + 'a,
        F: Future<Output = Result<R, AgentError>> + Send + 'a,
    {
        let call = match call {
            Ok(call) => call,
            Err(failure) => return Self::failed(failure),
        };
        let run = Arc::clone(run);
        #[cfg(feature = "testkit")]
        let (watch, path) = (run.facts.watch.clone(), call.path.clone());
        #[cfg(feature = "testkit")]
        let work = crate::testkit::watched(watch.clone(), path.clone(), work);
        Self(
            async move {
                let mut open = run.open(call).await?;
                let result = match open.answer().await? {
                    StepAnswer::Finished(result) => result,
                    StepAnswer::Go => {
                        let result = match work.await {
                            Ok(result) => json::canonical(&result, what),
                            Err(error) => Err(error.into_failure()),
                        };
                        #[cfg(feature = "testkit")]
                        if let Some(watch) = &watch {
                            watch.finished(&path, &result);
                        }
                        open.report(&result)?;
                        result
                    }
                };
                // Read back even when it was made here: a replay sees nothing else.
                Ok(json::read(&result?, what)?)
            }
            .boxed(),
        )
    }
}

/// A model call in the making.
#[must_use = "a model call does nothing unless awaited"]
pub struct ModelCall {
    run: Arc<Run>,
    call: Option<Result<StepCall, Failure>>,
    running: Option<Step<'static, ModelAnswer>>,
}

impl ModelCall {
    pub(crate) fn new(run: Arc<Run>, call: Result<StepCall, Failure>) -> Self {
        Self {
            run,
            call: Some(call),
            running: None,
        }
    }

    /// Shows the caller the answer's text as it comes.
    pub fn visible(mut self) -> Self {
        if let Some(Ok(call)) = &mut self.call {
            call.visible = true;
        }
        self
    }
}

impl Future for ModelCall {
    type Output = Result<ModelAnswer, AgentError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        if let Some(call) = self.call.take() {
            self.running = Some(Step::supervised(&self.run, call, "the model's answer"));
        }
        match &mut self.running {
            Some(running) => {
                let answer = ready!(running.poll_unpin(cx));
                self.running = None;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}
