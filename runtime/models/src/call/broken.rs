//! An answer that broke after its reader had seen a part of it, and who goes on with it how.

use std::collections::VecDeque;
use std::sync::Arc;

use greenroom_kernel::{
    CallEvent, CallFailure, ErrorCode, ModelRequest, OutputFormat, Resumed, ToolCall, Wish,
};

use super::Target;
use super::candidates::Candidates;
use super::choose::Chosen;
use super::joint::Joint;
use super::manner::{Manner, prefilled, prompted};
use super::observe::Observed;
use crate::asked::Asked;
use crate::recover::{Recover, Way};
use crate::tries::Sign;

/// What a try goes on with.
pub(super) struct Going {
    pub(super) chosen: Chosen,
    pub(super) asked: Asked,
}

/// A broken answer.
pub(super) struct Broken {
    recover: Arc<Recover>,
    request: Arc<ModelRequest>,
    /// All that was shown.
    text: String,
    calls: Vec<ToolCall>,
    /// Goes on with a relayed stream.
    writer: Option<Box<dyn Resumed>>,
    /// Whose answer broke last.
    at: usize,
    /// In which manner whom was tried since something was shown last.
    tried: Vec<(Manner, usize)>,
    manner: Manner,
    joint: Joint,
    /// What waits until what is before it was told.
    pub(super) waiting: VecDeque<Sign>,
}

impl Broken {
    /// The answer of a try at target `at`; none where nobody can go on with it.
    pub(super) fn of(
        observed: &mut Observed,
        asked: &Asked,
        recover: &Arc<Recover>,
        at: usize,
    ) -> Option<Box<Self>> {
        let Ok(Wish::Answer(request)) = asked.wish() else {
            return None;
        };
        let (text, calls, writer) = match observed.transcript() {
            Some(transcript) => {
                let shown = transcript.shown()?;
                let writer = asked.resumed(&shown)?;
                (shown.text, Vec::new(), Some(writer))
            }
            None if observed.is_relayed() => return None,
            None => {
                let brought = observed.take();
                (brought.content, brought.calls, None)
            }
        };
        Some(Box::new(Self {
            recover: Arc::clone(recover),
            request,
            text,
            calls,
            writer,
            at,
            tried: Vec::new(),
            manner: Manner::Again,
            joint: Joint::Open,
            waiting: VecDeque::new(),
        }))
    }

    /// A try that went on with it failed too.
    pub(super) fn broke_again(&mut self, at: usize) {
        self.at = at;
        self.waiting.clear();
    }

    /// Whether the try that failed asked its target to go on from the text itself.
    pub(super) fn was_prefilled(&self) -> bool {
        self.manner == Manner::Prefill
    }

    /// Who goes on with it, and what that target is asked.
    pub(super) async fn go_on(&mut self, candidates: &Candidates) -> Result<Going, CallFailure> {
        let at_most = candidates.shared.retry.tries;
        while candidates.course.made() < at_most {
            let Some((manner, targets)) = self.plan(candidates) else {
                break;
            };
            let free = targets.iter().find_map(|at| candidates.admit(*at).ok());
            let chosen = match free {
                Some(chosen) => Ok(chosen),
                None => candidates.wait_for_any(&targets).await,
            };
            let chosen = match chosen {
                Ok(chosen) => chosen,
                Err(ours) if matches!(ours.code, ErrorCode::Cancelled | ErrorCode::DeadlineExceeded) => {
                    return Err(ours.into());
                }
                Err(_) => {
                    self.tried.extend(targets.iter().map(|at| (manner, *at)));
                    continue;
                }
            };
            self.tried.push((manner, chosen.at));
            // A second try at the same target is out of the budget, as everywhere.
            if candidates.course.tries(chosen.at) > 0 && !candidates.shared.may_retry() {
                continue;
            }
            tracing::info!(
                provider = &**chosen.target.gate.name(),
                manner = manner.as_str(),
                shown = self.text.len(),
                "going on with a broken answer"
            );
            let asked = Asked::Spoken(self.request_for(manner));
            return Ok(Going { chosen, asked });
        }
        Err(candidates.given_up_after_content())
    }

