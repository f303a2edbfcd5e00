//! One call: targets chosen, tries made, until one answers or nobody is left. It is drawn out sign by sign, at its
//! reader's pace.

mod broken;
mod candidates;
mod choose;
mod hedge;
mod held;
mod joint;
mod manner;
mod observe;
mod serve;
mod tell;

use std::sync::Arc;

use crate::accounts::Ticket;
use crate::asked::Asked;
use crate::price::Price;
use crate::provider::{Admitted, ProviderGate};
use crate::recover::Recover;
use crate::router::Shared;
use crate::tries::{Ended, Sign, TryError};
use broken::{Broken, Going};
use bytes::Bytes;
use candidates::Candidates;
use choose::Chosen;
use greenroom_kernel::{
    CallContext, CallFailure, Capabilities, Embeddings, ErrorCode, Failure, FaultClass, ModelAnswer,
    ProviderFault, ServedBy, ToolCall, TryKind, Usage,
};
use held::Held;
use http::HeaderMap;
use observe::Observed;

/// Where a call may go.
pub(crate) struct Target {
    pub(crate) gate: Arc<ProviderGate>,
    pub(crate) model: Arc<str>,
    pub(crate) window: Option<u32>,
    pub(crate) can: Capabilities,
    /// What its tokens cost, if that is known.
    pub(crate) price: Option<Price>,
}

/// What a call brings.
pub(crate) enum Step {
    Text(String),
    Thinking(String),
    Call(ToolCall),
    /// Bytes of a relayed answer, to be passed on.
    Piece(Bytes),
    /// The model works on what isn't shown.
    Working,
    /// The call starts over: what was shown of it doesn't count.
    Restart,
    /// It is done.
    End(End),
}

/// How a call ends well.
pub(crate) enum End {
    /// With an answer in the kernel's words.
    Answer(Box<ModelAnswer>),
    /// With vectors.
    Vectors(Embeddings),
    /// All pieces are out.
    Relayed,
}

/// A call under way. Dropping it ends the try that runs.
pub(crate) struct Call {
    candidates: Candidates,
    asked: Asked,
    /// What tries used of which the model gave a sign, and that were lost.
    lost: Usage,
    /// The request's tokens, as estimated, where somebody wants to know what is used while it runs.
    input: Option<u64>,
    /// Whether it may start over after its reader has seen a part of it.
    restarts: bool,
    running: Option<(usize, Observed)>,
    /// Who served a call that has ended well.
    ended_by: Option<ServedBy>,
    shown: bool,
    /// The first sign of the winner of a race, not told yet.
    won: Option<Sign>,
    /// Who pays for it.
    ticket: Option<Arc<Ticket>>,
    /// What may be tried once its reader has seen a part of it.
    recover: Arc<Recover>,
    /// The answer that broke, once one did.
    broken: Option<Box<Broken>>,
    /// What its reader isn't shown yet.
    held: Option<Held>,
    /// Of a relayed answer that has ended.
    headers: HeaderMap,
}

