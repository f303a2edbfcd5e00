//! One call: targets chosen, tries made, until one answers or nobody is left. It is drawn out sign by sign, at its
//! reader's pace.

mod candidates;
mod choose;
mod observe;
mod serve;
mod tell;

use std::sync::Arc;

use crate::asked::Asked;
use crate::price::Price;
use crate::provider::ProviderGate;
use crate::router::Shared;
use crate::tries::{Ended, Sign, TryError};
use bytes::Bytes;
use candidates::Candidates;
use choose::Chosen;
use greenroom_kernel::{
    CallContext, CallFailure, Embeddings, ErrorCode, Failure, ModelAnswer, ServedBy, ToolCall, Usage,
};
use observe::Observed;

/// Where a call may go.
pub(crate) struct Target {
    pub(crate) gate: Arc<ProviderGate>,
    pub(crate) model: Arc<str>,
    pub(crate) window: Option<u32>,
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
        Box::new(Self {
            candidates: Candidates::new(shared, context, targets),
            asked,
            lost: Usage::default(),
            input: None,
            restarts: true,
            running: None,
            ended_by: None,
            shown: false,
        })
    }

    /// What comes next; nothing is asked of it after [`Step::End`] or an error. Cancel-safe once the call has content.
    pub(crate) async fn next(&mut self) -> Result<Step, CallFailure> {
        loop {
            let Some((at, running)) = &mut self.running else {
                // Boxed: it is large, and most of what is asked for is the next sign of a try that runs.
                if Box::pin(self.begin()).await? {
                    return Ok(Step::Restart);
                }
                continue;
            };
            let at = *at;
            match running.next().await {
                Ok(Sign::Text(text)) => {
                    self.shown = true;
                    return Ok(Step::Text(text));
                }
                Ok(Sign::Piece(piece)) => {
                    self.shown = true;
                    return Ok(Step::Piece(piece));
                }
                Ok(Sign::Thinking(text)) => return Ok(Step::Thinking(text)),
                Ok(Sign::Call(call)) => return Ok(Step::Call(call)),
                Ok(Sign::Working) => return Ok(Step::Working),
                Ok(Sign::End(ended)) => return Ok(Step::End(self.end(&ended))),
                Err(error) => self.failed(at, error)?,
            }
        }
    }

    /// Chooses a target and begins a try. Says whether its reader has to forget what it was shown.
    async fn begin(&mut self) -> Result<bool, CallFailure> {
        if self.candidates.context.cancel.is_cancelled() {
            return Err(cancelled().into());
        }
        let Chosen { at, target, admitted } = self.candidates.choose().await?;
        let made = self.candidates.course.made();
        if made == 0 {
            self.candidates.shared.count_first_try();
        }
        let mut observed = Observed::begin(
            &self.candidates.shared,
            &target,
            &self.asked,
            made + 1,
            admitted,
            self.input,
        );
        let restart = std::mem::take(&mut self.shown);
        match observed
            .open(&self.candidates.context, self.candidates.until)
            .await
        {
            Ok(()) => self.running = Some((at, observed)),
            Err(error) => {
                self.lost = self.lost.plus(observed.lost());
                self.judged(at, error)?;
            }
        }
        Ok(restart)
    }

    fn failed(&mut self, at: usize, error: TryError) -> Result<(), CallFailure> {
        if let Some((_, observed)) = self.running.take() {
            self.lost = self.lost.plus(observed.lost());
        }
        self.judged(at, error)
    }

    /// Whether the call goes on after a try that failed.
    fn judged(&mut self, at: usize, error: TryError) -> Result<(), CallFailure> {
        match error {
            TryError::Cancelled => Err(cancelled().into()),
            TryError::TimeUp => Err(self.candidates.time_up()),
            TryError::Fault(fault) => {
                let goes_on = self.candidates.failed(at, fault);
                if goes_on && (self.restarts || !self.shown) {
                    Ok(())
                } else {
                    Err(self.candidates.given_up())
                }
            }
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
            return End::Relayed;
        }
        if let Some(vectors) = observed.running().and_then(|running| running.vectors.take()) {
            return End::Vectors(Embeddings {
                usage: Some(usage.plus(self.lost)),
                ..vectors
            });
        }
        let brought = observed.take();
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
