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
            let (mut busy, mut soonest) = (Vec::new(), None::<Duration>);
            for at in targets {
                match self.admit(*at) {
                    Ok(chosen) => return Ok(chosen),
                    Err(Refusal::Busy) => busy.push(*at),
                    Err(Refusal::Later(wait)) => soonest = Some(soonest.map_or(wait, |s| s.min(wait))),
                }
            }
            let limit = if busy.is_empty() {
                self.shared.open_wait
            } else {
                self.shared.queue_wait
            };
            let left = limit.saturating_sub(began.elapsed());
            if let (true, Some(wait)) = (busy.is_empty(), soonest)
                && wait > left
            {
                return Err(self.refused(targets, wait));
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

    fn refused(&self, targets: &[usize], wait: Duration) -> Failure {
        let providers: Vec<String> = self
            .named(targets)
            .map(|(name, error)| match error {
                Some(error) => format!("{name} (last error: {error})"),
                None => name.to_owned(),
            })
            .collect();
        let message = format!("no provider takes calls now: {}", providers.join("; "));
        Failure::unavailable(message).retry_after(wait)
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
