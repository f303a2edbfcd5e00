//! How long a try is waited for, and what its silence means.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use greenroom_kernel::{FaultClass, ProviderFault};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Try, TryError};

/// What came of waiting.
pub(super) enum Read<T> {
    Done(T),
    Cancelled,
    Panicked,
    Late,
}

impl Try {
    /// When the phase's patience or the call's time is over, for a read that begins now.
    pub(super) fn stalls_at(&self, now: Instant) -> Instant {
        let limit = self.phase.deadline(self.gate.deadlines());
        let silent = limit.map(|(limit, _)| limit.saturating_sub(self.silence));
        let left = [silent, self.pace.left()].into_iter().flatten().min();
        left.map_or(self.until, |left| (now + left).min(self.until))
    }

    /// Awaits `work` up to a time. An adapter's panic is its fault.
    pub(super) async fn read<T>(
        work: impl Future<Output = T>,
        cancel: &CancellationToken,
        until: Instant,
    ) -> Read<T> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Read::Cancelled,
            done = AssertUnwindSafe(work).catch_unwind() => done.map_or(Read::Panicked, Read::Done),
            () = tokio::time::sleep_until(until) => Read::Late,
        }
    }

    pub(super) fn done<T>(&self, read: Read<T>) -> Result<T, TryError> {
        match read {
            Read::Done(done) => Ok(done),
            Read::Cancelled => Err(TryError::Cancelled),
            Read::Panicked => Err(self.fault("its adapter panicked".to_owned())),
            Read::Late => match self.phase.deadline(self.gate.deadlines()) {
                Some((limit, what)) if Instant::now() < self.until => {
                    Err(self.stalled(format!("{what} within {} ms", limit.as_millis())))
                }
                _ => Err(TryError::TimeUp),
            },
        }
    }

    pub(super) fn item<T>(&mut self, read: Read<Option<Result<T, ProviderFault>>>) -> Result<T, TryError> {
        if let Read::Late = read
            && Instant::now() < self.until
            && let Some(why) = self.pace.judge()
        {
            return Err(self.fault(why));
        }
        match self.done(read)? {
            Some(item) => item.map_err(|fault| self.told(fault)),
            None => Err(self.fault("its stream ended before the answer did".to_owned())),
        }
    }

    /// A backend's own word. One that speaks of a cancelling nobody did has given up by itself.
    pub(super) fn told(&self, fault: ProviderFault) -> TryError {
        match fault.class {
            FaultClass::Cancelled if self.cancel.is_cancelled() => TryError::Cancelled,
            FaultClass::Cancelled => TryError::Fault(ProviderFault {
                class: FaultClass::Transient,
                ..fault
            }),
            _ => TryError::Fault(fault),
        }
    }

    pub(super) fn fault(&self, message: String) -> TryError {
        TryError::Fault(self.transient(message))
    }

    pub(super) fn stalled(&self, message: String) -> TryError {
        TryError::Stalled(self.transient(message))
    }

    fn transient(&self, message: String) -> ProviderFault {
        ProviderFault::new(&**self.gate.name(), FaultClass::Transient, message)
    }
}
