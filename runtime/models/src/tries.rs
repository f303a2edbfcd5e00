//! One try: a backend's answer, drawn out event by event against its deadlines.

mod brought;
mod patience;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Embeddings, FinishReason, ModelStream, RelayFrames, Transcript, Usage, Wish,
};
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use brought::{Brought, Ended, Sign, TryError};
use patience::Read;

use crate::asked::Asked;
use crate::pace::Pace;
use crate::phase::Phase;
use crate::provider::ProviderGate;

/// What a backend answers in.
enum Flow {
    Events(ModelStream),
    Frames(RelayFrames),
    /// Vectors are there at once; none once they were told.
    Vectors(Option<Usage>),
}

/// A try under way. Dropping it drops the backend's call.
pub(crate) struct Try {
    gate: Arc<ProviderGate>,
    cancel: CancellationToken,
    until: Instant,
    began: Instant,
    phase: Phase,
    /// How long we have been reading since the model's last sign.
    silence: Duration,
    pace: Pace,
    flow: Flow,
    /// Pieces before the first content: held back, so that a failover stays hidden.
    held: Vec<Bytes>,
    /// Signs that came at once.
    ready: VecDeque<Sign>,
    pub(crate) headers: HeaderMap,
    pub(crate) vectors: Option<Embeddings>,
    /// Keeps what is shown of a relayed answer.
    pub(crate) transcript: Option<Arc<dyn Transcript>>,
    pub(crate) brought: Brought,
}

impl Try {
    /// Asks the backend.
    pub(crate) async fn open(
        gate: &Arc<ProviderGate>,
        model: &str,
        asked: &Asked,
        context: &CallContext,
        until: Instant,
    ) -> Result<Self, TryError> {
        let began = Instant::now();
        let mut opened = Self {
            gate: Arc::clone(gate),
            cancel: context.cancel.clone(),
            until,
            began,
            phase: Phase::Dispatched,
            silence: Duration::ZERO,
            pace: Pace::with_floor(gate.deadlines().tokens_per_second),
            flow: Flow::Vectors(None),
            held: Vec::new(),
            ready: VecDeque::new(),
            headers: HeaderMap::new(),
            vectors: None,
            transcript: None,
            brought: Brought::default(),
        };
        let backend = gate.backend();
        let (cancel, stalls_at) = (&context.cancel, opened.stalls_at(began));
        match asked {
            Asked::Wire(call) if backend.relays(call.raw.family) => {
                // One that isn't streamed comes when the model has written all of it.
                let whole = gate.deadlines().whole;
                let patience = if call.raw.stream {
                    stalls_at
                } else {
                    until.min(began + whole)
                };
                let answer = Self::read(backend.relay(model, &call.raw, context), cancel, patience).await;
                if matches!(answer, Read::Late) && !call.raw.stream && Instant::now() < until {
                    return Err(
                        opened.stalled(format!("no whole answer came within {} ms", whole.as_millis()))
                    );
                }
                let answer = opened.done(answer)?.map_err(|fault| opened.told(fault))?;
                opened.brought.quota = answer.quota;
                opened.headers = answer.headers;
                opened.transcript = answer.transcript;
                opened.flow = Flow::Frames(answer.frames);
            }
            Asked::Wire(_) | Asked::Spoken(_) | Asked::Vectors(_) => {
                match asked.wish_for(gate.name()).map_err(TryError::Fault)? {
                    Wish::Answer(request) => {
                        let stream =
                            Self::read(backend.call(model, &request, context), cancel, stalls_at).await;
                        let stream = opened.done(stream)?.map_err(|fault| opened.told(fault))?;
                        opened.flow = Flow::Events(stream);
                    }
                    Wish::Embeddings(request) => {
                        let vectors =
                            Self::read(backend.embed(model, &request, context), cancel, stalls_at).await;
                        let vectors = opened.done(vectors)?.map_err(|fault| opened.told(fault))?;
                        let usage = vectors.usage.map(Usage::bounded);
                        let vectors = Embeddings { usage, ..vectors };
                        opened.flow = Flow::Vectors(usage);
                        opened.vectors = Some(vectors);
                        opened.brought.first_sign = Some(began.elapsed());
                    }
                }
            }
        }
        opened.phase = Phase::Opened;
        Ok(opened)
    }

    /// The next sign; nothing is asked of it after [`Sign::End`] or an error. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Sign, TryError> {
        loop {
            if let Some(sign) = self.ready.pop_front() {
                return Ok(sign);
            }
            if let Some(why) = self.pace.judge() {
                return Err(self.fault(why));
            }
            let reading = Instant::now();
            let stalls_at = self.stalls_at(reading);
            match &mut self.flow {
                Flow::Vectors(usage) => {
                    return Ok(Sign::End(Ended::new(FinishReason::Stop, *usage)));
                }
                Flow::Events(stream) => {
                    let next = Self::read(stream.next(), &self.cancel, stalls_at).await;
                    self.was_read(reading.elapsed());
                    let event = self.item(next)?;
                    if let Some(sign) = self.event(event)? {
                        return Ok(sign);
                    }
                }
                Flow::Frames(frames) => {
                    let next = Self::read(frames.next(), &self.cancel, stalls_at).await;
                    self.was_read(reading.elapsed());
                    let frame = self.item(next)?;
                    self.frame(frame)?;
                }
            }
        }
    }

    fn was_read(&mut self, time: Duration) {
        self.silence += time;
        self.pace.read(time);
    }

    /// The end of an answer that is whole and wasn't read to its end.
    pub(crate) fn unread_end(&self) -> Option<Ended> {
        self.ready.iter().find_map(|sign| match sign {
            Sign::End(ended) => Some(*ended),
            _ => None,
        })
    }

    /// Whether the answer is passed on as it comes.
    pub(crate) fn is_relayed(&self) -> bool {
        matches!(self.flow, Flow::Frames(_))
    }
}
