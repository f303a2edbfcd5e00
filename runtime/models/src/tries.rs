//! One try: a backend's answer, drawn out event by event against its deadlines.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use greenroom_kernel::{
    CallContext, Embeddings, Failure, FaultClass, FinishReason, ModelEvent, ModelStream, ProviderFault,
    Quota, Reach, Reasoning, RelayFrame, RelayFrames, RelaySign, Reported, ToolCall, Transcript, Usage, Wish,
};
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::asked::Asked;
use crate::pace::{self, Pace};
use crate::phase::Phase;
use crate::provider::ProviderGate;

/// Most bytes of one answer.
const ANSWER_AT_MOST: u64 = 8 << 20;

/// Most bytes that are held back while no content comes.
const HELD_AT_MOST: usize = 32 << 20;

/// What a try has brought so far, whether it ends well or not.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) content: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) reasoning: Vec<Reasoning>,
    /// Bytes of a relayed answer's content.
    pub(crate) relayed: u64,
    /// What the provider last said that it used.
    pub(crate) reported: Option<Reported>,
    /// How many bytes of content those figures count.
    pub(crate) counted: u64,
    /// What the provider said of our allowance.
    pub(crate) quota: Option<Quota>,
    /// From the dispatch to the model's first sign, shown or not.
    pub(crate) first_sign: Option<Duration>,
    /// From the dispatch to the first text or tool call.
    pub(crate) first_content: Option<Duration>,
}

impl Brought {
    /// Bytes of its content.
    pub(crate) fn said(&self) -> u64 {
        let calls: usize = self.calls.iter().map(|call| call.arguments.len()).sum();
        (self.content.len() + calls) as u64 + self.relayed
    }

    /// Bytes of its content that came behind the last figures.
    pub(crate) fn uncounted(&self) -> u64 {
        self.said().saturating_sub(self.counted)
    }

    /// The provider said what it used.
    pub(crate) fn used(&mut self, reported: Reported) {
        let ahead = match reported.output {
            Reach::Until { ahead } => u64::from(ahead),
            Reach::Begun | Reach::Whole => 0,
        };
        self.counted = self.said() + ahead;
        self.reported = Some(reported);
    }
}

/// A whole answer's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) finish: FinishReason,
    pub(crate) usage: Option<Usage>,
}

/// What a try brings while it runs.
#[derive(Debug)]
pub(crate) enum Sign {
    Text(String),
    Thinking(String),
    Call(ToolCall),
    /// Bytes of a relayed answer, to be passed on. They come once there is content behind them.
    Piece(Bytes),
    /// The model works on what isn't shown.
    Working,
    /// The answer is whole.
    End(Ended),
}

