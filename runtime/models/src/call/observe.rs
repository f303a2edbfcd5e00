//! What a try leaves behind, however it ends: its breaker's word, its span, its record.

use greenroom_kernel::{FaultClass, ModelRequest, ProviderFault, Usage};
use tokio::time::Instant;
use tracing::Span;

use super::Target;
use crate::metrics::TryRecord;
use crate::phase::Phase;
use crate::price::{Price, priced};
use crate::provider::{Admitted, Report};
use crate::router::Shared;
use crate::tries::{Attempt, Brought, Ended, Sign, TryError};
use crate::{estimate, span};

/// A try that is watched. Dropped before its end (the caller hung up) it is recorded as cancelled, with what it
/// had used by then.
pub(super) struct Observed<'a> {
    shared: &'a Shared,
    target: &'a Target,
    request: &'a ModelRequest,
    price: Option<Price>,
    number: u32,
    began: Instant,
    span: Span,
    admitted: Option<Admitted>,
    brought: Brought,
}

impl<'a> Observed<'a> {
    pub(super) fn begin(
        shared: &'a Shared,
        target: &'a Target,
        request: &'a ModelRequest,
        price: Option<Price>,
        number: u32,
        admitted: Admitted,
    ) -> Self {
        let span = span::of_try(target.gate.name(), &target.model, number);
        span.in_scope(|| tracing::debug!(phase = Phase::Admitted.as_str(), "try"));
        Self {
            shared,
            target,
            request,
            price,
            number,
            began: Instant::now(),
            span,
            admitted: Some(admitted),
            brought: Brought::default(),
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Runs the try to its end.
    pub(super) async fn watch(
        &mut self,
        attempt: Attempt<'_>,
        on_sign: &mut (dyn FnMut(Sign<'_>) + Send),
    ) -> Result<(Ended, Usage), TryError> {
        let outcome = attempt.run(&mut self.brought, on_sign).await;
        match outcome {
            Ok(ended) => {
                let usage = match ended.usage {
                    Some(usage) => priced(self.price, usage),
                    None => self.estimated(),
                };
                span::settled(&self.span, ended.finish, &usage);
                self.settle(None);
                self.record(None, usage);
                Ok((ended, usage))
            }
            Err(TryError::Fault(fault)) => {
                tracing::debug!(phase = Phase::Failed.as_str(), "try");
                span::failed(&self.span, &fault);
                self.settle(Some(&fault));
                self.record(Some(fault.class), self.lost());
                Err(TryError::Fault(fault))
            }
            Err(error @ (TryError::Cancelled | TryError::TimeUp)) => {
                self.abandoned();
                Err(error)
            }
        }
    }

    /// What the try has brought.
    pub(super) fn take(&mut self) -> Brought {
        std::mem::take(&mut self.brought)
    }

    /// What a try that didn't end well is taken to have used: nothing, when the model gave no sign.
    pub(super) fn lost(&self) -> Usage {
        match self.brought.first_sign {
            Some(_) => self.estimated(),
            None => Usage::default(),
        }
    }

    fn estimated(&self) -> Usage {
        let usage = estimate::usage(self.request, &self.brought.content, &self.brought.calls);
        priced(self.price, usage)
    }

    fn settle(&mut self, fault: Option<&ProviderFault>) {
        if let Some(admitted) = self.admitted.take() {
            let report = Report {
                fault,
                took: self.began.elapsed(),
                first_sign: self.brought.first_sign,
                first_content: self.brought.first_content,
                ..Report::default()
            };
            self.target.gate.settle(admitted, &report);
        }
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
            first_content: self.brought.first_content,
            usage,
        });
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        self.abandoned();
    }
}
