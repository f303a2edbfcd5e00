//! A race of two tries: when the first takes long, a second is begun at the next target, and the first to have content
//! goes on. The other is cancelled, and its use told apart. What a race brings is told when it is over: until then a
//! reader sees nothing of either.
//!
//! A race costs a try of the call's and one of the process's retries: when everything is slow, doubling all of it would
//! make it slower.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{CallContext, CallFailure, TryKind};
use tokio::time::Instant;

use super::candidates::Candidates;
use super::choose::Chosen;
use super::observe::Observed;
use super::{Call, Target};
use crate::route::HedgeAfter;
use crate::tries::{Sign, TryError};

/// One try of a race.
struct Lane {
    at: usize,
    observed: Observed,
    came: Option<Result<Sign, TryError>>,
}

impl Lane {
    fn new(at: usize, observed: Observed) -> Self {
        Self {
            at,
            observed,
            came: None,
        }
    }
}

/// Opens a try and draws it up to what a reader may see first.
async fn content(observed: &mut Observed, context: &CallContext, until: Instant) -> Result<Sign, TryError> {
    observed.open(context, until).await?;
    loop {
        match observed.next().await? {
            Sign::Working => {}
            sign @ (Sign::Text(_) | Sign::Thinking(_) | Sign::Call(_) | Sign::Piece(_) | Sign::End(_)) => {
                return Ok(sign);
            }
        }
    }
}

impl Candidates {
    /// How long a try at this target may take before another is begun beside it; none where none is.
    pub(super) fn hedges_after(&self, target: &Arc<Target>) -> Option<Duration> {
        match self.hedge.filter(|_| self.targets.len() > 1)? {
            HedgeAfter::Fixed(after) => Some(after),
            HedgeAfter::P95 => target.gate.mostly_within(),
        }
    }

    /// Who may run beside a try at `beside`: an untried target that has a place now.
    fn rival(&self, beside: usize) -> Option<Chosen> {
        if self.course.made() + 2 > self.shared.retry.tries {
            return None;
        }
        let fresh = self.course.plan().fresh;
        let chosen = fresh
            .into_iter()
            .filter(|at| *at != beside)
            .find_map(|at| self.admit(at).ok())?;
        self.shared.may_retry().then_some(chosen)
    }

    /// Whether a race is over with this.
    fn decides(&self, came: &Result<Sign, TryError>) -> bool {
        match came {
            Ok(_) | Err(TryError::Cancelled | TryError::TimeUp) => true,
            Err(TryError::Refused(_)) => false,
            Err(TryError::Fault(fault) | TryError::Stalled(fault)) => self.course.is_final(fault.class),
        }
    }
}

impl Call {
    /// Runs a try up to its first content, another beside it when it takes longer than `after`. A call races once.
    pub(super) async fn raced(
        &mut self,
        at: usize,
        observed: Observed,
        after: Duration,
    ) -> Result<(), CallFailure> {
        self.candidates.hedge = None;
        let candidates = &self.candidates;
        let (context, until) = (candidates.context.clone(), candidates.until);
        let mut first = Lane::new(at, observed);
        let mut second: Option<Lane> = None;
        {
            let mut one = pin!(content(&mut first.observed, &context, until));
            first.came = tokio::select! {
                biased;
                came = &mut one => Some(came),
                () = tokio::time::sleep(after) => None,
            };
            let chosen = match first.came {
                Some(_) => None,
                None => candidates.rival(at),
            };
            if let Some(Chosen { at, target, admitted }) = chosen {
                let number = candidates.course.made() + 2;
                let observed = self.observed(&target, &self.asked, (number, TryKind::Hedge), admitted);
                let lane = second.insert(Lane::new(at, observed));
                let mut two = pin!(content(&mut lane.observed, &context, until));
                while first.came.is_none() || lane.came.is_none() {
                    let came = tokio::select! {
                        biased;
                        came = &mut one, if first.came.is_none() => first.came.insert(came),
                        came = &mut two, if lane.came.is_none() => lane.came.insert(came),
                    };
                    if candidates.decides(came) {
                        break;
                    }
                }
            } else if first.came.is_none() {
                first.came = Some(one.await);
            }
        }
        self.decided(first, second)
    }

    fn decided(&mut self, first: Lane, second: Option<Lane>) -> Result<(), CallFailure> {
        // What has no budget for a rival goes on without one.
        let second = second.filter(|lane| !matches!(lane.came, Some(Err(TryError::Refused(_)))));
        let mut failed = Vec::new();
        let gone = |lane: &Lane| matches!(lane.came, Some(Err(TryError::Cancelled | TryError::TimeUp)));
        let is_gone = gone(&first) || second.as_ref().is_some_and(gone);
        for mut lane in std::iter::once(first).chain(second) {
            match lane.came.take() {
                Some(Ok(sign)) => {
                    self.running = Some((lane.at, lane.observed));
                    self.won = Some(sign);
                    continue;
                }
                Some(Err(error)) => {
                    self.lost = self.lost.plus(lane.observed.lost());
                    failed.push((lane, error));
                    continue;
                }
                // The caller left, or has no time left: it was ended with the call.
                None if is_gone => {}
                None => {
                    lane.observed.outrun();
                    self.candidates.course.outrun(lane.at);
                }
            }
            self.lost = self.lost.plus(lane.observed.lost());
        }
        for (mut lane, error) in failed {
            match (error, &self.running) {
                // A try that failed beside the one that goes on is a fault to be counted, no more.
                (TryError::Fault(fault) | TryError::Stalled(fault), Some(_)) => {
                    self.candidates.failed(lane.at, fault);
                }
                (error, _) => self.judged(lane.at, error, &mut lane.observed)?,
            }
        }
        Ok(())
    }
}
