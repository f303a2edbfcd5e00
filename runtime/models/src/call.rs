//! One call: targets chosen, tries made, until one answers or nobody is left.

mod choose;
mod observe;

use std::sync::Arc;

use greenroom_kernel::{
    CallContext, ContentPiece, ErrorCode, Failure, ModelAnswer, ModelRequest, ProviderFault, Usage,
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::course::Course;
use crate::estimate::{self, Running};
use crate::price::priced;
use crate::provider::{Admitted, ProviderGate};
use crate::router::Shared;
use crate::tries::{Attempt, Sign, TryError};
use choose::Chosen;
use observe::Observed;

/// Where a call may go.
pub(crate) struct Target {
    pub(crate) gate: Arc<ProviderGate>,
    pub(crate) model: String,
    pub(crate) window: Option<u32>,
}

/// A call under way.
pub(crate) struct Call<'a> {
    shared: &'a Shared,
    request: &'a ModelRequest,
    context: &'a CallContext,
    targets: Vec<Arc<Target>>,
    course: Course,
    began: Instant,
    until: Instant,
    last_fault: Option<ProviderFault>,
    /// What tries used of which the model gave a sign, and that were lost.
    lost: Usage,
    /// The request's tokens, as estimated.
    input: u64,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        request: &'a ModelRequest,
        context: &'a CallContext,
        targets: Vec<Target>,
    ) -> Self {
        let began = Instant::now();
        let asked = context.deadline.map(|at| shared.clock.now().until(at));
        let total = asked.map_or(shared.deadlines.total, |left| left.min(shared.deadlines.total));
        Self {
            course: Course::new(targets.iter().map(|t| t.window)),
            shared,
            request,
            context,
            targets: targets.into_iter().map(Arc::new).collect(),
            began,
            until: began + total,
            last_fault: None,
            lost: Usage::default(),
            input: estimate::input(request),
        }
    }

    /// Runs to the end. Dropping it ends the try that runs.
    pub(crate) async fn run(
        mut self,
        on_content: &mut (dyn FnMut(ContentPiece<'_>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        if self.context.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let mut shown = false;
        loop {
            let Chosen { at, target, admitted } = self.choose().await?;
            if std::mem::take(&mut shown) {
                on_content(ContentPiece::Restart);
            }
            match self.attempt(&target, admitted, &mut shown, on_content).await {
                Ok(answer) => return Ok(answer),
                Err(TryError::Cancelled) => return Err(cancelled()),
                Err(TryError::TimeUp) => return Err(self.time_up()),
                Err(TryError::Fault(fault)) => {
                    let goes_on = self.course.failed(at, fault.class, fault.retry_after);
                    self.last_fault = Some(fault);
                    if !goes_on {
                        return Err(self.given_up());
                    }
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        target: &Target,
        admitted: Admitted,
        shown: &mut bool,
        on_content: &mut (dyn FnMut(ContentPiece<'_>) + Send),
    ) -> Result<ModelAnswer, TryError> {
        let made = self.course.made();
        if made == 0 {
            self.shared.count_first_try();
        }
        let price = self.shared.price(target);
        let mut observed = Observed::begin(self.shared, target, self.request, price, made + 1, admitted);
        let attempt = Attempt {
            gate: &target.gate,
            model: &target.model,
            request: self.request,
            context: self.context,
            until: self.until,
        };
        let (lost, mut running) = (self.lost, Running::begin(self.input));
        let mut on_sign = |sign: Sign<'_>| {
            running.more(&sign);
            on_content(ContentPiece::Used(lost.plus(priced(price, running.usage()))));
            match sign {
                Sign::Text(text) if !text.is_empty() => {
                    *shown = true;
                    on_content(ContentPiece::Text(text));
                }
                Sign::Text(_) | Sign::Call(_) | Sign::Working => {}
            }
        };
        let span = observed.span().clone();
        match observed.watch(attempt, &mut on_sign).instrument(span).await {
            Ok((ended, usage)) => {
                let brought = observed.take();
                Ok(ModelAnswer {
                    content: brought.content,
                    reasoning: brought.reasoning,
                    tool_calls: brought.calls,
                    finish: ended.finish,
                    usage: usage.plus(self.lost),
                    provider: target.gate.name().to_string(),
                    model: target.model.clone(),
                })
            }
            Err(error) => {
                self.lost = self.lost.plus(observed.lost());
                Err(error)
            }
        }
    }

    /// The failure of a call whose tries have failed.
    fn given_up(&self) -> Failure {
        let Some(fault) = &self.last_fault else {
            return Failure::internal("a model call ended without having been tried");
        };
        let mut failure = Failure::from(fault.clone());
        if self.course.made() > 1 {
            failure.message = format!("{} (the last of {} tries)", failure.message, self.course.made());
        }
        failure
    }

    fn time_up(&self) -> Failure {
        let took = self.began.elapsed().as_millis();
        let message = match &self.last_fault {
            Some(fault) => {
                format!("the model call was not done after {took} ms; its last try failed: {fault}")
            }
            None => format!("the model call was not done after {took} ms"),
        };
        Failure::new(ErrorCode::DeadlineExceeded, message)
    }
}

fn cancelled() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the model call was cancelled")
}
