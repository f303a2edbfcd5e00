//! The kernel's model port, served by the model in this process.
//!
//! The model answers one conversation at a time on its own thread. Calls wait in a bounded queue; a call returns its
//! stream when its turn has come, so the time to the first token does not contain the wait. A form asked of the answer
//! and calls of tools are held by a grammar, whatever the model was trained on.

mod load;
mod state;
mod worker;

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use greenroom_kernel::{
    CallContext, Capabilities, FaultClass, ModelBackend, ModelEvent, ModelInfo, ModelRequest, ModelStream,
    ProviderFault,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use state::LocalState;

use crate::engine::{DEFAULT_ANSWER_TOKENS, PROMPT_CHUNK};
use crate::source::{ModelSource, SourceConfig};
use load::Loader;
use worker::{Command, Job, Worker};

/// When a caller that found the queue full, or the model not loaded yet, may come back.
const COME_BACK_AFTER: Duration = Duration::from_secs(2);

/// How the provider is set up.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// The provider's name.
    pub name: String,
    /// Where its model comes from.
    pub source: SourceConfig,
    /// Calls that may wait while another is being answered; at least 1.
    pub queue: usize,
    /// How long a call waits for a model that is still being fetched or loaded.
    pub load_patience: Duration,
    /// How long after a failure to load the next call makes it try again.
    pub reload_after: Duration,
}

impl LocalConfig {
    /// The provider `local` with its usual bounds.
    pub fn new(source: SourceConfig) -> Self {
        Self {
            name: "local".to_owned(),
            source,
            queue: 16,
            load_patience: Duration::from_secs(5),
            reload_after: Duration::from_secs(30),
        }
    }
}

/// The `local` provider. Dropping it ends its thread, within one token of an answer being made.
#[derive(Debug)]
pub struct LocalProvider {
    name: String,
    model: String,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<LocalState>,
    load_patience: Duration,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl LocalProvider {
    /// Starts the thread and begins to load the model there; returns at once. [`LocalProvider::state`] tells how far
    /// it is.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(config: LocalConfig) -> io::Result<Self> {
        let model = config.source.model_name();
        let loader = load::from_source(ModelSource::new(config.source.clone()));
        Self::start_with(config, model, loader)
    }

    fn start_with(config: LocalConfig, model: String, loader: Loader) -> io::Result<Self> {
        let (commands, receiver) = mpsc::channel(config.queue.max(1));
        let (sender, state) = watch::channel(LocalState::Absent);
        let stop = CancellationToken::new();
        let worker = Worker {
            provider: config.name.clone(),
            model: model.clone(),
            loader,
            reload_after: config.reload_after,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            commands: receiver,
            state: sender,
            stop: stop.clone(),
        };
        std::thread::Builder::new()
            .name(format!("model-{}", config.name))
            .spawn(move || worker.run())?;
        Ok(Self {
            name: config.name,
            model,
            commands,
            state,
            load_patience: config.load_patience,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        })
    }

    /// The model's state, live.
    pub fn state(&self) -> watch::Receiver<LocalState> {
        self.state.clone()
    }

    /// Ends the provider: what is being answered, fetched or loaded is given up, and this returns when the thread
    /// has cleaned up. Calls fail from now on. Cancel-safe.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    /// Waits until the model can answer; returns its context window.
    async fn ready(&self, cancel: &CancellationToken) -> Result<u32, ProviderFault> {
        let give_up = Instant::now() + self.load_patience;
        let mut state = self.state.clone();
        loop {
            if let Some(settled) = self.settled(&state.borrow_and_update()) {
                return settled;
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(self.cancelled()),
                changed = timeout_at(give_up, state.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(self.stopped()),
                    Err(_) => return Err(self.not_yet(&state.borrow())),
                },
            }
        }
    }

    /// What a state means for a call; none while that is open. A failed model is asked to be loaded again.
    fn settled(&self, state: &LocalState) -> Option<Result<u32, ProviderFault>> {
        match state {
            LocalState::Ready { context_window, .. } => Some(Ok(*context_window)),
            LocalState::Failed { .. } => {
                if self.commands.try_send(Command::LoadAgain).is_err() {
                    tracing::debug!(provider = %self.name, "too busy to be asked to load again");
                }
                Some(Err(self.fault(FaultClass::HardDown, state.to_string(), None)))
            }
            LocalState::Absent
            | LocalState::Locating
            | LocalState::Downloading { .. }
            | LocalState::Loading { .. } => None,
        }
    }

