//! Identical calls of one subject that share one upstream call while it runs.
//!
//! Who comes while the answer is small gets it from its beginning; who comes later makes a call of its own. Readers go at
//! their own pace; one that holds the others up for long ends with an error.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures::future::{BoxFuture, Shared};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use greenroom_kernel::{CallContext, CallFailure, Served, ServedAnswer, WireCall};
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Instrument;

use super::buffer::{Item, Read};
use super::follower::Follower;
use super::opened::{Answer, Opened};
use super::{Scope, nobodys};
use crate::router::ModelRouter;

/// What identical calls have in common: a digest of the whole request and of whose it is, which nobody can make collide.
type JoinKey = blake3::Hash;

/// None where nobody knows who calls.
fn key(call: &WireCall, context: &CallContext) -> Option<JoinKey> {
    let scope = Scope::of(call, context)?;
    let raw = &call.raw;
    let mut digest = blake3::Hasher::new();
    // Each with its length, so that none runs into the next.
    let mut add = |part: &[u8]| {
        digest.update(&(part.len() as u64).to_le_bytes()).update(part);
    };
    add(format!("{scope:?} {:?} {}", raw.family, raw.stream).as_bytes());
    add(&raw.before);
    add(&raw.after);
    for (name, value) in &raw.headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    Some(digest.finalize())
}

/// The shared calls that run.
#[derive(Default)]
pub(crate) struct Joins {
    running: Mutex<HashMap<JoinKey, Weak<Joint>>>,
}

type Opening = Shared<BoxFuture<'static, Result<Arc<Opened>, CallFailure>>>;

/// One shared call. It ends with its last reader.
struct Joint {
    key: JoinKey,
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
                Answer::Flowing(flowing) => flowing.is_joinable(),
                Answer::Whole { .. } | Answer::Embedded(_) => false,
            },
            Some(Err(_)) => false,
        }
    }
}

impl Joins {
    /// A place at an identical call that runs, or at one that begins here; says whether it does.
    fn seat(self: &Arc<Self>, key: JoinKey, open: impl FnOnce() -> Opening) -> (Arc<Joint>, bool) {
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
            key,
            joins: Arc::clone(self),
            opening: open(),
        });
        running.insert(key, Arc::downgrade(&joint));
        (joint, true)
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
            flowing.left(self.id);
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

impl ModelRouter {
    /// Serves a call together with those that are like it.
    pub(crate) async fn joined(
        self: Arc<Self>,
        call: WireCall,
        context: CallContext,
    ) -> Result<Served, CallFailure> {
        let Some(key) = key(&call, &context) else {
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
                let Some(id) = flowing.reader() else {
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
