//! How many accepted tasks may be at work at once. The rest is refused before anything is done for it: those that are in stay
//! quick, and those that are not know at once.
//!
//! Hand-offs and what a recovery finds take no place: they belong to what was let in, and to let them wait for it would be
//! to wait for oneself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenroom_kernel::{ErrorCode, Failure, TaskRow};
use greenroom_telemetry::{InFlight, Metrics, Work};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// When a refused caller may come again.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// The places for tasks at work.
#[derive(Debug)]
pub(crate) struct Room {
    places: usize,
    taken: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// One of them; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    _counted: InFlight,
}

impl Room {
    pub(crate) fn new(places: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        metrics.bounded(Work::Tasks, places);
        Arc::new(Self {
            metrics,
            places,
            taken: AtomicUsize::new(0),
        })
    }

    /// A place for one more task, at once or not at all.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Place, Failure> {
        let one_more = |taken| (taken < self.places).then_some(taken + 1);
        match self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
        {
            Ok(_) => Ok(Place {
                room: Arc::clone(self),
                _counted: self.metrics.begin(Work::Tasks),
            }),
            Err(_) => Err(Failure::new(
                ErrorCode::ResourceExhausted,
                format!("{} tasks are at work, as many as may be", self.places),
            )
            .retry_after(COME_AGAIN)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The rest of an accepted task: where it is told, and the place that it holds until then, whether or not its caller goes
/// on waiting.
#[derive(Debug)]
pub(crate) struct Rest {
    told: Option<oneshot::Receiver<TaskRow>>,
    place: Option<Place>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Rest {
    pub(crate) fn new(
        told: oneshot::Receiver<TaskRow>,
        place: Option<Place>,
        tasks: TaskTracker,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            told: Some(told),
            place,
            tasks,
            stopping,
        }
    }

    /// The task's row once it needs no owner any more; none when that is not told here, because its owner was lost.
    pub(crate) async fn until(&mut self, deadline: Instant) -> Result<Option<TaskRow>, Elapsed> {
        let Some(told) = &mut self.told else {
            return Ok(None);
        };
        let row = tokio::time::timeout_at(deadline, told).await?;
        self.told = None;
        Ok(row.ok())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let (Some(told), Some(place)) = (self.told.take(), self.place.take()) else {
            return;
        };
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                _ = told => {}
                () = stopping.cancelled() => {}
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_there_are_places_for_is_refused_until_one_is_free() {
        let metrics = Arc::new(Metrics::new("1"));
        let room = Room::new(2, Arc::clone(&metrics));
        let told = |line: &str| metrics.render().contains(line);
        assert!(told("greenroom_in_flight_limit{work=\"tasks\"} 2"));
        let (first, _second) = (room.take().unwrap(), room.take().unwrap());
        let refused = room.take().unwrap_err();
        assert_eq!(refused.code, ErrorCode::ResourceExhausted);
        assert_eq!(refused.retry_after_ms, Some(1_000));
        assert!(told("greenroom_in_flight{work=\"tasks\"} 2"));
        drop(first);
        assert!(told("greenroom_in_flight{work=\"tasks\"} 1"));
        let _third = room.take().unwrap();
        assert!(room.take().is_err());
    }
}