impl Call {
    /// A call whose reader is told when it starts over.
    ///
    /// Boxed, for it goes from hand to hand.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        asked: Asked,
        context: CallContext,
        targets: Vec<Target>,
    ) -> Box<Self> {
        let flow = shared.flow(asked.logical());
        let ticket = Ticket::of(&shared.accounts, &context, &asked, targets.first());
        Box::new(Self {
            candidates: Candidates::new(shared, &flow, context, targets),
            asked,
            lost: Usage::default(),
            input: None,
            restarts: true,
            running: None,
            ended_by: None,
            shown: false,
            won: None,
            ticket,
            recover: Arc::clone(&shared.recover),
            broken: None,
            held: None,
            headers: HeaderMap::new(),
        })
    }

    /// With what its route allows once its reader has seen a part of the answer.
    pub(crate) fn recovering(mut self: Box<Self>, recover: &Arc<Recover>) -> Box<Self> {
        self.recover = Arc::clone(recover);
        self
    }

    /// What comes next; nothing is asked of it after [`Step::End`] or an error. Cancel-safe once the call has content.
    pub(crate) async fn next(&mut self) -> Result<Step, CallFailure> {
        let step = self.shown().await;
        if let Some(ticket) = &self.ticket {
            ticket.saw(&step);
        }
        step
    }

    /// What its reader is shown next.
    async fn shown(&mut self) -> Result<Step, CallFailure> {
        let step = loop {
            let Some(held) = &mut self.held else {
                break self.drawn().await?;
            };
            if let Some(step) = held.take() {
                break step;
            }
            if held.is_over() {
                self.held = None;
                continue;
            }
            let step = self.drawn().await?;
            let said = self.running.as_ref().map_or(0, |(_, running)| running.said());
            let now = self.candidates.began.elapsed();
            if let Some(held) = &mut self.held {
                held.add(step, now, said);
            }
        };
        self.shown |= matches!(step, Step::Text(_) | Step::Piece(_));
        Ok(step)
    }

    /// What comes next, whether it is held back or not.
    async fn drawn(&mut self) -> Result<Step, CallFailure> {
        loop {
            let waiting = self.broken.as_mut().and_then(|broken| broken.waiting.pop_front());
            let Some((at, running)) = &mut self.running else {
                // Boxed: it is large, and most of what is asked for is the next sign of a try that runs.
                if Box::pin(self.begin()).await? {
                    return Ok(Step::Restart);
                }
                continue;
            };
            let at = *at;
            let sign = match waiting.or_else(|| self.won.take()) {
                Some(sign) => sign,
                None => match (running.next().await, &mut self.broken) {
                    (Ok(sign), None) => sign,
                    (Ok(sign), Some(broken)) => match broken.told(sign) {
                        Some(sign) => sign,
                        None => {
                            self.strayed(at);
                            continue;
                        }
                    },
                    (Err(error), _) => {
                        self.failed(at, error)?;
                        continue;
                    }
                },
            };
            return Ok(match sign {
                Sign::Text(text) => Step::Text(text),
                Sign::Piece(piece) => Step::Piece(piece),
                Sign::Thinking(text) => Step::Thinking(text),
                Sign::Call(call) => Step::Call(call),
                Sign::Working => Step::Working,
                Sign::End(ended) => Step::End(self.end(&ended)),
            });
        }
    }

    /// Chooses a target and begins a try. Says whether its reader has to forget what it was shown.
    async fn begin(&mut self) -> Result<bool, CallFailure> {
        if self.candidates.context.cancel.is_cancelled() {
            return Err(cancelled().into());
        }
        let Going { chosen, asked } = match &mut self.broken {
            // Boxed: what is rare shall not make the rest large.
            Some(broken) => Box::pin(broken.go_on(&self.candidates)).await?,
            None => Going {
                chosen: self.candidates.choose().await?,
                asked: self.asked.clone(),
            },
        };
        let made = self.candidates.course.made();
        if made == 0 {
            self.candidates.shared.count_first_try();
        }
        let Chosen { at, target, admitted } = chosen;
        let kind = match self.broken {
            Some(_) => TryKind::Recovery,
            None => self.candidates.course.kind(at),
        };
        let mut observed = self.observed(&target, &asked, (made + 1, kind), admitted);
        let restart = self.restarts && std::mem::take(&mut self.shown);
        if !restart
            && self.broken.is_none()
            && let Some(after) = self.candidates.hedges_after(&target)
        {
            Box::pin(self.raced(at, observed, after)).await?;
            return Ok(false);
        }
        match observed
            .open(&self.candidates.context, self.candidates.until)
            .await
        {
            Ok(()) => self.running = Some((at, observed)),
            Err(error) => {
                self.lost = self.lost.plus(observed.lost());
                self.judged(at, error, &mut observed)?;
            }
        }
        Ok(restart)
    }

    fn observed(
        &self,
        target: &Arc<Target>,
        asked: &Asked,
        which: (u32, TryKind),
        admitted: Admitted,
    ) -> Observed {
        Observed::begin(
            &self.candidates.shared,
            target,
            asked,
            which,
            admitted,
            self.input,
            self.ticket.clone(),
        )
    }

    fn failed(&mut self, at: usize, error: TryError) -> Result<(), CallFailure> {
        let Some((_, mut observed)) = self.running.take() else {
            return Err(Failure::internal("a model call failed in a try that never ran").into());
        };
        self.lost = self.lost.plus(observed.lost());
        if let Some(held) = &mut self.held {
            held.forget();
        }
        self.judged(at, error, &mut observed)
    }

    /// Whether the call goes on after a try that failed.
    fn judged(&mut self, at: usize, error: TryError, observed: &mut Observed) -> Result<(), CallFailure> {
        match error {
            TryError::Cancelled => Err(cancelled().into()),
            TryError::TimeUp => Err(self.candidates.time_up()),
            TryError::Refused(failure) => Err((*failure).into()),
            TryError::Fault(fault) | TryError::Stalled(fault) if self.restarts || !self.shown => {
                if self.candidates.failed(at, fault) {
                    Ok(())
                } else {
                    Err(self.candidates.given_up())
                }
            }
            TryError::Fault(fault) | TryError::Stalled(fault) => self.broke(at, fault, observed),
        }
    }

    /// A try failed whose reader has seen a part of the answer. Whether somebody may go on with it.
    fn broke(&mut self, at: usize, fault: ProviderFault, observed: &mut Observed) -> Result<(), CallFailure> {
        if let Some(broken) = &mut self.broken {
            if fault.class == FaultClass::BadRequest && broken.was_prefilled() {
                self.candidates.refused_prefill(at);
            }
            // What the answer broke of says more than why nobody could go on with it.
            self.candidates.course.failed(at, fault.class, fault.retry_after);
            broken.broke_again(at);
            return Ok(());
        }
        let is_theirs = fault.class.is_provider_fault();
        self.candidates.failed(at, fault);
        self.broken = match is_theirs {
            true => Broken::of(observed, &self.asked, &self.recover, at),
            false => None,
        };
        match self.broken {
            Some(_) => Ok(()),
            None => Err(self.candidates.given_up_after_content()),
        }
    }

    /// A try doesn't go on from what was shown: nobody's fault.
    fn strayed(&mut self, at: usize) {
        if let Some((_, observed)) = self.running.take() {
            self.lost = self.lost.plus(observed.lost());
        }
        self.candidates.course.failed(at, FaultClass::Cancelled, None);
        if let Some(broken) = &mut self.broken {
            broken.broke_again(at);
        }
    }

    fn end(&mut self, ended: &Ended) -> End {
        let Some((at, mut observed)) = self.running.take() else {
            return End::Relayed;
        };
        let by = self.candidates.served_by(at);
        self.ended_by = Some(by.clone());
        let usage = observed.ended_well(ended);
        let relayed = observed.running().is_some_and(|running| running.is_relayed());
        if relayed {
            if self.held.is_some() {
                self.headers = observed.headers();
            }
            return End::Relayed;
        }
        if let Some(vectors) = observed.running().and_then(|running| running.vectors.take()) {
            return End::Vectors(Embeddings {
                usage: Some(usage.plus(self.lost)),
                ..vectors
            });
        }
        let mut brought = observed.take();
        if let Some(broken) = &self.broken {
            brought.content = broken.text();
        }
        End::Answer(Box::new(ModelAnswer {
            content: brought.content,
            reasoning: brought.reasoning,
            tool_calls: brought.calls,
            finish: ended.finish,
            usage: usage.plus(self.lost),
            provider: by.provider.to_string(),
            model: by.model.to_string(),
        }))
    }

    /// What the call has used until now, all its tries together.
    fn used(&self) -> Usage {
        match &self.running {
            Some((_, observed)) => self.lost.plus(observed.used()),
            None => self.lost,
        }
    }

    /// Who serves the call now, or has served it.
    fn served_by(&self) -> Option<ServedBy> {
        match &self.running {
            Some((at, _)) => Some(self.candidates.served_by(*at)),
            None => self.ended_by.clone(),
        }
    }
}

fn cancelled() -> Failure {
    Failure::new(ErrorCode::Cancelled, "the model call was cancelled")
}
