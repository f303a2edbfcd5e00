//! One try: a backend's stream driven against its deadlines.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use greenroom_kernel::{
    CallContext, FaultClass, FinishReason, ModelEvent, ModelRequest, ProviderFault, Reasoning, ToolCall,
    Usage,
};
use tokio::time::Instant;

use crate::phase::Phase;
use crate::provider::ProviderGate;

/// Most bytes of one answer.
const ANSWER_AT_MOST: usize = 8 << 20;

/// What a try has brought so far, whether it ends well or not.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) content: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) reasoning: Vec<Reasoning>,
    /// From the dispatch to the model's first sign, shown or not.
    pub(crate) first_sign: Option<Duration>,
    /// From the dispatch to the first text or tool call.
    pub(crate) first_content: Option<Duration>,
}

impl Brought {
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_empty() && self.calls.is_empty()
    }
}

/// A whole answer's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) finish: FinishReason,
    pub(crate) usage: Option<Usage>,
}

/// What a try brings while it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sign<'a> {
    Text(&'a str),
    Call(&'a ToolCall),
    /// The model works on what isn't shown.
    Working,
}

/// Why a try ended without an answer.
#[derive(Debug)]
pub(crate) enum TryError {
    Fault(ProviderFault),
    /// The caller left.
    Cancelled,
    /// The call's own time is up: nobody's fault.
    TimeUp,
}

/// Where and for whom a try is made.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) gate: &'a ProviderGate,
    pub(crate) model: &'a str,
    pub(crate) request: &'a ModelRequest,
    pub(crate) context: &'a CallContext,
    pub(crate) until: Instant,
}

impl Attempt<'_> {
    /// Runs to the end. Dropping it, like every way out of it, drops the backend's call.
    pub(crate) async fn run(
        self,
        brought: &mut Brought,
        on_sign: &mut (dyn FnMut(Sign<'_>) + Send),
    ) -> Result<Ended, TryError> {
        let began = Instant::now();
        let mut phase = Phase::Dispatched;
        let calling = self.gate.backend().call(self.model, self.request, self.context);
        let opened = self.within(phase, calling).await?;
        let mut stream = opened.map_err(|fault| self.told(fault))?;
        phase = Phase::Opened;
        loop {
            let event = match self.within(phase, stream.next()).await? {
                Some(event) => event.map_err(|fault| self.told(fault))?,
                None => return Err(self.fault("its stream ended before the answer did".to_owned())),
            };
            let before = phase;
            phase = phase.after(&event);
            if before == Phase::Opened && phase != before {
                brought.first_sign = Some(began.elapsed());
            }
            if phase != before {
                tracing::debug!(phase = phase.as_str(), "try");
            }
            match event {
                ModelEvent::Content(text) => {
                    brought.content.push_str(&text);
                    on_sign(Sign::Text(&text));
                }
                ModelEvent::ToolCall(call) => {
                    on_sign(Sign::Call(&call));
                    brought.calls.push(call);
                }
                ModelEvent::Reasoned(thought) => brought.reasoning.push(thought),
                ModelEvent::Quota(_) => {}
                ModelEvent::Thinking(_) | ModelEvent::Progress => on_sign(Sign::Working),
                ModelEvent::End { finish, usage } => return Ok(Ended { finish, usage }),
            }
            if brought.first_content.is_none() && !brought.is_empty() {
                brought.first_content = Some(began.elapsed());
            }
            let calls: usize = brought.calls.iter().map(|c| c.arguments.len()).sum();
            if brought.content.len() + calls > ANSWER_AT_MOST {
                return Err(self.fault(format!("its answer is longer than {ANSWER_AT_MOST} bytes")));
            }
        }
    }

    /// Awaits `work` against the phase's deadline, the call's, and the caller's leaving. A panic of the adapter is
    /// the adapter's fault.
    async fn within<T>(&self, phase: Phase, work: impl Future<Output = T>) -> Result<T, TryError> {
        let deadline = phase.deadline(self.gate.deadlines());
        let stalls_at = deadline.map_or(self.until, |(limit, _)| Instant::now() + limit);
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Err(TryError::Cancelled),
            done = AssertUnwindSafe(work).catch_unwind() => {
                done.map_err(|_| self.fault("its adapter panicked".to_owned()))
            }
            () = tokio::time::sleep_until(stalls_at.min(self.until)) => match deadline {
                Some((limit, what)) if stalls_at < self.until => {
                    Err(self.fault(format!("{what} within {} ms", limit.as_millis())))
                }
                _ => Err(TryError::TimeUp),
            },
        }
    }

    /// A backend's own word. One that speaks of a cancelling nobody did has given up by itself.
    fn told(&self, fault: ProviderFault) -> TryError {
        match fault.class {
            FaultClass::Cancelled if self.context.cancel.is_cancelled() => TryError::Cancelled,
            FaultClass::Cancelled => TryError::Fault(ProviderFault {
                class: FaultClass::Transient,
                ..fault
            }),
            _ => TryError::Fault(fault),
        }
    }

    fn fault(&self, message: String) -> TryError {
        TryError::Fault(ProviderFault {
            provider: self.gate.name().to_string(),
            class: FaultClass::Transient,
            message,
            retry_after: None,
            answered: None,
        })
    }
}
