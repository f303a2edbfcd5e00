//! Brings the model from wherever it is into memory, publishing how far it has come.

use std::time::Instant;

use greenroom_kernel::ModelRequest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::LocalState;
use crate::engine::{Answered, Engine, EngineError, Listener};
use crate::source::{ModelSource, SourceProgress, chained};

/// A download is published again when this share of it has arrived since.
const PUBLISH_STEPS: u64 = 200;

/// What the worker needs of a model.
pub(crate) trait Answerer {
    /// Tokens input and output may have together.
    fn context_window(&self) -> usize;

    /// Answers one conversation.
    fn answer(
        &mut self,
        request: &ModelRequest,
        listener: &mut dyn Listener,
    ) -> Result<Answered, EngineError>;

    /// Drops what is remembered of the conversation before.
    fn forget(&mut self);
}

impl Answerer for Engine {
    fn context_window(&self) -> usize {
        Engine::context_window(self)
    }

    fn answer(
        &mut self,
        request: &ModelRequest,
        listener: &mut dyn Listener,
    ) -> Result<Answered, EngineError> {
        Engine::answer(self, request, listener)
    }

    fn forget(&mut self) {
        Engine::forget(self);
    }
}

/// Why there is no model.
#[derive(Debug)]
pub(crate) struct LoadFailure {
    pub(crate) why: String,
    pub(crate) remedy: String,
}

impl LoadFailure {
    fn stopped() -> Self {
        Self {
            why: "the local provider was stopped".to_owned(),
            remedy: "start it again".to_owned(),
        }
    }

    /// The file made the tensor library panic.
    pub(crate) fn panicked() -> Self {
        let remedy = "set GREENROOM_MODEL_PATH to another GGUF file, or unset it".to_owned();
        Self {
            why: "loading the model panicked".to_owned(),
            remedy,
        }
    }
}

/// What a loader works with: the worker's runtime, where to publish, when to give up.
pub(crate) struct LoadContext<'a> {
    pub(crate) runtime: &'a tokio::runtime::Runtime,
    pub(crate) state: &'a watch::Sender<LocalState>,
    pub(crate) stop: &'a CancellationToken,
}

/// Makes a model; called again after a failure.
pub(crate) type Loader = Box<dyn FnMut(&LoadContext<'_>) -> Result<Box<dyn Answerer>, LoadFailure> + Send>;

/// The real loader: finds the file, then reads it.
pub(crate) fn from_source(source: ModelSource) -> Loader {
    Box::new(move |context| {
        context.state.send_replace(LocalState::Locating);
        let started = Instant::now();
        let mut published = 0;
        let mut publish = |SourceProgress { origin, done, total }| {
            let step = total.unwrap_or(0) / PUBLISH_STEPS;
            if published == 0 || done >= published + step {
                published = done.max(1);
                context
                    .state
                    .send_replace(LocalState::Downloading { origin, done, total });
            }
        };
        let found = context.runtime.block_on(async {
            tokio::select! {
                () = context.stop.cancelled() => None,
                found = source.locate(&mut publish) => Some(found),
            }
        });
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                return Err(LoadFailure {
                    why: chained(&error),
                    remedy: error.remedy(),
                });
            }
            None => return Err(LoadFailure::stopped()),
        };
        context.state.send_replace(LocalState::Loading { fraction: 0.0 });
        let mut progress = |fraction| {
            context.state.send_replace(LocalState::Loading { fraction });
        };
        match Engine::load(&found.path, &mut progress) {
            Ok(engine) => {
                let seconds = started.elapsed().as_secs_f64();
                tracing::info!(path = %found.path.display(), source = %found.origin, seconds, "the local model is loaded");
                Ok(Box::new(engine))
            }
            Err(error) => Err(LoadFailure {
                why: chained(&error),
                remedy: "set GREENROOM_MODEL_PATH to a GGUF file of a llama model with the ChatML format, or unset it"
                    .to_owned(),
            }),
        }
    })
}