/// Why a try ended without an answer.
#[derive(Debug)]
pub(crate) enum TryError {
    Fault(ProviderFault),
    /// The caller left.
    Cancelled,
    /// The call's own time is up: nobody's fault.
    TimeUp,
    /// A budget refuses it. Nobody was asked.
    Refused(Box<Failure>),
}

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
                    return Err(opened.fault(format!("no whole answer came within {} ms", whole.as_millis())));
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
                        opened.flow = Flow::Vectors(vectors.usage);
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
                    let (finish, usage) = (FinishReason::Stop, *usage);
                    return Ok(Sign::End(Ended { finish, usage }));
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

    fn event(&mut self, event: ModelEvent) -> Result<Option<Sign>, TryError> {
        if let ModelEvent::Used(reported) = event {
            self.brought.used(reported);
            return Ok(None);
        }
        self.enter(self.phase.after(&event));
        match &event {
            ModelEvent::Content(text) | ModelEvent::Thinking(text) => self.pace.came(text.len() as u64),
            ModelEvent::ToolCall(_) | ModelEvent::Progress => self.pace.came(pace::UNSEEN),
            ModelEvent::Reasoned(_) | ModelEvent::Quota(_) | ModelEvent::Used(_) | ModelEvent::End { .. } => {
            }
        }
        let sign = match event {
            ModelEvent::Content(text) if text.is_empty() => return Ok(None),
            ModelEvent::Content(text) => {
                self.brought.content.push_str(&text);
                Sign::Text(text)
            }
            ModelEvent::ToolCall(call) => {
                self.brought.calls.push(call.clone());
                Sign::Call(call)
            }
            ModelEvent::Thinking(text) => Sign::Thinking(text),
            ModelEvent::Reasoned(thought) => {
                self.brought.reasoning.push(thought);
                Sign::Working
            }
            ModelEvent::Quota(quota) => {
                self.brought.quota = Some(quota);
                return Ok(None);
            }
            ModelEvent::Used(_) => return Ok(None),
            ModelEvent::Progress => Sign::Working,
            ModelEvent::End { finish, usage } => return Ok(Some(Sign::End(Ended { finish, usage }))),
        };
        if matches!(sign, Sign::Text(_) | Sign::Call(_)) {
            self.content_came();
            self.bounded(self.brought.said())?;
        }
        Ok(Some(sign))
    }

    fn frame(&mut self, frame: RelayFrame) -> Result<(), TryError> {
        let RelayFrame { bytes, sign } = frame;
        if let RelaySign::Used(reported) = sign {
            self.brought.used(reported);
            return Ok(());
        }
        // Lifecycle is no sign of the model, before content and behind it.
        if sign != RelaySign::Lifecycle {
            self.enter(self.phase.after_frame(&sign));
        }
        match sign {
            RelaySign::Lifecycle if self.phase == Phase::Opened => {
                self.held.push(bytes);
                let held: usize = self.held.iter().map(Bytes::len).sum();
                if held > HELD_AT_MOST {
                    return Err(self.fault(format!("no content came in {held} bytes")));
                }
                return Ok(());
            }
            RelaySign::Content { said } => {
                self.brought.relayed += u64::from(said);
                self.pace.came(u64::from(said));
                self.content_came();
                self.bounded(self.brought.relayed)?;
            }
            RelaySign::Lifecycle | RelaySign::Used(_) | RelaySign::Finished(_) | RelaySign::End { .. } => {}
        }
        let pieces = self
            .held
            .drain(..)
            .chain([bytes])
            .filter(|piece| !piece.is_empty());
        self.ready.extend(pieces.map(Sign::Piece));
        if let RelaySign::End { finish, usage } = sign {
            self.ready.push_back(Sign::End(Ended { finish, usage }));
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        // Lifecycle and what is said of allowances are no signs of the model.
        if phase == Phase::Opened {
            return;
        }
        self.silence = Duration::ZERO;
        if self.phase == Phase::Opened {
            self.brought.first_sign = Some(self.began.elapsed());
        }
        if phase != self.phase {
            tracing::debug!(phase = phase.as_str(), "try");
            self.phase = phase;
        }
    }

    fn content_came(&mut self) {
        if self.brought.first_content.is_none() {
            self.brought.first_content = Some(self.began.elapsed());
        }
    }

    fn bounded(&self, bytes: u64) -> Result<(), TryError> {
        if bytes > ANSWER_AT_MOST {
            return Err(self.fault(format!("its answer is longer than {ANSWER_AT_MOST} bytes")));
        }
        Ok(())
    }

    /// When the phase's patience or the call's time is over, for a read that begins now.
    fn stalls_at(&self, now: Instant) -> Instant {
        let limit = self.phase.deadline(self.gate.deadlines());
        let silent = limit.map(|(limit, _)| limit.saturating_sub(self.silence));
        let left = [silent, self.pace.left()].into_iter().flatten().min();
        left.map_or(self.until, |left| (now + left).min(self.until))
    }

    /// Awaits `work` up to a time. An adapter's panic is its fault.
    async fn read<T>(work: impl Future<Output = T>, cancel: &CancellationToken, until: Instant) -> Read<T> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Read::Cancelled,
            done = AssertUnwindSafe(work).catch_unwind() => done.map_or(Read::Panicked, Read::Done),
            () = tokio::time::sleep_until(until) => Read::Late,
        }
    }

    fn done<T>(&self, read: Read<T>) -> Result<T, TryError> {
        match read {
            Read::Done(done) => Ok(done),
            Read::Cancelled => Err(TryError::Cancelled),
            Read::Panicked => Err(self.fault("its adapter panicked".to_owned())),
            Read::Late => match self.phase.deadline(self.gate.deadlines()) {
                Some((limit, what)) if Instant::now() < self.until => {
                    Err(self.fault(format!("{what} within {} ms", limit.as_millis())))
                }
                _ => Err(TryError::TimeUp),
            },
        }
    }

    fn item<T>(&mut self, read: Read<Option<Result<T, ProviderFault>>>) -> Result<T, TryError> {
        if let Read::Late = read
            && Instant::now() < self.until
            && let Some(why) = self.pace.judge()
        {
            return Err(self.fault(why));
        }
        match self.done(read)? {
            Some(item) => item.map_err(|fault| self.told(fault)),
            None => Err(self.fault("its stream ended before the answer did".to_owned())),
        }
    }

    /// A backend's own word. One that speaks of a cancelling nobody did has given up by itself.
    fn told(&self, fault: ProviderFault) -> TryError {
        match fault.class {
            FaultClass::Cancelled if self.cancel.is_cancelled() => TryError::Cancelled,
            FaultClass::Cancelled => TryError::Fault(ProviderFault {
                class: FaultClass::Transient,
                ..fault
            }),
            _ => TryError::Fault(fault),
        }
    }

    fn fault(&self, message: String) -> TryError {
        TryError::Fault(ProviderFault::new(
            &**self.gate.name(),
            FaultClass::Transient,
            message,
        ))
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

/// What came of waiting.
enum Read<T> {
    Done(T),
    Cancelled,
    Panicked,
    Late,
}
