//! One supervisor of the pool: its connection, its breaker, what runs on it, and its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use greenroom_kernel::{
    Breaker, BreakerConfig, BreakerConfigError, CallOutcome, Clock, Failure, HealthSigns, HealthThresholds,
    HostPort, NodeId, Permit,
};
use parking_lot::Mutex;

use super::SupervisorStatus;
use crate::GrpcSupervisor;
use crate::supervisor::Fate;

/// How long a supervisor may take to say that it serves, when its breaker wants to know.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// A supervisor, as it is called.
pub(super) struct Peer {
    pub(super) address: HostPort,
    handle: GrpcSupervisor,
    gate: Mutex<Gate>,
    in_flight: AtomicU32,
    /// What it called itself last.
    name: ArcSwapOption<NodeId>,
}

struct Gate {
    breaker: Breaker,
    last: Option<CallOutcome>,
    last_error: Option<String>,
}

/// What one try came to.
pub(super) enum Tried<T> {
    /// It was answered as wished.
    Done(T),
    /// Nothing was sent: nobody could be reached, or nobody was tried.
    Unsent(Failure),
    /// Nobody knows what became of it.
    Silent(Failure),
    /// It was answered with a failure.
    Refused(Failure),
}

impl Peer {
    pub(super) fn new(
        address: HostPort,
        handle: GrpcSupervisor,
        breaker: &BreakerConfig,
    ) -> Result<Self, BreakerConfigError> {
        Ok(Self {
            address,
            handle,
            gate: Mutex::new(Gate {
                breaker: Breaker::new(breaker.clone())?,
                last: None,
                last_error: None,
            }),
            in_flight: AtomicU32::new(0),
            name: ArcSwapOption::empty(),
        })
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What it called itself last, if it ever did.
    pub(super) fn name(&self) -> Option<Arc<NodeId>> {
        self.name.load_full()
    }

    /// Makes one try that ends within `at_most`. A caller that leaves settles nothing.
    pub(super) async fn call<T, F>(
        &self,
        clock: &dyn Clock,
        at_most: Option<Duration>,
        make: impl FnOnce(GrpcSupervisor) -> F,
    ) -> Tried<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let permit = match self.admit(clock).await {
            Ok(permit) => permit,
            Err(failure) => return Tried::Unsent(failure),
        };
        let (handle, one_call) = self.handle.for_one_call(at_most);
        let counted = Counted::one(&self.in_flight);
        let answer = make(handle).await;
        drop(counted);
        let (tried, error) = match answer {
            Ok(answer) => (Tried::Done(answer), None),
            Err(failure) => match one_call.fate() {
                Fate::Answered => (Tried::Refused(failure), None),
                Fate::Unsent => {
                    let why = failure.message.clone();
                    (Tried::Unsent(failure), Some(why))
                }
                Fate::Silent => {
                    let why = failure.message.clone();
                    (Tried::Silent(failure), Some(why))
                }
            },
        };
        self.settle(permit, error, clock);
        if let Some(node) = one_call.node()
            && self.name.load().as_deref() != Some(node)
        {
            self.name.store(Some(Arc::new(node.clone())));
        }
        tried
    }

    /// The right to make one call. What decides over a half-open breaker is a question for its health, never a call:
    /// a caller's long wait would keep everybody else out.
    async fn admit(&self, clock: &dyn Clock) -> Result<Permit, Failure> {
        let admitted = |permit: Result<Permit, greenroom_kernel::Refused>| {
            permit.map_err(|refused| {
                let why = self.gate.lock().last_error.clone().unwrap_or_default();
                let message = format!("{}: {refused} ({why})", self.address);
                Failure::unavailable(message).retry_after(refused.retry_after)
            })
        };
        let permit = self.gate.lock().breaker.try_admit(clock.monotonic());
        let permit = admitted(permit)?;
        if !permit.is_probe() {
            return Ok(permit);
        }
        let (handle, _) = self.handle.for_one_call(Some(PROBE_WITHIN));
        let checked = handle.check().await;
        self.settle(permit, checked.as_ref().err().map(|f| f.message.clone()), clock);
        checked?;
        let permit = self.gate.lock().breaker.try_admit(clock.monotonic());
        admitted(permit)
    }

    fn settle(&self, permit: Permit, error: Option<String>, clock: &dyn Clock) {
        let outcome = match error {
            None => CallOutcome::Success,
            Some(_) => CallOutcome::Failure,
        };
        let mut gate = self.gate.lock();
        gate.breaker
            .settle(permit, outcome, Duration::ZERO, clock.monotonic());
        gate.last = Some(outcome);
        if error.is_some() {
            gate.last_error = error;
        }
    }

    pub(super) fn status(&self, node: NodeId, clock: &dyn Clock) -> SupervisorStatus {
        let (gate, now) = (self.gate.lock(), clock.monotonic());
        let breaker = gate.breaker.state(now);
        let signs = HealthSigns {
            breaker,
            calls: gate.breaker.stats(now),
            draining: false,
            last: gate.last,
        };
        SupervisorStatus {
            node,
            address: self.address.clone(),
            health: HealthThresholds::default().judge(&signs),
            breaker,
            in_flight: self.in_flight(),
            last_error: gate.last_error.clone(),
        }
    }
}

/// One call under way, until dropped.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn one(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
