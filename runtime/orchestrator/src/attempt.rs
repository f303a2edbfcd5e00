//! One attempt: an instance is found, the agent's frames become the actor's messages, silence is a death.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use greenroom_kernel::{
    Accepted, AgentRun, AgentSink, AttemptEnd, CallOutcome, ErrorCode, Failure, FromAgent, HistoryMessage,
    JournalKey, PAYLOAD_LIMIT, Payload, Principal, Role, RunStart, StepAnswer, StepCost, StepOutcome, TaskId,
    Timestamp, ToAgent,
};
use greenroom_supervision::Loopback;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::agents::{Lease, Wanted};
use crate::hub::Hub;
use crate::journal_actor::Message;
use crate::payloads::{fetch, patiently, stash_patiently};
use crate::schema::{Contract, Side};
use crate::shared::Shared;
use crate::trace;

/// The way to a running attempt's agent, and the token that ends it.
#[derive(Clone)]
pub(crate) struct AttemptLine {
    task: u32,
    attempt: u32,
    cancel: CancellationToken,
    sink: Arc<OnceLock<Box<dyn AgentSink>>>,
    /// Steps asked for and not answered or reported: what the agent's credit bounds.
    unanswered: Arc<AtomicU32>,
    span: Arc<OnceLock<Span>>,
    version: Arc<OnceLock<Arc<str>>>,
}

impl AttemptLine {
    pub(crate) fn new(task: u32, attempt: u32, cancel: CancellationToken) -> Self {
        Self {
            task,
            attempt,
            cancel,
            sink: Arc::default(),
            unanswered: Arc::default(),
            span: Arc::default(),
            version: Arc::default(),
        }
    }

    pub(crate) fn task(&self) -> u32 {
        self.task
    }

    pub(crate) fn is(&self, task: u32, attempt: u32) -> bool {
        (self.task, self.attempt) == (task, attempt)
    }

    /// Sends the agent a frame; one that is gone is noticed by the attempt itself.
    pub(crate) fn send(&self, frame: ToAgent) {
        if matches!(
            &frame,
            ToAgent::Answer {
                answer: StepAnswer::Finished(_),
                ..
            }
        ) {
            self.answered();
        }
        if let Some(sink) = self.sink.get() {
            let _ = sink.send(frame);
        }
    }

