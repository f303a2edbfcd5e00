//! What every call passes on its way to a provider, and what others read of it. It lives beside the provider's
//! actor, so that a restart changes none of it, and is asked without any message.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use greenroom_kernel::{
    BreakerConfigError, CallOutcome, Health, HealthThresholds, ModelBackend, ModelInfo, ProviderFault,
    ProviderStatus,
};
use greenroom_supervision::{Gate, GatePermit};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::samples::Samples;
use crate::config::ProviderSpec;
use crate::deadlines::Deadlines;

/// Why a provider doesn't take a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its breaker is open, or it asked to be left alone.
    Later(Duration),
    /// It has all the calls it takes.
    Busy,
}

/// The right to make one call: a slot, and the breaker's permit.
#[derive(Debug)]
pub(crate) struct Admitted {
    permit: GatePermit,
    _slot: OwnedSemaphorePermit,
}

/// How an admitted call ended.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) fault: Option<&'a ProviderFault>,
    pub(crate) took: Duration,
    pub(crate) first_sign: Option<Duration>,
    pub(crate) first_content: Option<Duration>,
}

#[derive(Debug, Default)]
struct Seen {
    /// A Retry-After that still runs.
    held_until: Option<Instant>,
    last_error: Option<String>,
    /// The last probe failed.
    ailing: bool,
    latency: Samples,
    first_content: Samples,
}

pub(crate) struct ProviderGate {
    name: Arc<str>,
    backend: Arc<dyn ModelBackend>,
    breaker: Arc<Gate>,
    slots: Arc<Semaphore>,
    limit: u32,
    deadlines: Deadlines,
    models: ArcSwap<Vec<ModelInfo>>,
    seen: Mutex<Seen>,
}

impl ProviderGate {
    pub(crate) fn new(
        spec: ProviderSpec,
        common: Deadlines,
        health: HealthThresholds,
    ) -> Result<Self, BreakerConfigError> {
        let limit = spec.concurrency_limit.max(1);
        Ok(Self {
            name: spec.backend.name().into(),
            breaker: Gate::new(spec.breaker, health)?,
            slots: Arc::new(Semaphore::new(limit as usize)),
            limit,
            deadlines: spec.deadlines.unwrap_or(common),
            models: ArcSwap::from_pointee(spec.backend.models()),
            seen: Mutex::default(),
            backend: spec.backend,
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

    pub(crate) fn is_ailing(&self) -> bool {
        self.seen.lock().ailing
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.seen.lock().last_error.clone()
    }

    /// Admits a call, at once or not at all.
    pub(crate) fn try_admit(&self) -> Result<Admitted, Refusal> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        self.admit_with(slot.map_err(|_| Refusal::Busy)?)
    }

    /// Waits for a slot. Nobody who comes later gets it first.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Admits a call that has its slot.
    pub(crate) fn admit_with(&self, slot: OwnedSemaphorePermit) -> Result<Admitted, Refusal> {
        if let Some(until) = self.seen.lock().held_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(Refusal::Later(left));
            }
        }
        match self.breaker.admit() {
            Ok(permit) => Ok(Admitted { permit, _slot: slot }),
            Err(refused) => Err(Refusal::Later(refused.retry_after)),
        }
    }

    /// Takes note of how an admitted call ended, and frees its slot.
    pub(crate) fn settle(&self, admitted: Admitted, report: &Report<'_>) {
        let outcome = match report.fault {
            None => CallOutcome::Success,
            Some(fault) if fault.class.is_provider_fault() => CallOutcome::Failure,
            Some(_) => CallOutcome::Ignored,
        };
        {
            let mut seen = self.seen.lock();
            if let Some(fault) = report.fault {
                seen.last_error = Some(fault.message.clone());
                if let Some(wait) = fault.retry_after {
                    // A call that began before and ends well, or asks for less, takes nothing of it back.
                    seen.held_until = seen.held_until.max(Some(Instant::now() + wait));
                }
            } else {
                seen.latency.add(report.took);
                seen.ailing = false;
            }
            if let Some(first) = report.first_content {
                seen.first_content.add(first);
            }
        }
        // A long answer is not a slow provider: what counts is how long it took to begin.
        let latency = report.first_sign.unwrap_or(report.took);
        admitted.permit.settle_after(outcome, latency);
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

    pub(crate) fn status(&self, node: &str) -> ProviderStatus {
        let gate = self.breaker.status();
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        let seen = self.seen.lock();
        let health = match gate.health {
            Health::Healthy | Health::Degraded if seen.ailing => Health::Unhealthy,
            health => health,
        };
        ProviderStatus {
            name: self.name.to_string(),
            node: node.to_owned(),
            health,
            breaker: gate.breaker,
            concurrency_limit: self.limit,
            in_flight: self.limit.saturating_sub(free),
            error_rate: gate.calls.failure_rate(),
            latency_ms_p50: seen.latency.median_ms(),
            ttft_ms_p50: seen.first_content.median_ms(),
            last_error: seen.last_error.clone(),
        }
    }
}
