//! What every call passes on its way to a provider, and what others read of it. It lives beside the provider's
//! actor, so that a restart changes none of it, and is asked without any message.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use greenroom_kernel::{
    AdaptiveLimit, BreakerConfigError, BreakerState, CallOutcome, FaultClass, Health, HealthThresholds,
    LimitConfig, LimitSignal, ModelBackend, ModelInfo, ProviderFault, ProviderStatus, Quota, Timestamp,
};
use greenroom_supervision::{Gate, GatePermit};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::seen::{Held, Seen};
use super::slots::{Slot, Slots};
use crate::config::ProviderSpec;
use crate::deadlines::Deadlines;

/// How often a call is let through that our own judgement would keep away.
const EARLY_EVERY: Duration = Duration::from_secs(1);

/// Why a provider doesn't take a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It asked to be left alone.
    Held(Duration),
    /// By our own judgement: its breaker is open, or its allowance is used up.
    Away(Duration),
    /// It has all the calls it takes.
    Busy,
}

/// The right to make one call: a slot, and the breaker's permit.
#[derive(Debug)]
pub(crate) struct Admitted {
    permit: GatePermit,
    _slot: Slot,
    began: Duration,
    /// Calls that ran when it began, itself included.
    running: u32,
}

/// How an admitted call ended.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    pub(crate) fault: Option<&'a ProviderFault>,
    /// It came whole: nobody knows when it began.
    pub(crate) whole: bool,
    pub(crate) took: Duration,
    pub(crate) first_sign: Option<Duration>,
    pub(crate) first_content: Option<Duration>,
    /// Tokens of output, reasoning included, as far as they are known.
    pub(crate) output_tokens: Option<u64>,
    /// What the provider said is left of its allowance.
    pub(crate) quota: Option<Quota>,
}

/// What routing goes by.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Form {
    /// It didn't answer when it was last probed.
    pub(crate) ailing: bool,
    /// Average time to first content of late.
    pub(crate) ttft: Option<Duration>,
    /// What it counts of its weight, above 0 up to 1: less while its allowance is nearly used up.
    pub(crate) weight: f64,
}

pub(crate) struct ProviderGate {
    name: Arc<str>,
    backend: Arc<dyn ModelBackend>,
    breaker: Arc<Gate>,
    slots: Arc<Slots>,
    limit: Mutex<AdaptiveLimit>,
    deadlines: Deadlines,
    models: ArcSwap<Vec<ModelInfo>>,
    seen: Mutex<Seen>,
    origin: Instant,
}