    /// The first manner that is left, and who can go on in it: the same target first, then those that weren't tried.
    fn plan(&self, candidates: &Candidates) -> Option<(Manner, Vec<usize>)> {
        let course = &candidates.course;
        let mut order: Vec<usize> = (0..candidates.targets.len())
            .filter(|at| course.is_open(*at))
            .collect();
        order.sort_by_key(|at| (*at != self.at, course.tries(*at)));
        self.manners().into_iter().find_map(|manner| {
            let can = |at: &usize| {
                let target = candidates.targets.get(*at);
                !self.tried.contains(&(manner, *at))
                    && target.is_some_and(|target| self.can(manner, target, candidates))
            };
            let able: Vec<usize> = order.iter().copied().filter(can).collect();
            (!able.is_empty()).then_some((manner, able))
        })
    }

    fn manners(&self) -> Vec<Manner> {
        let ways = &self.recover.ways;
        if self.text.is_empty() && self.calls.is_empty() {
            // Nothing but thoughts: any answer goes on from there.
            return ways.first().map(|_| Manner::Again).into_iter().collect();
        }
        let request = &self.request;
        let plain = request.output == OutputFormat::Text && self.calls.is_empty();
        let repeats = request.temperature == Some(0.0) || request.seed.is_some();
        let possible = |way: &Way| match way {
            Way::Prefill => (plain && !self.text.trim_end().is_empty()).then_some(Manner::Prefill),
            Way::Splice => repeats.then_some(Manner::Splice),
            Way::Prompt => plain.then_some(Manner::Prompt),
        };
        ways.iter().filter_map(possible).collect()
    }

    /// Where nobody knows whether a model goes on from a text it is not asked to: it might begin anew.
    fn can(&self, manner: Manner, target: &Target, candidates: &Candidates) -> bool {
        match manner {
            Manner::Prefill => {
                target.can.prefill == Some(true) && !candidates.shared.has_refused_prefill(target)
            }
            Manner::Again | Manner::Splice | Manner::Prompt => true,
        }
    }

    fn request_for(&mut self, manner: Manner) -> Arc<ModelRequest> {
        self.manner = manner;
        let (request, joint) = match manner {
            Manner::Again => (Arc::clone(&self.request), Joint::Open),
            Manner::Splice => (Arc::clone(&self.request), Joint::repeat(&self.text, &self.calls)),
            Manner::Prefill => {
                let shown = self.text.trim_end();
                let blank = &self.text[shown.len()..];
                let request = prefilled(&self.request, shown);
                (Arc::new(request), Joint::prefilled(shown, blank))
            }
            Manner::Prompt => {
                let request = prompted(&self.request, &self.text);
                (Arc::new(request), Joint::overlap(&self.text))
            }
        };
        self.joint = joint;
        request
    }

    /// What of a try's sign its reader is told now; none where the try doesn't go on from what was shown.
    pub(super) fn told(&mut self, sign: Sign) -> Option<Sign> {
        let new = match sign {
            Sign::Text(text) => self.joint.text(text).ok()?,
            // What was thought before the rest is nobody's answer.
            Sign::Thinking(_) | Sign::Piece(_) | Sign::Working => None,
            Sign::Call(call) => {
                let rest = self.joint.rest().ok()?;
                if self.joint.call(&call).ok()? {
                    self.calls.push(call.clone());
                    self.tried.clear();
                    self.waiting.push_back(Sign::Call(call));
                }
                rest
            }
            Sign::End(ended) => {
                let rest = self.joint.rest().ok()?;
                self.joint.end().ok()?;
                self.waiting.push_back(Sign::End(ended));
                rest
            }
        };
        Some(match new {
            Some(text) => {
                self.text.push_str(&text);
                // There is more to go on from: who failed before may be asked again.
                self.tried.clear();
                Sign::Text(text)
            }
            None => self.waiting.pop_front().unwrap_or(Sign::Working),
        })
    }

    /// All of the answer.
    pub(super) fn text(&self) -> String {
        self.text.clone()
    }

    /// An event in the words of a stream that was relayed; none where it wasn't.
    pub(super) fn written(&mut self, event: &CallEvent) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.writer.as_mut()?.event(event, &mut out);
        Some(out)
    }
}
