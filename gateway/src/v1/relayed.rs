//! An upstream's stream on its way to the caller: its pieces as they came, a comment where none comes for long, and an error
//! in the caller's words where they break off.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use greenroom_kernel::CallFailure;
use greenroom_provider_http::EdgeError;
use http::{HeaderMap, header};
use tokio::time::{Instant, Sleep, sleep};

use super::answer::{Caller, KEEP_ALIVE};

/// Pieces of an upstream's stream.
pub(super) struct Relayed {
    pieces: BoxStream<'static, Result<Bytes, CallFailure>>,
    caller: Caller,
    served: Arc<str>,
    quiet: Option<Quiet>,
}

/// Watches for a stream in which nothing comes, while the next target is asked or a model thinks: what lies between would
/// take it for dead. Its clock isn't set anew with each piece, for there are very many: it strikes twice in that time, and
/// the second time that it strikes in a row a comment goes out.
struct Quiet {
    half: Duration,
    strikes: Pin<Box<Sleep>>,
    /// How often it has struck since the last piece.
    struck: u32,
}

impl Relayed {
    /// An answer that is no stream of events has no room for comments.
    pub(super) fn new(
        pieces: BoxStream<'static, Result<Bytes, CallFailure>>,
        caller: Caller,
        served: Arc<str>,
        headers: &HeaderMap,
    ) -> Self {
        let kind = headers.get(header::CONTENT_TYPE);
        let is_events = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let half = caller.keep_alive() / 2;
        Self {
            quiet: is_events.then(|| Quiet {
                half,
                strikes: Box::pin(sleep(half)),
                struck: 0,
            }),
            pieces,
            caller,
            served,
        }
    }
}

impl Quiet {
    /// Whether nothing has come for half the time at least, and all of it at most.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        while self.strikes.as_mut().poll(cx).is_ready() {
            self.strikes.as_mut().reset(Instant::now() + self.half);
            self.struck += 1;
        }
        let is_over = self.struck >= 2;
        if is_over {
            self.struck = 0;
        }
        is_over
    }
}

impl Stream for Relayed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Poll::Ready(next) = this.pieces.poll_next_unpin(cx) else {
            let is_over = this.quiet.as_mut().is_some_and(|quiet| quiet.is_over(cx));
            return match is_over {
                true => Poll::Ready(Some(Ok(Bytes::from_static(KEEP_ALIVE)))),
                false => Poll::Pending,
            };
        };
        if let Some(quiet) = &mut this.quiet {
            quiet.struck = 0;
        }
        Poll::Ready(match next {
            Some(Ok(piece)) => Some(Ok(piece)),
            None => None,
            Some(Err(failed)) => {
                this.pieces = stream::empty().boxed();
                let mut out = Vec::new();
                let mut writer = this.caller.writer(&this.served);
                writer.fail(&EdgeError::from(failed), &mut out);
                Some(Ok(out.into()))
            }
        })
    }
}