impl ProviderGate {
    pub(crate) fn new(
        spec: ProviderSpec,
        common: Deadlines,
        health: HealthThresholds,
    ) -> Result<Self, BreakerConfigError> {
        let limit = AdaptiveLimit::new(LimitConfig::below(spec.concurrency_limit));
        Ok(Self {
            name: spec.backend.name().into(),
            breaker: Gate::new(spec.breaker, health)?,
            slots: Slots::of(limit.current()),
            limit: Mutex::new(limit),
            deadlines: spec.deadlines.unwrap_or(common),
            models: ArcSwap::from_pointee(spec.backend.models()),
            seen: Mutex::new(Seen::new()),
            backend: spec.backend,
            origin: Instant::now(),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn backend(&self) -> &Arc<dyn ModelBackend> {
        &self.backend
    }

    pub(crate) fn breaker(&self) -> &Arc<Gate> {
        &self.breaker
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// What it served when it was last looked at; asked of the backend while that is nothing.
    pub(crate) fn models(&self) -> Arc<Vec<ModelInfo>> {
        let known = self.models.load_full();
        if known.is_empty() {
            Arc::new(self.backend.models())
        } else {
            known
        }
    }

    /// What routing goes by.
    pub(crate) fn form(&self) -> Form {
        let (seen, now) = (self.seen.lock(), self.now());
        let ttft = seen
            .ttft
            .get(now)
            .and_then(|s| Duration::try_from_secs_f64(s).ok());
        Form {
            ailing: seen.ailing,
            ttft,
            weight: seen.allowance.weight(now),
        }
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.seen.lock().last_error.clone()
    }

    /// Admits a call, at once or not at all.
    pub(crate) fn try_admit(&self) -> Result<Admitted, Refusal> {
        self.held()?;
        self.admit_with(self.slots.try_take().ok_or(Refusal::Busy)?)
    }

    /// Waits for a slot. Nobody who comes later gets it first.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.take().await
    }

    /// Admits a call that has its slot.
    pub(crate) fn admit_with(&self, slot: OwnedSemaphorePermit) -> Result<Admitted, Refusal> {
        let slot = self.slots.hold(slot);
        self.held()?;
        match self.breaker.admit() {
            Ok(permit) => Ok(self.admitted(permit, slot)),
            Err(refused) => Err(Refusal::Away(refused.retry_after)),
        }
    }

    /// Admits a call against our own judgement, because nobody else takes it: one a second at most, and never while the
    /// provider itself asked to be left alone. Else says how long that lasts.
    pub(crate) fn admit_early(&self) -> Result<Admitted, Duration> {
        let early = self.seen.lock().early(EARLY_EVERY, self.now());
        if let Some(left) = early {
            return Err(left);
        }
        let slot = self.slots.try_take().ok_or(EARLY_EVERY)?;
        let slot = self.slots.hold(slot);
        let permit = self.breaker.admit_early(EARLY_EVERY);
        let permit = permit.map_err(|refused| refused.retry_after)?;
        Ok(self.admitted(permit, slot))
    }

    fn admitted(&self, permit: GatePermit, slot: Slot) -> Admitted {
        Admitted {
            permit,
            _slot: slot,
            began: self.now(),
            running: self.slots.taken(),
        }
    }

    fn held(&self) -> Result<(), Refusal> {
        let (held, now) = (self.seen.lock().held(self.now()), self.now());
        match held {
            Held::No => Ok(()),
            Held::For(left) => Err(Refusal::Held(left)),
            Held::UsedUp(left) => Err(Refusal::Away(left)),
            Held::OverAfterTrouble => {
                self.adapt(|limit| limit.recovered(now));
                Ok(())
            }
        }
    }

    /// Takes note of how an admitted call ended, and frees its slot.
    pub(crate) fn settle(&self, admitted: Admitted, report: &Report<'_>) {
        let now = self.now();
        let outcome = match report.fault {
            None => CallOutcome::Success,
            // A model that isn't there may be the caller's own invention.
            Some(fault) if fault.class.is_provider_fault() && !is_not_found(fault) => CallOutcome::Failure,
            Some(_) => CallOutcome::Ignored,
        };
        self.seen.lock().ended(report, now);
        let (signal, running) = (self.signal(report), self.slots.taken().max(admitted.running));
        self.adapt(|limit| limit.ended(signal, admitted.began, running, now));
        // A long answer is not a slow provider: what counts is how long it took to begin.
        let latency = match report.whole && report.fault.is_none() {
            true => Duration::ZERO,
            false => report.first_sign.unwrap_or(report.took),
        };
        let probe = admitted.permit.is_probe();
        admitted.permit.settle_after(outcome, latency);
        if probe && self.breaker.status().breaker == BreakerState::Closed {
            self.adapt(|limit| limit.recovered(now));
        }
    }

    /// A call was given up after so long without content, because another had some.
    pub(crate) fn outrun(&self, after: Duration) {
        self.seen.lock().ttft.add(after.as_secs_f64(), self.now());
    }

    /// After how long all but one in twenty calls of late had content; none while too few are known.
    pub(crate) fn mostly_within(&self) -> Option<Duration> {
        self.seen.lock().first_content.mostly_within()
    }

    /// What a call says of how much is too much. A fault without any sign that took as long as a deadline is one.
    fn signal(&self, report: &Report<'_>) -> LimitSignal {
        let patience = self.deadlines.connect.min(self.deadlines.first_token);
        let Some(fault) = report.fault else {
            if report.whole {
                return LimitSignal::Nothing;
            }
            return report
                .first_sign
                .map_or(LimitSignal::Nothing, LimitSignal::Answered);
        };
        match fault.class {
            FaultClass::Throttled | FaultClass::Overloaded => LimitSignal::TooMuch,
            FaultClass::Transient if report.first_sign.is_none() && report.took >= patience => {
                LimitSignal::TooMuch
            }
            _ => LimitSignal::Nothing,
        }
    }

    fn adapt(&self, change: impl FnOnce(&mut AdaptiveLimit)) {
        let mut limit = self.limit.lock();
        change(&mut limit);
        // Under the lock, so that the latest limit is the one that holds.
        self.slots.resize(limit.current());
    }

    /// Takes note of a probe, and of what the provider serves now. A probe moves no breaker: that a provider
    /// answers says little about whether its model does.
    pub(crate) fn probed(&self, outcome: &Result<(), ProviderFault>) {
        self.models.store(Arc::new(self.backend.models()));
        let mut seen = self.seen.lock();
        seen.ailing = outcome.is_err();
        if let Err(fault) = outcome {
            seen.last_error = Some(fault.message.clone());
        }
    }

    /// What others see; `wall` is the time of day.
    pub(crate) fn status(&self, node: &str, wall: Timestamp) -> ProviderStatus {
        let (gate, now) = (self.breaker.status(), self.now());
        let (concurrency_limit, concurrency_ceiling) = {
            let limit = self.limit.lock();
            (limit.current(), limit.ceiling())
        };
        let seen = self.seen.lock();
        let health = match gate.health {
            Health::Healthy | Health::Degraded if seen.ailing => Health::Unhealthy,
            health => health,
        };
        let left = seen.allowance.left(now);
        ProviderStatus {
            name: self.name.to_string(),
            node: node.to_owned(),
            health,
            breaker: gate.breaker,
            concurrency_limit,
            in_flight: self.slots.taken(),
            error_rate: gate.calls.failure_rate(),
            latency_ms_p50: seen.latency.median_ms(),
            ttft_ms_p50: seen.first_content.median_ms(),
            last_error: seen.last_error.clone(),
            concurrency_ceiling,
            // The cast saturates.
            ttft_ms_average: seen
                .ttft
                .get(now)
                .map(|seconds| (seconds * 1000.0).round() as u64),
            tokens_per_second: seen.speed.get(now),
            held_until: seen.held_for(now).map(|left| wall.after(left)),
            credentials: self.backend.credentials(),
            requests_left: left.and_then(|(quota, _)| quota.requests_left),
            tokens_left: left.and_then(|(quota, _)| quota.tokens_left),
            quota_resets_at: left.and_then(|(quota, still)| quota.resets_in.map(|_| wall.after(still))),
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

fn is_not_found(fault: &ProviderFault) -> bool {
    fault.answered.as_ref().is_some_and(|answer| answer.status == 404)
}
