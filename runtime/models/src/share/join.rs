//! Identical calls of one subject that share one upstream call while it runs.
//!
//! Who comes while the answer is small gets it from its beginning; who comes later makes a call of its own. Readers go at
//! their own pace; one that holds the others up for long ends with an error.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, Shared};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use greenroom_kernel::{
    CallContext, CallFailure, Embeddings, ErrorCode, Failure, Served, ServedAnswer, ServedBy, WireCall,
    WireFamily,
};
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

use super::buffer::{Buffer, Item, Next, Read};
use super::follower::Follower;
use super::{Scope, nobodys};
use crate::router::ModelRouter;

/// How long a reader may hold the others up.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(5);

/// What identical calls have in common: all of the request, compared and not only hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct JoinKey {
    scope: Scope,
    family: WireFamily,
    before: Bytes,
    after: Bytes,
    stream: bool,
    headers: Vec<(String, Vec<u8>)>,
}

impl JoinKey {
    fn of(call: &WireCall, context: &CallContext) -> Option<Self> {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        Some(Self {
            scope: Scope::of(call, context)?,
            family: call.raw.family,
            before: call.raw.before.clone(),
            after: call.raw.after.clone(),
            stream: call.raw.stream,
            headers: call.raw.headers.iter().map(header).collect(),
        })
    }
}

/// The shared calls that run.
#[derive(Default)]
pub(crate) struct Joins {
    running: Mutex<HashMap<Arc<JoinKey>, Weak<Joint>>>,
}

type Opening = Shared<BoxFuture<'static, Result<Arc<Opened>, CallFailure>>>;

/// One shared call. It ends with its last reader.
struct Joint {
    key: Arc<JoinKey>,
    joins: Arc<Joins>,
    opening: Opening,
}

impl Drop for Joint {
    fn drop(&mut self) {
        let mut running = self.joins.running.lock();
        let here: *const Self = self;
        if running.get(&self.key).is_some_and(|joint| joint.as_ptr() == here) {
            running.remove(&self.key);
        }
    }
}

impl Joint {
    /// Whether it still runs, with its beginning there.
    fn is_joinable(&self) -> bool {
        match self.opening.peek() {
            None => true,
            Some(Ok(opened)) => match &opened.answer {
                Answer::Flowing(flowing) => flowing.buffer.lock().is_joinable(),
                Answer::Whole { .. } | Answer::Embedded(_) => false,
            },
            Some(Err(_)) => false,
        }
    }
}

impl Joins {
    /// A place at an identical call that runs, or at one that begins here; says whether it does.
    fn seat(self: &Arc<Self>, key: JoinKey, open: impl FnOnce() -> Opening) -> (Arc<Joint>, bool) {
        let key = Arc::new(key);
        // One that can't be joined is let go once the lock is free: it takes it, too.
        let _passed_by;
        let mut running = self.running.lock();
        let there = running.get(&key).and_then(Weak::upgrade);
        if let Some(joint) = &there
            && joint.is_joinable()
        {
            return (Arc::clone(joint), false);
        }
        _passed_by = there;
        let joint = Arc::new(Joint {
            key: Arc::clone(&key),
            joins: Arc::clone(self),
            opening: open(),
        });
        running.insert(key, Arc::downgrade(&joint));
        (joint, true)
    }
}

/// An answer that has begun.
struct Opened {
    by: ServedBy,
    answer: Answer,
}

enum Answer {
    Whole { headers: HeaderMap, body: Bytes },
    Embedded(Embeddings),
    Flowing(Flowing),
}

/// An answer that goes on.
struct Flowing {
    /// Of a relayed one.
    headers: Option<HeaderMap>,
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
    fn of(served: Served) -> Self {
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

    fn flowing(&self) -> Option<&Flowing> {
        match &self.answer {
            Answer::Flowing(flowing) => Some(flowing),
            Answer::Whole { .. } | Answer::Embedded(_) => None,
        }
    }
}

/// One reader of an answer that goes on.
struct Reader {
    opened: Arc<Opened>,
    id: u64,
    router: Arc<ModelRouter>,
    context: CallContext,
    /// Of one that didn't begin it.
    follower: Option<Follower>,
    /// Keeps the call.
    _joint: Arc<Joint>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(flowing) = self.opened.flowing() {
            flowing.buffer.lock().left(self.id);
            flowing.changed.0.notify_waiters();
        }
    }
}