    /// One step asked for is answered or reported. False when there was none.
    fn answered(&self) -> bool {
        let one_less = |open: u32| open.checked_sub(1);
        self.unanswered
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    /// Ends the attempt: nobody wants its outcome.
    pub(crate) fn halt(&self, reason: &'static str) {
        self.send(ToAgent::Cancel(reason.to_owned()));
        self.cancel.cancel();
    }

    /// The attempt ended by itself: what still runs for it stops.
    pub(crate) fn close(&self) {
        self.cancel.cancel();
    }

    pub(crate) fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The version of the agent that runs it, once it does.
    pub(crate) fn version(&self) -> Option<Arc<str>> {
        self.version.get().cloned()
    }

    pub(crate) fn span(&self) -> Span {
        self.span.get().cloned().unwrap_or_else(Span::none)
    }
}

/// What an attempt begins with, before payloads are fetched.
pub(crate) struct Briefing {
    pub(crate) key: JournalKey,
    pub(crate) task: u32,
    pub(crate) attempt: u32,
    pub(crate) accepted: Accepted,
    pub(crate) accepted_at: Timestamp,
    pub(crate) deadline: Timestamp,
    pub(crate) history: Vec<(Role, Payload)>,
    /// The version of the agent that asked for the steps that are journaled.
    pub(crate) version: Option<Arc<str>>,
}

impl Briefing {
    fn task_id(&self) -> TaskId {
        TaskId {
            journal: self.key.journal.clone(),
            ordinal: self.task,
        }
    }
}

/// Runs one attempt to its end and tells the actor how it ended. Dropped or cancelled, the agent's stream ends.
pub(crate) async fn run(
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    briefing: Briefing,
    line: AttemptLine,
    loopback: Loopback<Message>,
) {
    let (task, attempt) = (briefing.task, briefing.attempt);
    let span = tracing::info_span!(
        "attempt",
        task = %briefing.task_id(),
        session = %briefing.key.journal,
        tenant = %briefing.key.tenant,
        agent = %briefing.accepted.agent,
        attempt,
        trace_id = tracing::field::Empty,
    );
    trace::continue_from(&span, briefing.accepted.trace.as_deref());
    let _ = line.span.set(span.clone());
    let cancelled = line.cancelled();
    let ended = Attempt {
        shared,
        hub,
        briefing,
        line,
        loopback: loopback.clone(),
    }
    .run()
    .instrument(span);
    tokio::select! {
        biased;
        () = cancelled.cancelled() => {}
        end = ended => {
            loopback.send(Message::Ended { task, attempt, end });
        }
    }
}

struct Attempt {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    briefing: Briefing,
    line: AttemptLine,
    loopback: Loopback<Message>,
}

impl Attempt {
    async fn run(self) -> AttemptEnd {
        let mut start = match self.start().await {
            Ok(start) => Some(start),
            Err(failure) => return AttemptEnd::Failed(failure),
        };
        let (agents, agent) = (&self.shared.agents, &self.briefing.accepted.agent);
        let wait = self.shared.config.instance_wait();
        let mut wanted = Wanted {
            version: self.briefing.version.clone(),
            unfit: Vec::new(),
        };
        let until = tokio::time::Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let lease = match agents.lease(agent, &wanted, left).await {
                Ok(lease) => lease,
                Err(failure) => return AttemptEnd::Failed(failure),
            };
            let start = match start.take() {
                Some(start) => start,
                None => match self.start().await {
                    Ok(start) => start,
                    Err(failure) => return AttemptEnd::Failed(failure),
                },
            };
            let contract = lease.contract();
            // When it was accepted, some version's card took it.
            if agents.differs(agent) && !takes(contract.as_ref(), &start.input).await {
                wanted.unfit.push(lease.version());
                continue;
            }
            let silence = self.shared.config.silence();
            let begun = tokio::time::timeout(silence, lease.endpoint().run(start));
            let end = match begun.await {
                Ok(Ok(run)) => {
                    let _ = self.line.version.set(lease.version());
                    self.converse(run, contract).await
                }
                Ok(Err(failure))
                    if failure.code == ErrorCode::BadUserInput || failure.code == ErrorCode::NotFound =>
                {
                    AttemptEnd::Failed(failure)
                }
                // Nothing ran, so no attempt is lost: another instance, or this one when it is back.
                Ok(Err(failure)) => {
                    lease.unreached(failure).await;
                    agents.change();
                    continue;
                }
                Err(_) => {
                    let failure = Failure::unavailable("the agent host does not answer");
                    lease.unreached(failure).await;
                    agents.change();
                    continue;
                }
            };
            settle(lease, &end);
            if matches!(end, AttemptEnd::Died(_)) {
                agents.change();
            }
            return end;
        }
    }

    async fn start(&self) -> Result<RunStart, Failure> {
        let Briefing { key, accepted, .. } = &self.briefing;
        let store = &*self.shared.store;
        let mut history = Vec::with_capacity(self.briefing.history.len());
        for (role, content) in &self.briefing.history {
            history.push(HistoryMessage {
                role: *role,
                content: patiently(|| fetch(store, key, content)).await?.to_string(),
            });
        }
        let task = self.briefing.task_id();
        let seed = task.seed(&key.tenant);
        Ok(RunStart {
            task,
            agent: accepted.agent.clone(),
            attempt: self.briefing.attempt,
            principal: Principal {
                tenant: key.tenant.clone(),
                subject: accepted.subject.clone(),
                scopes: Vec::new(),
                tier: String::new(),
            },
            input: patiently(|| fetch(store, key, &accepted.input))
                .await?
                .to_string(),
            history,
            model: accepted.model.clone(),
            deadline: Some(self.briefing.deadline),
            accepted_at: self.briefing.accepted_at,
            seed,
            credit: self.shared.config.credit,
            heartbeat: self.shared.config.silence(),
            trace: trace::traceparent(&Span::current(), accepted.trace.as_deref()),
        })
    }

