//! What must live as long as an answer's body does, and no longer: a client that hangs up drops it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::watched::Watched;

/// What goes with an answer's body.
pub(super) struct Hold {
    /// The request's span: what is done for it while the client reads belongs there too.
    pub(super) span: Span,
    /// Cancels the call.
    pub(super) _cancel: DropGuard,
    /// How long the client may read nothing of it, and where that is watched; none where its connection sees to that.
    pub(super) patience: Option<(Duration, TaskTracker)>,
}

/// A body of these pieces.
pub(super) fn body<S>(pieces: S, hold: Hold) -> Body
where
    S: Stream<Item = Result<Bytes, Infallible>> + Send + Unpin + 'static,
{
    let patience = hold.patience.clone();
    let held = Held { pieces, hold };
    match patience {
        None => Body::from_stream(held),
        Some((patience, tasks)) => Body::from_stream(Watched::new(held, patience, &tasks)),
    }
}

/// A body's pieces and what goes with them.
struct Held<S> {
    pieces: S,
    hold: Hold,
}

impl<S: Stream + Unpin> Stream for Held<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { pieces, hold } = self.get_mut();
        let _within = hold.span.enter();
        pieces.poll_next_unpin(cx)
    }
}