impl Reader {
    /// What comes next, none at the end. Cancel-safe.
    async fn next(&mut self) -> Option<Read> {
        let flowing = self.opened.flowing()?;
        let read = self.router.while_there(&self.context, flowing.next(self.id));
        let read = read.await.unwrap_or_else(|gone| Some(Err(gone)));
        if let Some(follower) = &mut self.follower {
            match &read {
                Some(Ok(_)) => {}
                Some(Err(failed)) => follower.failed(failed),
                None => follower.answered(),
            }
        }
        read
    }

    /// The rest, up to an error or the end.
    fn items(self) -> BoxStream<'static, Read> {
        let rest = stream::unfold(Some(self), |reader| async {
            let mut reader = reader?;
            let read = reader.next().await?;
            let rest = read.is_ok().then_some(reader);
            Some((read, rest))
        });
        rest.boxed()
    }
}

impl Flowing {
    async fn next(&self, reader: u64) -> Option<Read> {
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

impl ModelRouter {
    /// Serves a call together with those that are like it.
    pub(crate) async fn joined(
        self: Arc<Self>,
        call: WireCall,
        context: CallContext,
    ) -> Result<Served, CallFailure> {
        let Some(key) = JoinKey::of(&call, &context) else {
            return self.apart(call, context).await;
        };
        let open = || {
            let serving = Arc::clone(&self).apart(call.clone(), nobodys(&context));
            let opened = async { serving.await.map(|served| Arc::new(Opened::of(served))) };
            opened.in_current_span().boxed().shared()
        };
        let began = Instant::now();
        let (joint, is_first) = self.joins.seat(key, open);
        let follower = |by| (!is_first).then(|| Follower::of(&self.shared, &call, &context, by, began));
        let opened = self.while_there(&context, joint.opening.clone()).await.flatten();
        let opened = opened.inspect_err(|failed| {
            if let Some(mut follower) = follower(None) {
                follower.failed(failed);
            }
        })?;
        let by = opened.by.clone();
        let whole = || {
            if let Some(mut follower) = follower(Some(&opened.by)) {
                follower.answered();
            }
        };
        let answer = match &opened.answer {
            Answer::Whole { headers, body } => {
                whole();
                ServedAnswer::Whole {
                    headers: headers.clone(),
                    body: body.clone(),
                }
            }
            Answer::Embedded(vectors) => {
                whole();
                ServedAnswer::Embedded {
                    vectors: vectors.clone(),
                }
            }
            Answer::Flowing(flowing) => {
                let Some(id) = flowing.buffer.lock().reader() else {
                    // The others were too quick: its beginning is gone.
                    drop(joint);
                    return self.apart(call, context).await;
                };
                let follower = follower(Some(&opened.by));
                let headers = flowing.headers.clone();
                let reader = Reader {
                    opened: Arc::clone(&opened),
                    id,
                    router: Arc::clone(&self),
                    context,
                    follower,
                    _joint: joint,
                };
                told(headers, reader.items())
            }
        };
        Ok(Served { by, answer })
    }
}

/// Items in the form that the answer has.
fn told(headers: Option<HeaderMap>, items: BoxStream<'static, Read>) -> ServedAnswer {
    match headers {
        Some(headers) => ServedAnswer::Relayed {
            headers,
            pieces: items
                .filter_map(async |item| match item {
                    Ok(Item::Piece(piece)) => Some(Ok(piece)),
                    Ok(Item::Event(_)) => None,
                    Err(failed) => Some(Err(failed)),
                })
                .boxed(),
        },
        None => ServedAnswer::Spoken(
            items
                .filter_map(async |item| match item {
                    Ok(Item::Event(event)) => Some(Ok(event)),
                    Ok(Item::Piece(_)) => None,
                    Err(failed) => Some(Err(failed)),
                })
                .boxed(),
        ),
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
