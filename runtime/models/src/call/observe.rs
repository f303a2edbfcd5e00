//! What a try leaves behind, however it ends: its breaker's word, its span, its record.

use std::sync::Arc;

use greenroom_kernel::{CallContext, FaultClass, ProviderFault, Usage};
use http::HeaderMap;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::Target;
use crate::asked::Asked;
use crate::estimate::{self, Running};
use crate::metrics::TryRecord;
use crate::phase::Phase;
use crate::price::{Price, priced};
use crate::provider::{Admitted, Report};
use crate::router::Shared;
use crate::span;
use crate::tries::{Brought, Ended, Sign, Try, TryError};

/// A try that is watched. Dropped before its end (the caller hung up) it is recorded as cancelled, with what it
/// had used by then.
pub(super) struct Observed {
    shared: Arc<Shared>,
    target: Arc<Target>,
    asked: Asked,
    price: Option<Price>,
    number: u32,
    began: Instant,
    span: Span,
    admitted: Option<Admitted>,
    running: Option<Try>,
    estimate: Option<Running>,
}

impl Observed {
    /// `input` is what the request takes, where the call keeps count while it runs.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        target: &Arc<Target>,
        asked: &Asked,
        number: u32,
        admitted: Admitted,
        input: Option<u64>,
    ) -> Self {
        let span = span::of_try(target.gate.name(), &target.model, number);
        span.in_scope(|| tracing::debug!(phase = Phase::Admitted.as_str(), "try"));
        Self {
            shared: Arc::clone(shared),
            target: Arc::clone(target),
            asked: asked.clone(),
            price: target.price,
            number,
            began: Instant::now(),
            span,
            admitted: Some(admitted),
            running: None,
            estimate: input.map(Running::begin),
        }
    }

    /// Asks the backend.
    pub(super) async fn open(&mut self, context: &CallContext, until: Instant) -> Result<(), TryError> {
        let opening = Try::open(&self.target.gate, &self.target.model, &self.asked, context, until);
        match opening.instrument(self.span.clone()).await {
            Ok(running) => {
                self.running = Some(running);
                Ok(())
            }
            Err(error) => Err(self.ended_badly(error)),
        }
    }

    /// The next sign; nothing is asked of it after an end or an error.
    pub(super) async fn next(&mut self) -> Result<Sign, TryError> {
        let Some(running) = &mut self.running else {
            let message = "a try was read that was never opened";
            let fault = ProviderFault::new(&**self.target.gate.name(), FaultClass::Transient, message);
            return Err(self.ended_badly(TryError::Fault(fault)));
        };
        match running.next().await {
            Ok(sign) => {
                if let Some(estimate) = &mut self.estimate {
                    estimate.more(&sign);
                }
                Ok(sign)
            }
            Err(error) => Err(self.ended_badly(error)),
        }
    }

    /// The answer is whole; gives back what it used.
    pub(super) fn ended_well(&mut self, ended: &Ended) -> Usage {
        let usage = match ended.usage {
            Some(usage) => priced(self.price, usage),
            None => self.estimated(),
        };
        span::settled(&self.span, ended.finish, &usage);
        self.settle(None, Some(usage.output_tokens + usage.reasoning_tokens));
        self.record(None, usage);
        usage
    }

    fn ended_badly(&mut self, error: TryError) -> TryError {
        match &error {
            TryError::Fault(fault) => {
                self.span
                    .in_scope(|| tracing::debug!(phase = Phase::Failed.as_str(), "try"));
                span::failed(&self.span, fault);
                self.settle(Some(fault), None);
                self.record(Some(fault.class), self.lost());
            }
            TryError::Cancelled | TryError::TimeUp => self.abandoned(),
        }
        error
    }

    /// What the try has brought.
    pub(super) fn take(&mut self) -> Brought {
        self.running
            .as_mut()
            .map(|running| std::mem::take(&mut running.brought))
            .unwrap_or_default()
    }

    /// The try itself, once it is opened.
    pub(super) fn running(&mut self) -> Option<&mut Try> {
        self.running.as_mut()
    }

    /// The headers of a relayed answer.
    pub(super) fn headers(&mut self) -> HeaderMap {
        self.running
            .as_mut()
            .map(|running| std::mem::take(&mut running.headers))
            .unwrap_or_default()
    }

    /// What the try has used until now, by our estimate; nothing where nobody keeps count.
    pub(super) fn used(&self) -> Usage {
        let used = self.estimate.map(|estimate| estimate.usage()).unwrap_or_default();
        priced(self.price, used)
    }

    /// What a try that didn't end well is taken to have used: nothing, when the model gave no sign.
    pub(super) fn lost(&self) -> Usage {
        match self.brought().and_then(|brought| brought.first_sign) {
            Some(_) => self.estimated(),
            None => Usage::default(),
        }
    }

    fn brought(&self) -> Option<&Brought> {
        self.running.as_ref().map(|running| &running.brought)
    }

    fn estimated(&self) -> Usage {
        let input = self.asked.input();
        let usage = match self.brought() {
            Some(brought) => estimate::usage(input, brought),
            None => estimate::usage(input, &Brought::default()),
        };
        priced(self.price, usage)
    }

    fn settle(&mut self, fault: Option<&ProviderFault>, output_tokens: Option<u64>) {
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        let brought = self.brought();
        let report = Report {
            fault,
            whole: self.running.as_ref().is_some_and(Try::is_relayed) && !self.asked.is_streamed(),
            took: self.began.elapsed(),
            first_sign: brought.and_then(|b| b.first_sign),
            first_content: brought.and_then(|b| b.first_content),
            output_tokens,
            quota: brought.and_then(|b| b.quota),
        };
        self.target.gate.settle(admitted, &report);
    }

    /// The caller ended it. Its permit is dropped: what a caller decides says nothing about a provider.
    fn abandoned(&mut self) {
        if self.admitted.take().is_some() {
            span::class(&self.span, FaultClass::Cancelled);
            self.record(Some(FaultClass::Cancelled), self.lost());
        }
    }

    fn record(&self, fault: Option<FaultClass>, usage: Usage) {
        self.shared.metrics.tried(&TryRecord {
            provider: self.target.gate.name(),
            model: &self.target.model,
            number: self.number,
            fault,
            took: self.began.elapsed(),
            first_content: self.brought().and_then(|brought| brought.first_content),
            usage,
        });
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.abandoned();
    }
}
