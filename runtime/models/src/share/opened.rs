//! An answer that several read: what is there of it, and how more is drawn by whoever waits.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use greenroom_kernel::{Embeddings, ErrorCode, Failure, Served, ServedAnswer, ServedBy};
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::buffer::{Buffer, Item, Next, Read};

/// How long a reader may hold the others up.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(5);

/// An answer that has begun.
pub(super) struct Opened {
    pub(super) by: ServedBy,
    pub(super) answer: Answer,
}

pub(super) enum Answer {
    Whole { headers: HeaderMap, body: Bytes },
    Embedded(Embeddings),
    Flowing(Flowing),
}

/// An answer that goes on.
pub(super) struct Flowing {
    /// Of a relayed one.
    pub(super) headers: Option<HeaderMap>,
    /// Locked while it is polled, never while it is waited for: a reader that isn't polled any more holds nobody up.
    source: Mutex<BoxStream<'static, Read>>,
    buffer: Mutex<Buffer>,
    changed: Arc<Changed>,
}

/// Wakes every reader that waits.
#[derive(Default)]
struct Changed(Notify);

impl Wake for Changed {
    fn wake(self: Arc<Self>) {
        self.0.notify_waiters();
    }
}

impl Opened {
    pub(super) fn of(served: Served) -> Self {
        let flowing = |headers, source| {
            Answer::Flowing(Flowing {
                headers,
                source: Mutex::new(source),
                buffer: Mutex::default(),
                changed: Arc::default(),
            })
        };
        let answer = match served.answer {
            ServedAnswer::Whole { headers, body } => Answer::Whole { headers, body },
            ServedAnswer::Embedded { vectors } => Answer::Embedded(vectors),
            ServedAnswer::Relayed { headers, pieces } => flowing(
                Some(headers),
                pieces.map(|piece| piece.map(Item::Piece)).fuse().boxed(),
            ),
            ServedAnswer::Spoken(events) => {
                flowing(None, events.map(|event| event.map(Item::Event)).fuse().boxed())
            }
        };
        Self {
            by: served.by,
            answer,
        }
    }

    pub(super) fn flowing(&self) -> Option<&Flowing> {
        match &self.answer {
            Answer::Flowing(flowing) => Some(flowing),
            Answer::Whole { .. } | Answer::Embedded(_) => None,
        }
    }
}

impl Flowing {
    /// Whether somebody may come now and read it from its beginning.
    pub(super) fn is_joinable(&self) -> bool {
        self.buffer.lock().is_joinable()
    }

    /// Another reader, from the beginning; none where that is gone.
    pub(super) fn reader(&self) -> Option<u64> {
        self.buffer.lock().reader()
    }

    /// A reader leaves.
    pub(super) fn left(&self, reader: u64) {
        self.buffer.lock().left(reader);
        self.changed.0.notify_waiters();
    }

    /// What comes next for a reader, none at the end. Cancel-safe.
    pub(super) async fn next(&self, reader: u64) -> Option<Read> {
        let waker = Waker::from(Arc::clone(&self.changed));
        let mut held_up = None;
        loop {
            // Before looking, so that nothing that comes after it is missed.
            let mut changed = std::pin::pin!(self.changed.0.notified());
            changed.as_mut().enable();
            let next = self.buffer.lock().next(reader);
            match next {
                Next::Item(item) => {
                    // It may have made room.
                    self.changed.0.notify_waiters();
                    return Some(*item);
                }
                Next::End => return None,
                Next::CutLoose => return Some(Err(too_slow().into())),
                Next::Draw => {
                    held_up = None;
                    if !self.draw(&waker) {
                        changed.await;
                    }
                }
                Next::Full => {
                    let until = *held_up.get_or_insert_with(|| Instant::now() + HELD_UP_AT_MOST);
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = tokio::time::sleep_until(until) => {
                            self.buffer.lock().cut_loose();
                            self.changed.0.notify_waiters();
                        }
                    }
                }
            }
        }
    }

    /// Draws more, if more is there; else everybody who waits is woken when it is.
    fn draw(&self, waker: &Waker) -> bool {
        let mut source = self.source.lock();
        match source.poll_next_unpin(&mut Context::from_waker(waker)) {
            Poll::Ready(item) => {
                self.buffer.lock().push(item);
                self.changed.0.notify_waiters();
                true
            }
            Poll::Pending => false,
        }
    }
}

fn too_slow() -> Failure {
    let seconds = HELD_UP_AT_MOST.as_secs();
    let why = format!(
        "this answer is shared with identical calls, and was read so slowly that they waited for {seconds} s: ask again"
    );
    Failure {
        retryable: true,
        ..Failure::new(ErrorCode::ResourceExhausted, why)
    }
}
