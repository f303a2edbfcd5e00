//! Who is tried next: untried targets at once, tried ones after a wait and out of the budget, and when nobody can
//! take the call, a bounded wait for whoever can first.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{CallFailure, ErrorCode, Failure, RetryDecision};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::candidates::Candidates;
use super::{Target, cancelled};
use crate::course::Plan;
use crate::provider::{Admitted, Refusal};

/// What callers are told who found every place taken.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The shortest wait before asking again.
const TICK: Duration = Duration::from_millis(1);

/// A target that takes the call.
pub(super) struct Chosen {
    pub(super) at: usize,
    pub(super) target: Arc<Target>,
    pub(super) admitted: Admitted,
}

/// The shortest of some waits.
#[derive(Default)]
struct Soonest(Option<Duration>);

impl Soonest {
    fn sooner(&mut self, wait: Duration) {
        self.0 = Some(self.0.map_or(wait, |soonest| soonest.min(wait)));
    }
}

/// How long those are still away who take no calls for a while.
#[derive(Default)]
struct Cooling {
    /// They asked for it.
    held: Soonest,
    /// We judge so.
    away: Soonest,
}

impl Cooling {
    fn soonest(&self) -> Option<Duration> {
        [self.held.0, self.away.0].into_iter().flatten().min()
    }
}

/// What came of asking somebody against our own judgement.
enum Early {
    Now(Chosen),
    In(Duration),
}

impl Candidates {
    pub(super) async fn choose(&self) -> Result<Chosen, CallFailure> {
        let Plan { fresh, again } = self.course.plan();
        let made = self.course.made();
        if made >= self.shared.retry.tries && made > 0 {
            return Err(self.given_up());
        }
        if let Some(chosen) = fresh.iter().find_map(|at| self.admit(*at).ok()) {
            return Ok(chosen);
        }
        // Boxed: what is rare shall not make the rest large.
        Box::pin(self.choose_later(made, fresh, again)).await
    }

    /// The same where nobody untried takes it at once.
    async fn choose_later(
        &self,
        made: u32,
        fresh: Vec<usize>,
        again: Vec<usize>,
    ) -> Result<Chosen, CallFailure> {
        if made == 0 {
            return self.wait_for_any(&fresh).await.map_err(CallFailure::from);
        }
        // Where somebody untried is only busy, nobody else's wait counts.
        let asked = match fresh.is_empty() {
            true => self.course.retry_after(&again),
            false => None,
        };
        let everyone: Vec<usize> = fresh.into_iter().chain(again.iter().copied()).collect();
        let random = self.shared.random.next_u64();
        let decision = self
            .shared
            .retry
            .decide(made, self.began.elapsed(), asked, random);
        let RetryDecision::Again { after } = decision else {
            return Err(self.given_up());
        };
        if self
            .patience
            .is_some_and(|patience| asked.is_some_and(|wait| wait > patience))
        {
            return Err(self.given_up());
        }
        // A wait that can't end in time is not begun, and a retry nobody may make isn't waited for.
        if Instant::now() + after >= self.until || !self.shared.may_retry() {
            return Err(self.given_up());
        }
        self.bounded(tokio::time::sleep(after)).await?;
        self.wait_for_any(&everyone).await.map_err(|failure| {
            let ours = matches!(failure.code, ErrorCode::Cancelled | ErrorCode::DeadlineExceeded);
            if ours { failure.into() } else { self.given_up() }
        })
    }

    pub(super) fn admit(&self, at: usize) -> Result<Chosen, Refusal> {
        let target = self.targets.get(at).ok_or(Refusal::Busy)?;
        let admitted = target.gate.try_admit()?;
        let target = Arc::clone(target);
        Ok(Chosen { at, target, admitted })
    }

