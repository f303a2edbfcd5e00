//! Where a call may still go, how long it may take, and what has failed so far.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{CallContext, CallFailure, ErrorCode, Failure, ProviderFault, ServedBy};
use tokio::time::Instant;

use super::Target;
use crate::course::Course;
use crate::route::{HedgeAfter, RouteFlow};
use crate::router::Shared;

/// The targets of one call, and its bounds.
pub(super) struct Candidates {
    pub(super) shared: Arc<Shared>,
    pub(super) context: CallContext,
    pub(super) targets: Vec<Arc<Target>>,
    pub(super) course: Course,
    pub(super) began: Instant,
    pub(super) until: Instant,
    /// How long its caller is kept waiting for a provider that asked to be left alone, where the caller has its own way
    /// of coming back.
    pub(super) patience: Option<Duration>,
    /// When a second try is begun beside the first.
    pub(super) hedge: Option<HedgeAfter>,
    last_fault: Option<ProviderFault>,
}

impl Candidates {
    pub(super) fn new(
        shared: &Arc<Shared>,
        flow: &RouteFlow,
        context: CallContext,
        targets: Vec<Target>,
    ) -> Self {
        let began = Instant::now();
        let left = context.deadline.map(|at| shared.clock.now().until(at));
        let total = left.map_or(shared.deadlines.total, |left| left.min(shared.deadlines.total));
        Self {
            course: Course::new(targets.iter().map(|t| t.window)).rerouting(flow.reroute_filtered),
            shared: Arc::clone(shared),
            context,
            targets: targets.into_iter().map(Arc::new).collect(),
            began,
            until: began + total,
            patience: None,
            hedge: flow.hedge,
            last_fault: None,
        }
    }

    /// A try at a target failed. Says whether anybody is left who could do better.
    pub(super) fn failed(&mut self, at: usize, fault: ProviderFault) -> bool {
        let goes_on = self.course.failed(at, fault.class, fault.retry_after);
        self.last_fault = Some(fault);
        goes_on
    }

    /// Whom a try at a target is served by, if it comes to be.
    pub(super) fn served_by(&self, at: usize) -> ServedBy {
        let target = self.targets.get(at);
        ServedBy {
            provider: target.map(|t| Arc::clone(t.gate.name())).unwrap_or_default(),
            model: target.map(|t| Arc::clone(&t.model)).unwrap_or_default(),
            tries: self.course.made() + 1,
        }
    }

    /// The failure of a call whose tries have failed.
    pub(super) fn given_up(&self) -> CallFailure {
        let Some(fault) = &self.last_fault else {
            return Failure::internal("a model call ended without having been tried").into();
        };
        let mut failure = Failure::from(fault.clone());
        if self.course.made() > 1 {
            failure.message = format!("{} (the last of {} tries)", failure.message, self.course.made());
        }
        CallFailure {
            failure,
            fault: Some(Box::new(fault.clone())),
        }
    }

    pub(super) fn time_up(&self) -> CallFailure {
        let took = self.began.elapsed().as_millis();
        let message = match &self.last_fault {
            Some(fault) => {
                format!("the model call was not done after {took} ms; its last try failed: {fault}")
            }
            None => format!("the model call was not done after {took} ms"),
        };
        Failure::new(ErrorCode::DeadlineExceeded, message).into()
    }
}
