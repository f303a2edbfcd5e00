//! A body whose reader may not stop reading for ever.
//!
//! Over HTTP/1 the connection of a client that reads nothing is closed. Over HTTP/2 it holds up its own stream alone, and
//! with it whatever the body is made of: that is let go when the time is over.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Pieces that are taken away from a reader who doesn't ask for the next in time.
pub(super) struct Watched<S> {
    watch: Arc<Mutex<Watch<S>>>,
    _end: DropGuard,
}

struct Watch<S> {
    /// None once it was taken away.
    pieces: Option<S>,
    /// When the last piece was given, until the next is asked for.
    given: Option<Instant>,
}

impl<S: Send + 'static> Watched<S> {
    pub(super) fn new(pieces: S, patience: Duration, tasks: &TaskTracker) -> Self {
        let watch = Arc::new(Mutex::new(Watch {
            pieces: Some(pieces),
            given: None,
        }));
        let end = CancellationToken::new();
        tasks.spawn(watching(Arc::downgrade(&watch), patience, end.clone()));
        Self {
            watch,
            _end: end.drop_guard(),
        }
    }
}

/// Takes the pieces away when their reader's time is over.
async fn watching<S>(watch: Weak<Mutex<Watch<S>>>, patience: Duration, end: CancellationToken) {
    let mut next = Instant::now() + patience;
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            () = sleep_until(next) => {}
        }
        let Some(watch) = watch.upgrade() else { return };
        let now = Instant::now();
        let stuck = {
            let mut watch = watch.lock();
            let over = watch.given.map_or(now, |given| given) + patience;
            next = over;
            (over <= now).then(|| watch.pieces.take())
        };
        // Dropped outside the lock: much ends with it.
        if stuck.is_some() {
            return;
        }
    }
}

impl<S, T> Stream for Watched<S>
where
    S: Stream<Item = Result<T, Infallible>> + Unpin,
{
    type Item = io::Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut watch = self.watch.lock();
        watch.given = None;
        let Some(pieces) = &mut watch.pieces else {
            // No good end.
            let error = io::Error::new(io::ErrorKind::TimedOut, "the client read nothing");
            return Poll::Ready(Some(Err(error)));
        };
        let polled = pieces.poll_next_unpin(cx);
        if let Poll::Ready(Some(_)) = polled {
            watch.given = Some(Instant::now());
        }
        polled.map(|piece| {
            let Ok(piece) = piece?;
            Some(Ok(piece))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_in_time_gets_all_and_whoever_does_not_gets_an_error() {
        let held = Arc::new(());
        let pieces = || {
            let held = Arc::clone(&held);
            stream::iter(0..3).map(move |n| {
                let _held = &held;
                Ok(n)
            })
        };
        let tasks = TaskTracker::new();
        let mut quick = Watched::new(pieces(), 3 * SECOND, &tasks);
        for expected in 0..3 {
            tokio::time::sleep(2 * SECOND).await;
            assert_eq!(quick.next().await.unwrap().unwrap(), expected);
        }
        assert!(quick.next().await.is_none());
        drop(quick);

        // Waiting for what comes is no reader's fault.
        let mut idle = Watched::new(stream::pending::<Result<u8, Infallible>>(), SECOND, &tasks);
        let waited = tokio::time::timeout(9 * SECOND, idle.next()).await;
        assert!(waited.is_err());

        let mut stuck = Watched::new(pieces(), 3 * SECOND, &tasks);
        stuck.next().await.unwrap().unwrap();
        tokio::time::sleep(4 * SECOND).await;
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(stuck.next().await.unwrap().is_err());
    }
}