    /// Waits, boundedly, for the first of these to take the call: a slot that frees, a breaker that half-opens.
    pub(super) async fn wait_for_any(&self, targets: &[usize]) -> Result<Chosen, Failure> {
        let began = Instant::now();
        let mut place = None;
        loop {
            let mut cooling = Cooling::default();
            let mut busy = Vec::new();
            for at in targets {
                match self.admit(*at) {
                    Ok(chosen) => return Ok(chosen),
                    Err(Refusal::Busy) => busy.push(*at),
                    Err(Refusal::Held(wait)) => cooling.held.sooner(wait),
                    Err(Refusal::Away(wait)) => cooling.away.sooner(wait),
                }
            }
            let limit = match busy.is_empty() {
                true => self.patience_with(&cooling),
                false => self.shared.queue_wait,
            };
            let left = limit.saturating_sub(began.elapsed());
            let mut soonest = cooling.soonest();
            // All are cooling, and for too long: then rather the least bad one than nobody.
            if let (true, Some(wait)) = (busy.is_empty(), soonest)
                && (wait > left || self.until.saturating_duration_since(Instant::now()) <= wait)
            {
                let early = match self.course.made() {
                    0 => self.admit_early(targets),
                    _ => Early::In(wait),
                };
                match early {
                    Early::Now(chosen) => return Ok(chosen),
                    Early::In(early)
                        if early <= left && early < self.until.saturating_duration_since(Instant::now()) =>
                    {
                        soonest = Some(early);
                    }
                    Early::In(_) => return Err(self.refused(targets, &cooling)),
                }
            }
            if left.is_zero() {
                return Err(self.all_busy(targets));
            }
            if place.is_none() {
                let free = self.shared.waiting.try_acquire();
                place = Some(free.map_err(|_| self.all_busy(targets))?);
            }
            let wait = soonest.map_or(left, |s| s.min(left)).max(TICK);
            let freed = async {
                tokio::select! {
                    biased;
                    freed = self.any_slot(&busy) => freed,
                    () = tokio::time::sleep(wait) => None,
                }
            };
            if let Some((at, slot)) = self.bounded(freed).await?
                && let Some(target) = self.targets.get(at)
                && let Ok(admitted) = target.gate.admit_with(slot)
            {
                let target = Arc::clone(target);
                return Ok(Chosen { at, target, admitted });
            }
        }
    }

    /// How long to wait when everybody is cooling.
    fn patience_with(&self, cooling: &Cooling) -> Duration {
        match (cooling.away.0, self.patience) {
            (Some(_), _) => self.shared.open_wait,
            (None, Some(patience)) => patience,
            (None, None) => self.shared.retry.within,
        }
    }

    /// The first of these to be let through against our own judgement.
    fn admit_early(&self, targets: &[usize]) -> Early {
        let mut soonest = Soonest::default();
        for at in targets {
            let Some(target) = self.targets.get(*at) else {
                continue;
            };
            match target.gate.admit_early() {
                Ok(admitted) => {
                    let (at, target) = (*at, Arc::clone(target));
                    return Early::Now(Chosen { at, target, admitted });
                }
                Err(wait) => soonest.sooner(wait),
            }
        }
        Early::In(soonest.0.unwrap_or(Duration::MAX))
    }

    /// Waits for a slot of any of these; for ever when there are none.
    async fn any_slot(&self, busy: &[usize]) -> Option<(usize, OwnedSemaphorePermit)> {
        let slots = busy.iter().filter_map(|at| {
            let gate = &self.targets.get(*at)?.gate;
            Some(Box::pin(async move { (*at, gate.slot().await) }))
        });
        let slots: Vec<_> = slots.collect();
        if slots.is_empty() {
            return std::future::pending().await;
        }
        let ((at, slot), ..) = futures::future::select_all(slots).await;
        slot.map(|slot| (at, slot))
    }

    /// Waits for something of ours, no longer than the call has and the caller stays.
    async fn bounded<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Err(cancelled()),
            done = work => Ok(done),
            () = tokio::time::sleep_until(self.until) => Err(self.time_up().failure),
        }
    }

    fn refused(&self, targets: &[usize], cooling: &Cooling) -> Failure {
        let providers: Vec<String> = self
            .named(targets)
            .map(|(name, error)| match error {
                Some(error) => format!("{name} (last error: {error})"),
                None => name.to_owned(),
            })
            .collect();
        let providers = providers.join("; ");
        let wait = cooling.soonest().unwrap_or(BUSY_RETRY_AFTER);
        let failure = match cooling.away.0 {
            Some(_) => Failure::unavailable(format!("no provider takes calls now: {providers}")),
            None => {
                let message = format!("every provider asked to be left alone for a while: {providers}");
                Failure::new(ErrorCode::ResourceExhausted, message)
            }
        };
        failure.retry_after(wait)
    }

    fn all_busy(&self, targets: &[usize]) -> Failure {
        let providers: Vec<&str> = self.named(targets).map(|(name, _)| name).collect();
        let message = format!(
            "every provider has all the calls it takes: {}",
            providers.join(", ")
        );
        Failure::new(ErrorCode::ResourceExhausted, message).retry_after(BUSY_RETRY_AFTER)
    }

    fn named(&self, targets: &[usize]) -> impl Iterator<Item = (&str, Option<String>)> {
        let known = targets.iter().filter_map(|at| self.targets.get(*at));
        known.map(|t| (t.gate.name().as_ref(), t.gate.last_error()))
    }
}
