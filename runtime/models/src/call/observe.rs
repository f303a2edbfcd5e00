//! What a try leaves behind, however it ends: its breaker's word, its span, its record.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    CallContext, FaultClass, LedgerRow, ProviderFault, Reservation, Transcript, TryKind, Usage,
};
use http::HeaderMap;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::Target;
use crate::accounts::Ticket;
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
    kind: TryKind,
    began: Instant,
    span: Span,
    admitted: Option<Admitted>,
    running: Option<Try>,
    estimate: Option<Running>,
    ticket: Option<Arc<Ticket>>,
    /// What is held for it of its caller's budgets.
    held: Reservation,
    /// Whether its request may have gone out.
    dispatched: bool,
    /// A deadline of ours ended it.
    stalled: bool,
    /// How the answer ended, once it did.
    end: Option<Ended>,
}

impl Observed {
    /// `input` is what the request takes, where the call keeps count while it runs.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        target: &Arc<Target>,
        asked: &Asked,
        (number, kind): (u32, TryKind),
        admitted: Admitted,
        input: Option<u64>,
        ticket: Option<Arc<Ticket>>,
    ) -> Self {
        let span = span::of_try(target.gate.name(), &target.model, number);
        span.in_scope(|| tracing::debug!(phase = Phase::Admitted.as_str(), "try"));
        Self {
            shared: Arc::clone(shared),
            target: Arc::clone(target),
            asked: asked.clone(),
            price: target.price,
            number,
            kind,
            began: Instant::now(),
            span,
            admitted: Some(admitted),
            running: None,
            estimate: input.map(Running::begin),
            ticket,
            held: Reservation::default(),
            dispatched: false,
            stalled: false,
            end: None,
        }
    }

    /// Asks the backend, once what it may cost is held.
    pub(super) async fn open(&mut self, context: &CallContext, until: Instant) -> Result<(), TryError> {
        self.known(context, until).await;
        self.hold()?;
        self.dispatched = true;
        let opening = Try::open(&self.target.gate, &self.target.model, &self.asked, context, until);
        match opening.instrument(self.span.clone()).await {
            Ok(running) => {
                self.running = Some(running);
                Ok(())
            }
            Err(error) => Err(self.ended_badly(error)),
        }
    }

    /// Waits a little where it isn't known what was spent of a budget that counts this try.
    async fn known(&mut self, context: &CallContext, until: Instant) {
        let accounts = &self.shared.accounts;
        let Some(ticket) = self.ticket.as_ref().filter(|_| accounts.has_unknown()) else {
            return;
        };
        let known = accounts.known_for(ticket, self.target.gate.name(), &self.target.model);
        // Boxed: it is rare.
        let known = Box::pin(known);
        tokio::select! {
            () = known => {}
            () = context.cancel.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    fn hold(&mut self) -> Result<(), TryError> {
        let Some(ticket) = &self.ticket else {
            return Ok(());
        };
        let (gate, model) = (&self.target.gate, &self.target.model);
        let likely = || self.asked.likely();
        let accounts = &self.shared.accounts;
        match accounts.reserve(ticket, gate.name(), model, self.price, likely) {
            Ok(held) => {
                self.held = held;
                Ok(())
            }
            Err(failure) => {
                // Its permit is dropped: it was no try.
                self.admitted = None;
                Err(TryError::Refused(Box::new(failure)))
            }
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
                if let Sign::End(ended) = &sign {
                    self.end = Some(*ended);
                }
                Ok(sign)
            }
            Err(error) => Err(self.ended_badly(error)),
        }
    }

    /// The answer is whole; gives back what it used.
    pub(super) fn ended_well(&mut self, ended: &Ended) -> Usage {
        let usage = match ended.usage {
            Some(usage) => {
                self.measure(&usage);
                priced(self.price, usage)
            }
            None => self.counted(),
        };
        span::settled(&self.span, ended.finish, &usage);
        self.settle(None, Some(usage.output_tokens + usage.reasoning_tokens));
        self.record(None, usage);
        usage
    }

    fn ended_badly(&mut self, error: TryError) -> TryError {
        match &error {
            TryError::Fault(fault) => self.failed(fault),
            TryError::Stalled(fault) => {
                self.stalled = true;
                self.failed(fault);
            }
            TryError::Cancelled | TryError::TimeUp => self.abandoned(),
            TryError::Refused(_) => {}
        }
        match error {
            TryError::Stalled(fault) => TryError::Fault(fault),
            error => error,
        }
    }

    fn failed(&mut self, fault: &ProviderFault) {
        self.span
            .in_scope(|| tracing::debug!(phase = Phase::Failed.as_str(), "try"));
        span::failed(&self.span, fault);
        self.settle(Some(fault), None);
        self.record(Some(fault.class), self.lost());
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

    /// Whether the answer is passed on as it comes.
    pub(super) fn is_relayed(&self) -> bool {
        self.running.as_ref().is_some_and(Try::is_relayed)
    }

    /// Who keeps what was shown of a relayed answer.
    pub(super) fn transcript(&self) -> Option<Arc<dyn Transcript>> {
        self.running.as_ref()?.transcript.clone()
    }

    /// Bytes of content until now.
    pub(super) fn said(&self) -> u64 {
        self.brought().map_or(0, Brought::said)
    }

    /// The headers of a relayed answer.
    pub(super) fn headers(&mut self) -> HeaderMap {
        self.running
            .as_mut()
            .map(|running| std::mem::take(&mut running.headers))
            .unwrap_or_default()
    }

    /// What the try has used until now, as reported or by our estimate; nothing where nobody keeps count.
    pub(super) fn used(&self) -> Usage {
        let reports = || self.brought().is_some_and(|brought| brought.reported.is_some());
        match &self.estimate {
            Some(_) if reports() => self.counted(),
            Some(estimate) => priced(self.price, estimate.usage()),
            None => priced(self.price, Usage::default()),
        }
    }

    /// What a try that didn't end well is taken to have used: nothing, when neither the model gave a sign nor its
    /// provider a figure, save that we lost patience with it: its provider had the request, and may have answered later.
    pub(super) fn lost(&self) -> Usage {
        match self.brought() {
            Some(brought) if brought.first_sign.is_some() || brought.reported.is_some() => self.counted(),
            _ if self.stalled => self.estimated(),
            _ => Usage::default(),
        }
    }

    /// What a try that was ended from this side is taken to have used. Its provider had the request, and may be at work on
    /// it though nothing was heard: who hangs up early is not to have it for nothing.
    fn left(&self) -> Usage {
        let heard = self.lost();
        match heard == Usage::default() && self.dispatched {
            true => self.estimated(),
            false => heard,
        }
    }

    /// What was reported until now, completed by estimate; all by estimate where nothing was.
    fn counted(&self) -> Usage {
        let reported = self
            .brought()
            .and_then(|brought| Some((brought.reported?, brought)));
        match reported {
            Some((reported, brought)) => priced(self.price, estimate::completed(reported, brought)),
            None => self.estimated(),
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
        if self.admitted.is_none() {
            return;
        }
        // One that has brought everything is whole, whether or not its caller waited for the last word.
        let unread = || self.running.as_ref().and_then(Try::unread_end);
        if let Some(ended) = self.end.or_else(unread) {
            self.ended_well(&ended);
            return;
        }
        if self.admitted.take().is_some() {
            span::class(&self.span, FaultClass::Cancelled);
            self.record(Some(FaultClass::Cancelled), self.left());
        }
    }

    /// Another try of the call had content first. That says only that this one takes longer.
    pub(super) fn outrun(&mut self) {
        if self.admitted.take().is_some() {
            self.span.record("error.type", "outrun");
            self.target.gate.outrun(self.began.elapsed());
            self.tell(Some(FaultClass::Cancelled), self.left(), true);
        }
    }

    fn record(&mut self, fault: Option<FaultClass>, usage: Usage) {
        self.tell(fault, usage, false);
    }

    fn tell(&mut self, fault: Option<FaultClass>, usage: Usage, outrun: bool) {
        self.bill(fault, usage);
        self.shared.metrics.tried(&TryRecord {
            provider: self.target.gate.name(),
            model: &self.target.model,
            number: self.number,
            kind: self.kind,
            outrun,
            fault,
            took: self.began.elapsed(),
            first_content: self.brought().and_then(|brought| brought.first_content),
            usage,
        });
    }
}

impl Observed {
    fn bill(&mut self, fault: Option<FaultClass>, usage: Usage) {
        let Some(ticket) = &self.ticket else {
            return;
        };
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let first_content = self.brought().and_then(|brought| brought.first_content);
        let row = LedgerRow {
            number: self.number,
            kind: self.kind,
            fault,
            took_ms: ms(self.began.elapsed()),
            first_content_ms: first_content.map(ms),
            usage,
            ..ticket.row(self.target.gate.name(), &self.target.model)
        };
        ticket.settle(std::mem::take(&mut self.held), self.began, row);
    }

    /// Learns how good our estimates are.
    fn measure(&self, reported: &Usage) {
        if self.ticket.is_none() {
            return;
        }
        let (provider, model) = (self.target.gate.name(), &self.target.model);
        let estimators = self.shared.accounts.estimators();
        let wanted = estimators.wants(provider, model);
        let estimated = match &self.estimate {
            Some(running) => running.usage(),
            None if wanted => self.estimated(),
            None => return,
        };
        estimators.measured(provider, model, &estimated, reported);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.abandoned();
    }
}
