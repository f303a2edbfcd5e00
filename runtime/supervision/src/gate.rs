//! The gate in front of something that fails: a breaker shared by everyone who calls it.
//!
//! It lives outside the actor it guards and is handed to every incarnation, so that a restarted actor comes back
//! with its breaker as it was. Admission takes a short lock, because a published value can't grant exactly one
//! probe; what others want to *read* is published through a watch.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Breaker, BreakerConfig, BreakerConfigError, BreakerState, CallOutcome, CallStats, Health, HealthSigns,
    HealthThresholds, Permit, Refused,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a [`Gate`] publishes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateStatus {
    /// What the breaker does with new calls.
    pub breaker: BreakerState,
    /// What follows for those who choose whom to call.
    pub health: Health,
    /// The calls the breaker judges by.
    pub calls: CallStats,
}

/// A shared breaker with published health.
#[derive(Debug)]
pub struct Gate {
    guarded: Mutex<Guarded>,
    published: watch::Sender<GateStatus>,
    thresholds: HealthThresholds,
    origin: Instant,
}

#[derive(Debug)]
struct Guarded {
    breaker: Breaker,
    last: Option<CallOutcome>,
    draining: bool,
}

impl Gate {
    /// A closed, healthy gate.
    ///
    /// # Errors
    /// A breaker configuration whose numbers contradict each other.
    pub fn new(config: BreakerConfig, thresholds: HealthThresholds) -> Result<Arc<Self>, BreakerConfigError> {
        let status = GateStatus {
            breaker: BreakerState::Closed,
            health: Health::Healthy,
            calls: CallStats::default(),
        };
        Ok(Arc::new(Self {
            guarded: Mutex::new(Guarded {
                breaker: Breaker::new(config)?,
                last: None,
                draining: false,
            }),
            published: watch::Sender::new(status),
            thresholds,
            origin: Instant::now(),
        }))
    }

    /// Asks for the right to make one call. Draining doesn't refuse: it tells callers to choose others.
    ///
    /// # Errors
    /// [`Refused`] while the breaker is open, or half-open with its probe out.
    pub fn admit(self: &Arc<Self>) -> Result<GatePermit, Refused> {
        self.ask(Breaker::try_admit)
    }

    /// Asks for it though the breaker may be open, because nobody else can take the call: one that has been open for
    /// `after` lets its probe through early.
    ///
    /// # Errors
    /// [`Refused`] while the breaker has been open for less, or is half-open with its probe out.
    pub fn admit_early(self: &Arc<Self>, after: Duration) -> Result<GatePermit, Refused> {
        self.ask(|breaker, now| breaker.try_admit_early(after, now))
    }

    fn ask(
        self: &Arc<Self>,
        admit: impl FnOnce(&mut Breaker, Duration) -> Result<Permit, Refused>,
    ) -> Result<GatePermit, Refused> {
        let now = self.now();
        let mut guarded = self.guarded.lock();
        let admitted = admit(&mut guarded.breaker, now);
        // Only asking an open breaker changes it.
        if !matches!(&admitted, Ok(permit) if !permit.is_probe()) {
            self.publish(&guarded, now);
        }
        drop(guarded);
        Ok(GatePermit {
            permit: Some(admitted?),
            gate: Arc::clone(self),
            admitted: Instant::now(),
        })
    }

    /// Says that what is behind the gate finishes what it has, or takes new work again.
    pub fn set_draining(&self, draining: bool) {
        let mut guarded = self.guarded.lock();
        guarded.draining = draining;
        self.publish(&guarded, self.now());
    }

    /// How things are now.
    pub fn status(&self) -> GateStatus {
        self.judge(&self.guarded.lock(), self.now())
    }

    /// Told of every change of breaker or health. An open breaker whose time is over is told at the next
    /// admission: time alone wakes nobody.
    pub fn subscribe(&self) -> watch::Receiver<GateStatus> {
        self.published.subscribe()
    }

    fn settle(&self, permit: Permit, outcome: CallOutcome, latency: Duration) {
        let now = self.now();
        let mut guarded = self.guarded.lock();
        guarded.breaker.settle(permit, outcome, latency, now);
        if outcome != CallOutcome::Ignored {
            guarded.last = Some(outcome);
        }
        self.publish(&guarded, now);
    }

    /// Under the lock, so that what is published last is what happened last.
    fn publish(&self, guarded: &Guarded, now: Duration) {
        let status = self.judge(guarded, now);
        self.published.send_if_modified(|published| {
            let changed = (published.breaker, published.health) != (status.breaker, status.health);
            *published = status;
            changed
        });
    }

    fn judge(&self, guarded: &Guarded, now: Duration) -> GateStatus {
        let signs = HealthSigns {
            breaker: guarded.breaker.state(now),
            calls: guarded.breaker.stats(now),
            draining: guarded.draining,
            last: guarded.last,
        };
        GateStatus {
            breaker: signs.breaker,
            health: self.thresholds.judge(&signs),
            calls: signs.calls,
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// The right to make one call through a [`Gate`]. Dropped without being settled (the caller was cancelled), it
/// counts as nothing and frees the probe's place.
#[derive(Debug)]
#[must_use = "a permit that is dropped settles nothing"]
pub struct GatePermit {
    permit: Option<Permit>,
    gate: Arc<Gate>,
    admitted: Instant,
}

impl GatePermit {
    /// Whether this call decides over a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::is_probe)
    }

    /// Reports how the call ended; its latency is the time since it was admitted.
    pub fn settle(self, outcome: CallOutcome) {
        let latency = self.admitted.elapsed();
        self.settle_after(outcome, latency);
    }

    /// Reports how the call ended, with the latency that counts (without the time we were slow to read).
    pub fn settle_after(mut self, outcome: CallOutcome, latency: Duration) {
        if let Some(permit) = self.permit.take() {
            self.gate.settle(permit, outcome, latency);
        }
    }
}
