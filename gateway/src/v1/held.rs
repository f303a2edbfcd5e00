//! What must live as long as an answer's body does, and no longer: a client that hangs up drops it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tokio_util::sync::DropGuard;
use tracing::Span;

/// What goes with an answer's body.
pub(super) struct Hold {
    /// The request's span: what is done for it while the client reads belongs there too.
    pub(super) span: Span,
    /// Cancels the call.
    pub(super) _cancel: DropGuard,
}

/// A body's pieces and what goes with them.
pub(super) struct Held<S> {
    pieces: S,
    hold: Hold,
}

impl<S> Held<S> {
    pub(super) fn new(pieces: S, hold: Hold) -> Self {
        Self { pieces, hold }
    }
}

impl<S: Stream + Unpin> Stream for Held<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { pieces, hold } = self.get_mut();
        let _within = hold.span.enter();
        pieces.poll_next_unpin(cx)
    }
}
