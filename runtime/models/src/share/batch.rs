//! Small requests for vectors of one subject, put together into one.
//!
//! The first waits a moment for others; what nobody joined goes on as it came. When a request that was put together is
//! refused as wrong, each part is asked for by itself: one caller's mistake is nobody else's.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use greenroom_kernel::{
    CallContext, CallFailure, EmbeddingInput, EmbeddingRequest, Embeddings, ErrorCode, Failure, Served,
    ServedAnswer, ServedBy, WireCall, Wish,
};
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use tracing::Instrument;

use super::basket::{Basket, TOKENS_AT_MOST};
use super::follower::Follower;
use super::split::shares;
use super::{Scope, nobodys};
use crate::asked::Asked;
use crate::call::Call;
use crate::estimate;
use crate::route::Batch;
use crate::router::ModelRouter;

/// The name of a batch's first part.
const FIRST: u64 = 1;

/// What requests have in common that may be put together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BatchKey {
    scope: Scope,
    dimensions: Option<u32>,
    end_user: Option<String>,
    /// Texts and tokens don't go together.
    is_text: bool,
    headers: Vec<(String, Vec<u8>)>,
}

/// The fields that go together with others'. What else a server is told is not known to mean the same for all.
const FIELDS: [&str; 5] = ["dimensions", "encoding_format", "input", "model", "user"];

/// Whether a request says only what is known here.
fn is_plain(call: &WireCall) -> bool {
    let raw = &call.raw;
    let body = [&raw.before[..], &raw.model, &raw.after].concat();
    let fields = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(&body);
    fields.is_ok_and(|fields| fields.keys().all(|field| FIELDS.contains(&field.as_str())))
}

impl BatchKey {
    /// None where the request goes alone.
    fn of(call: &WireCall, request: &EmbeddingRequest, context: &CallContext) -> Option<Self> {
        if !is_plain(call) {
            return None;
        }
        let is_text = |input: &EmbeddingInput| matches!(input, EmbeddingInput::Text(_));
        let texts = request.inputs.iter().filter(|input| is_text(input)).count();
        if request.inputs.is_empty() || (texts != 0 && texts != request.inputs.len()) {
            return None;
        }
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        Some(Self {
            scope: Scope::of(call, context)?,
            dimensions: request.dimensions,
            end_user: request.end_user.clone(),
            is_text: texts != 0,
            headers: call.raw.headers.iter().map(header).collect(),
        })
    }
}

/// The requests that wait for others.
#[derive(Default)]
pub(crate) struct Batches {
    waiting: Mutex<HashMap<BatchKey, Weak<Gathering>>>,
}

/// What came of a request that was put together.
enum Outcome {
    /// Each asks by itself.
    Apart,
    /// Vectors, and whose they are.
    Vectors {
        by: ServedBy,
        vectors: Mutex<Vec<Vec<f32>>>,
        shares: HashMap<u64, (Range<usize>, Option<greenroom_kernel::Usage>)>,
    },
}

struct Gathering {
    basket: Arc<Basket>,
    outcome: Shared<BoxFuture<'static, Result<Arc<Outcome>, CallFailure>>>,
}

/// A part's place. A caller that leaves in time takes its inputs along.
struct Seat {
    gathering: Arc<Gathering>,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut parts = self.gathering.basket.parts.lock();
        if !parts.gone_off {
            parts.parts.retain(|part| part.id != self.id);
        }
    }
}

impl Batches {
    /// A place among those that wait, or the first of others.
    fn seat(
        &self,
        key: BatchKey,
        inputs: &[EmbeddingInput],
        batch: Batch,
        begin: impl FnOnce(Arc<Basket>) -> Gathering,
    ) -> Seat {
        let tokens = estimate::embedded_inputs(inputs);
        let mut waiting = self.waiting.lock();
        let there = waiting.get(&key).and_then(Weak::upgrade);
        if let Some(gathering) = there
            && let Some(id) = gathering.basket.put(inputs, tokens, batch)
        {
            return Seat { gathering, id };
        }
        // Those that went off are over for newcomers.
        waiting.retain(|_, gathering| gathering.strong_count() > 0);
        let gathering = Arc::new(begin(Arc::default()));
        waiting.insert(key, Arc::downgrade(&gathering));
        // Nothing has driven it yet: it has room.
        let id = gathering.basket.put(inputs, tokens, batch).unwrap_or_default();
        Seat { gathering, id }
    }
}