    async fn converse(&self, run: AgentRun, contract: Option<Arc<Contract>>) -> AttemptEnd {
        let AgentRun {
            outbound,
            mut inbound,
        } = run;
        let _ = self.line.sink.set(outbound);
        let (task, attempt) = (self.briefing.task, self.briefing.attempt);
        let (silence, credit) = (self.shared.config.silence(), self.shared.config.credit);
        loop {
            let frame = match tokio::time::timeout(silence, inbound.next()).await {
                Err(_) => {
                    return AttemptEnd::Died(format!("the agent was silent for {} ms", silence.as_millis()));
                }
                Ok(None) => return AttemptEnd::Died("the agent went away".to_owned()),
                Ok(Some(Err(failure))) => return AttemptEnd::Died(failure.message),
                Ok(Some(Ok(frame))) => frame,
            };
            match frame {
                FromAgent::Heartbeat => {}
                FromAgent::Emit(text) => {
                    self.hub.append(task, attempt, &text);
                    if self.hub.is_overlong(task, attempt) {
                        let why = format!("the answer's text is over the limit of {PAYLOAD_LIMIT} bytes");
                        return AttemptEnd::Failed(Failure::new(ErrorCode::LimitExceeded, why));
                    }
                }
                FromAgent::Call(_) if self.line.unanswered.fetch_add(1, Ordering::Relaxed) >= credit => {
                    let why =
                        format!("the agent asked for more than {credit} steps at once, which is its credit");
                    return AttemptEnd::Failed(Failure::new(ErrorCode::LimitExceeded, why));
                }
                FromAgent::Call(call) => {
                    self.loopback.send(Message::Called {
                        task,
                        attempt,
                        call: Box::new(call),
                    });
                }
                FromAgent::Report { path, .. } if !self.line.answered() => {
                    let why = format!("the agent reported step {path}, which it had not asked for");
                    return AttemptEnd::Failed(Failure::new(ErrorCode::AgentFailed, why));
                }
                FromAgent::Report { path, outcome } => {
                    let outcome = self.stash_outcome(outcome).await;
                    self.loopback.send(Message::Finished {
                        task,
                        attempt,
                        path,
                        outcome,
                        cost: StepCost::default(),
                    });
                }
                FromAgent::Completed { content, data } => {
                    if let Err(failure) = self.keeps(contract, data.as_deref()).await {
                        return AttemptEnd::Failed(failure);
                    }
                    return self.completed(content, data).await;
                }
                // Nobody here cancelled it: its host is leaving, and another instance takes over.
                FromAgent::Failed(failure) if failure.code == ErrorCode::Cancelled => {
                    return AttemptEnd::Died(failure.message);
                }
                FromAgent::Failed(failure) => return AttemptEnd::Failed(failure),
                FromAgent::Panicked(why) => return AttemptEnd::Died(format!("the agent panicked: {why}")),
            }
        }
    }

    /// Refuses data that breaks the agent's own output schema; none counts as null.
    async fn keeps(&self, contract: Option<Arc<Contract>>, data: Option<&str>) -> Result<(), Failure> {
        let Some(contract) = contract else {
            return Ok(());
        };
        let checked = contract.check(Side::Output, data.unwrap_or("null")).await;
        checked.map_err(|why| {
            let agent = &self.briefing.accepted.agent;
            let message =
                format!("agent {agent} answered with data that breaks its own output schema: {why}");
            Failure::new(ErrorCode::AgentFailed, message)
        })
    }

    async fn completed(&self, content: Option<String>, data: Option<String>) -> AttemptEnd {
        let content = self.stash_optional(content).await;
        let data = self.stash_optional(data).await;
        match (content, data) {
            (Ok(content), Ok(data)) => AttemptEnd::Completed { content, data },
            (Err(failure), _) | (_, Err(failure)) => AttemptEnd::Failed(failure),
        }
    }

    async fn stash_optional(&self, text: Option<String>) -> Result<Option<Payload>, Failure> {
        match text {
            None => Ok(None),
            Some(text) => {
                let (store, key) = (&*self.shared.store, &self.briefing.key);
                stash_patiently(store, key, text).await.map(Some)
            }
        }
    }

    async fn stash_outcome(&self, outcome: StepOutcome) -> StepOutcome {
        match outcome {
            StepOutcome::Done(Payload::Inline(text)) => {
                let (store, key) = (&*self.shared.store, &self.briefing.key);
                match stash_patiently(store, key, text.to_string()).await {
                    Ok(payload) => StepOutcome::Done(payload),
                    Err(failure) => StepOutcome::Failed(failure),
                }
            }
            other => other,
        }
    }
}

/// Whether a card admits an input.
async fn takes(contract: Option<&Arc<Contract>>, input: &str) -> bool {
    match contract {
        Some(contract) => contract.check(Side::Input, input).await.is_ok(),
        None => true,
    }
}

/// Tells the instance's breaker how the attempt ended: an agent's own error is an answer, its death is not.
fn settle(lease: Lease, end: &AttemptEnd) {
    match end {
        AttemptEnd::Completed { .. } | AttemptEnd::Failed(_) => lease.settle(CallOutcome::Success, None),
        AttemptEnd::Died(why) => lease.settle(CallOutcome::Failure, Some(why.clone())),
    }
}