    fn not_yet(&self, state: &LocalState) -> ProviderFault {
        self.fault(
            FaultClass::HardDown,
            format!("{state}; try again in a moment"),
            Some(COME_BACK_AFTER),
        )
    }

    fn stopped(&self) -> ProviderFault {
        self.fault(
            FaultClass::HardDown,
            "the local provider was stopped; start it again".to_owned(),
            None,
        )
    }

    fn cancelled(&self) -> ProviderFault {
        self.fault(FaultClass::Cancelled, "the caller left".to_owned(), None)
    }

    fn fault(&self, class: FaultClass, message: String, retry_after: Option<Duration>) -> ProviderFault {
        ProviderFault {
            provider: self.name.clone(),
            class,
            message,
            retry_after,
            answered: None,
        }
    }
}

#[async_trait]
impl ModelBackend for LocalProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn models(&self) -> Vec<ModelInfo> {
        let context_window = match &*self.state.borrow() {
            LocalState::Ready { context_window, .. } => Some(*context_window),
            _ => None,
        };
        vec![ModelInfo {
            name: self.model.clone(),
            can: Capabilities {
                context_window,
                prefill: Some(true),
                ..Capabilities::default()
            },
        }]
    }

    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        if model != self.model {
            let message = format!("there is no model {model} here, only {}", self.model);
            return Err(self.fault(FaultClass::BadRequest, message, None));
        }
        let window = self.ready(&context.cancel).await?;
        let tokens = request.max_tokens.unwrap_or(DEFAULT_ANSWER_TOKENS).min(window);
        let (events, receiver) = mpsc::channel(most_events(tokens, window));
        let (started, turn) = oneshot::channel();
        let job = Job {
            request: request.clone(),
            cancel: context.cancel.clone(),
            started,
            events,
        };
        match self.commands.try_send(Command::Answer(job)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let message = "too many calls wait for the local model".to_owned();
                return Err(self.fault(FaultClass::Overloaded, message, Some(COME_BACK_AFTER)));
            }
            Err(TrySendError::Closed(_)) => return Err(self.stopped()),
        }
        tokio::select! {
            () = context.cancel.cancelled() => Err(self.cancelled()),
            turn = turn => match turn {
                Ok(()) => Ok(events_until_end(receiver, self.stopped())),
                Err(_) if context.cancel.is_cancelled() => Err(self.cancelled()),
                Err(_) => Err(self.stopped()),
            },
        }
    }

    async fn probe(&self) -> Result<(), ProviderFault> {
        if self.commands.is_closed() {
            return Err(self.stopped());
        }
        let state = self.state.borrow();
        match self.settled(&state) {
            Some(Ok(_)) => Ok(()),
            Some(Err(fault)) => Err(fault),
            None => Err(self.not_yet(&state)),
        }
    }
}

/// The most events an answer of `tokens` can have: one for every token and every part of the prompt, the rest of
/// the text, a tool call, and the end.
fn most_events(tokens: u32, window: u32) -> usize {
    let count = |tokens| usize::try_from(tokens).unwrap_or(usize::MAX);
    let events = count(tokens)
        .saturating_add(count(window) / PROMPT_CHUNK)
        .saturating_add(3);
    events.min(tokio::sync::Semaphore::MAX_PERMITS)
}

/// The events of an answer up to its end or fault; `truncated` if they cease before.
fn events_until_end(
    receiver: mpsc::Receiver<Result<ModelEvent, ProviderFault>>,
    truncated: ProviderFault,
) -> ModelStream {
    Box::pin(stream::unfold(Some((receiver, truncated)), |open| async {
        let (mut receiver, truncated) = open?;
        match receiver.recv().await {
            Some(last @ (Ok(ModelEvent::End { .. }) | Err(_))) => Some((last, None)),
            Some(event) => Some((event, Some((receiver, truncated)))),
            None => Some((Err(truncated), None)),
        }
    }))
}

#[cfg(test)]
mod tests;