impl ModelRouter {
    /// Serves a request for vectors together with others, where it may be.
    pub(crate) async fn batched(
        self: Arc<Self>,
        call: WireCall,
        context: CallContext,
        batch: Batch,
    ) -> Result<Served, CallFailure> {
        let Ok(Wish::Embeddings(request)) = call.readable.wish() else {
            return self.alone(call, context).await;
        };
        let small = request.inputs.len() < batch.inputs && estimate::embedded(&request) <= TOKENS_AT_MOST;
        let Some(key) = BatchKey::of(&call, &request, &context).filter(|_| small) else {
            return self.alone(call, context).await;
        };
        let begin = |basket: Arc<Basket>| {
            let template = EmbeddingRequest {
                inputs: Vec::new(),
                ..(*request).clone()
            };
            let going = Arc::clone(&self).gathered(Arc::clone(&basket), template, nobodys(&context), batch);
            Gathering {
                basket,
                outcome: going.in_current_span().boxed().shared(),
            }
        };
        let began = Instant::now();
        let seat = self.batches.seat(key, &request.inputs, batch, begin);
        let outcome = seat.gathering.outcome.clone();
        let outcome = self.while_there(&context, outcome).await.flatten();
        // The first one's row tells what all of them used.
        let follower = |by| {
            let follows = seat.id != FIRST;
            follows.then(|| Follower::of(&self.shared, &call, &context, by, began))
        };
        let outcome = outcome.inspect_err(|failed| {
            if let Some(mut follower) = follower(None) {
                follower.failed(failed);
            }
        })?;
        match &*outcome {
            Outcome::Apart => self.alone(call, context).await,
            Outcome::Vectors { by, vectors, shares } => {
                if let Some(mut follower) = follower(Some(by)) {
                    follower.answered();
                }
                let (range, usage) = shares.get(&seat.id).cloned().ok_or_else(lost)?;
                let mut all = vectors.lock();
                let mine = all.get_mut(range).ok_or_else(lost)?;
                // Nobody else asks for them.
                let vectors = mine.iter_mut().map(std::mem::take).collect();
                Ok(Served {
                    by: by.clone(),
                    answer: ServedAnswer::Embedded {
                        vectors: Embeddings { vectors, usage },
                    },
                })
            }
        }
    }

    /// Waits for parts, asks for all of them, and deals out what comes.
    async fn gathered(
        self: Arc<Self>,
        basket: Arc<Basket>,
        template: EmbeddingRequest,
        context: CallContext,
        batch: Batch,
    ) -> Result<Arc<Outcome>, CallFailure> {
        tokio::select! {
            biased;
            () = basket.enough.notified() => {}
            () = tokio::time::sleep(batch.within) => {}
        }
        let parts = {
            let mut parts = basket.parts.lock();
            parts.gone_off = true;
            std::mem::take(&mut parts.parts)
        };
        if parts.len() < 2 {
            return Ok(Arc::new(Outcome::Apart));
        }
        let (mut inputs, mut places) = (Vec::new(), Vec::new());
        let weights: Vec<u64> = parts.iter().map(|part| part.tokens).collect();
        for part in parts {
            let from = inputs.len();
            inputs.extend(part.inputs);
            places.push((part.id, from..inputs.len()));
        }
        let asked = Asked::Vectors(Arc::new(EmbeddingRequest { inputs, ..template }));
        let served = match self.targets(&asked, &context).await {
            Ok(targets) => {
                Call::new(&self.shared, asked, context, targets)
                    .served(false)
                    .await
            }
            Err(failure) => Err(failure.into()),
        };
        let Served { by, answer } = match served {
            Ok(served) => served,
            // Somebody's part is wrong, or all of them together are too much.
            Err(failed) if failed.failure.code == ErrorCode::BadUserInput => {
                return Ok(Arc::new(Outcome::Apart));
            }
            Err(failed) => return Err(failed),
        };
        let ServedAnswer::Embedded { vectors } = answer else {
            return Err(lost().into());
        };
        let usages = match vectors.usage {
            Some(usage) => shares(usage, &weights).into_iter().map(Some).collect(),
            None => vec![None; weights.len()],
        };
        let shares = places.into_iter().zip(usages);
        let shares = shares.map(|((id, range), usage)| (id, (range, usage)));
        Ok(Arc::new(Outcome::Vectors {
            by,
            shares: shares.collect(),
            vectors: Mutex::new(vectors.vectors),
        }))
    }
}

fn lost() -> Failure {
    Failure::internal("a request for vectors that was put together lost a part")
}
