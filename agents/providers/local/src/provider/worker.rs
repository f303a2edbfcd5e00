//! The thread that owns the model: loads it, then answers one conversation after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use greenroom_kernel::{FaultClass, ModelEvent, ModelRequest, ProviderFault, ToolCall, Usage};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::load::{Answerer, LoadContext, LoadFailure, Loader};
use super::state::LocalState;
use crate::engine::{EngineError, Listener};
use crate::source::chained;

/// What the worker is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer a conversation.
    Answer(Job),
    /// Load the model again if that failed a while ago.
    LoadAgain,
}

/// A conversation to answer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: ModelRequest,
    pub(crate) cancel: CancellationToken,
    /// Told when the job leaves the queue; closed when its caller left before.
    pub(crate) started: oneshot::Sender<()>,
    /// Has room for everything one answer can send, so sending never waits for a slow reader.
    pub(crate) events: mpsc::Sender<Result<ModelEvent, ProviderFault>>,
}

/// The worker's own possessions.
pub(crate) struct Worker {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) loader: Loader,
    pub(crate) reload_after: Duration,
    pub(crate) runtime: Runtime,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) state: watch::Sender<LocalState>,
    pub(crate) stop: CancellationToken,
}

impl Worker {
    /// Runs until it is stopped or nobody can send it commands any more.
    pub(crate) fn run(mut self) {
        self.serve();
        // Not dropped: that would wait for a name lookup that hangs.
        self.runtime.shutdown_background();
    }

    fn serve(&mut self) {
        let Some(mut answerer) = self.load() else { return };
        let context_window = u32::try_from(answerer.context_window()).unwrap_or(u32::MAX);
        self.state.send_replace(LocalState::Ready {
            model: self.model.clone(),
            context_window,
        });
        while let Some(command) = self.next() {
            match command {
                Command::Answer(job) => self.answer(answerer.as_mut(), job),
                // Asked for before the model was ready.
                Command::LoadAgain => {}
            }
        }
    }

    /// Loads the model, again and again when asked to after failures; none when it is time to end.
    fn load(&mut self) -> Option<Box<dyn Answerer>> {
        loop {
            let context = LoadContext {
                runtime: &self.runtime,
                state: &self.state,
                stop: &self.stop,
            };
            let LoadFailure { why, remedy } = match catch_unwind(AssertUnwindSafe(|| (self.loader)(&context)))
            {
                Ok(Ok(answerer)) => return Some(answerer),
                Ok(Err(failure)) => failure,
                Err(_) => LoadFailure::panicked(),
            };
            if self.stop.is_cancelled() {
                return None;
            }
            tracing::warn!(provider = %self.provider, %why, %remedy, "the local model is not available");
            let failed = LocalState::Failed { why, remedy };
            self.state.send_replace(failed.clone());
            let failed_at = Instant::now();
            loop {
                match self.next()? {
                    Command::LoadAgain if failed_at.elapsed() >= self.reload_after => break,
                    Command::LoadAgain => {}
                    Command::Answer(job) => {
                        job.fault(self.fault(FaultClass::HardDown, failed.to_string()));
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Option<Command> {
        let (stop, commands) = (&self.stop, &mut self.commands);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.cancelled() => None,
                command = commands.recv() => command,
            }
        })
    }

    fn answer(&self, answerer: &mut dyn Answerer, job: Job) {
        let Job {
            request,
            cancel,
            started,
            events,
        } = job;
        if cancel.is_cancelled() || started.send(()).is_err() {
            return;
        }
        let mut caller = Caller {
            cancel: &cancel,
            stop: &self.stop,
            events: &events,
        };
        let outcome = match catch_unwind(AssertUnwindSafe(|| answerer.answer(&request, &mut caller))) {
            Ok(Ok(answered)) => Ok(ModelEvent::End {
                finish: answered.finish,
                usage: Some(Usage {
                    input_tokens: answered.input_tokens,
                    cached_input_tokens: answered.cached_input_tokens,
                    output_tokens: answered.output_tokens,
                    ..Usage::default()
                }),
            }),
            Ok(Err(error)) => Err(self.fault(class_of(&error), chained(&error))),
            Err(_) => {
                tracing::error!(provider = %self.provider, "computing an answer panicked");
                answerer.forget();
                Err(self.fault(FaultClass::Transient, "computing the answer panicked".to_owned()))
            }
        };
        if events.try_send(outcome).is_err() {
            tracing::debug!(provider = %self.provider, "the caller left before its answer ended");
        }
    }

    fn fault(&self, class: FaultClass, message: String) -> ProviderFault {
        ProviderFault {
            provider: self.provider.clone(),
            class,
            message,
            retry_after: None,
            answered: None,
        }
    }
}

impl Job {
    /// Ends the job with a fault.
    fn fault(self, fault: ProviderFault) {
        if self.started.send(()).is_ok() && self.events.try_send(Err(fault)).is_err() {
            tracing::debug!("the caller left before its answer began");
        }
    }
}

/// The caller of the answer being made.
struct Caller<'a> {
    cancel: &'a CancellationToken,
    stop: &'a CancellationToken,
    events: &'a mpsc::Sender<Result<ModelEvent, ProviderFault>>,
}

impl Caller<'_> {
    fn tell(&self, event: ModelEvent) {
        if self.events.try_send(Ok(event)).is_err() {
            tracing::debug!("an event for a caller that left");
        }
    }
}

impl Listener for Caller<'_> {
    fn is_gone(&self) -> bool {
        self.cancel.is_cancelled() || self.stop.is_cancelled() || self.events.is_closed()
    }

    fn text(&mut self, text: String) {
        self.tell(ModelEvent::Content(text));
    }

    fn tool_call(&mut self, call: ToolCall) {
        self.tell(ModelEvent::ToolCall(call));
    }

    fn progress(&mut self) {
        self.tell(ModelEvent::Progress);
    }
}

fn class_of(error: &EngineError) -> FaultClass {
    match error {
        EngineError::ContextLength { .. } => FaultClass::ContextLength,
        EngineError::Sampling { .. }
        | EngineError::Form { .. }
        | EngineError::EmptyConversation
        | EngineError::Tokenize { .. } => FaultClass::BadRequest,
        EngineError::Compute { .. } => FaultClass::Transient,
        EngineError::Cancelled => FaultClass::Cancelled,
        EngineError::Open { .. } | EngineError::Format { .. } | EngineError::Unsupported { .. } => {
            FaultClass::HardDown
        }
    }
}
