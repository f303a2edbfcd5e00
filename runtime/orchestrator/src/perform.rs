//! Steps the supervisor runs for an agent: model calls, calls of other agents, timers.

mod child;

use std::sync::Arc;

use greenroom_kernel::{
    Accepted, AgentName, CallContext, Caller, ContentPiece, ErrorCode, Failure, IdempotencyKey, InputHash,
    JournalKey, JournalKind, Limits, ModelRequest, NewTask, Opened, ParentStep, Payload, Reply, SessionId,
    StepCall, StepCost, StepHead, StepKind, StepOutcome, TaskId, Timestamp, Usage,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::hub::Hub;
use crate::journal_actor::Operation;
use crate::membership::Way;
use crate::meter::Meter;
use crate::payloads::{patiently_unless_elsewhere, stash_patiently};
use crate::shared::Shared;
use crate::trace;

use child::{child_result, wait_for_end};

/// How long after its task's end a model call ends by itself.
const OWNERS_MOMENT: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a child rests that can't begin here now.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// One step to run.
pub(crate) struct Step {
    pub(crate) shared: Arc<Shared>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) key: JournalKey,
    pub(crate) task: u32,
    pub(crate) attempt: u32,
    pub(crate) head: StepHead,
    pub(crate) call: StepCall,
    pub(crate) due: Option<Timestamp>,
    pub(crate) accepted: Accepted,
    /// What the task and its running children have used.
    pub(crate) used: Usage,
    /// Tries of this step that were lost with their owners.
    pub(crate) lost: u32,
    /// Where what this step uses is told.
    pub(crate) meter: Arc<Meter>,
    pub(crate) steps_used: u32,
    pub(crate) expires_at: Timestamp,
    pub(crate) accepted_at: Timestamp,
    pub(crate) cancel: CancellationToken,
    pub(crate) span: Span,
}

impl Step {
    /// Runs it. Dropping the future cancels a model call and stops waiting for a child, which goes on.
    pub(crate) async fn run(self) -> (StepOutcome, StepCost) {
        let span = self.span.clone();
        let mut cost = StepCost::default();
        let outcome = match self.head.kind {
            StepKind::Model => {
                let accepting = self.accepted.trace.as_deref();
                greenroom_telemetry::within(accepting, self.model(&mut cost).instrument(span)).await
            }
            StepKind::Agent => self.agent(&mut cost).instrument(span).await,
            StepKind::Timer => self.sleep().await,
            StepKind::Tool | StepKind::Effect | StepKind::Approval => Err(Failure::internal(
                "only models, agents and timers are run by the supervisor",
            )),
        };
        let outcome = match outcome {
            Ok(text) => stash_patiently(&*self.shared.store, &self.key, text).await,
            Err(failure) => Err(failure),
        };
        // What was used was used, whatever came of it.
        (outcome.map_or_else(StepOutcome::Failed, StepOutcome::Done), cost)
    }

    fn task_id(&self) -> TaskId {
        TaskId {
            journal: self.key.journal.clone(),
            ordinal: self.task,
        }
    }

    /// The child task this step calls, if it calls one.
    pub(crate) fn child(&self) -> Option<TaskId> {
        let calls = self.head.kind == StepKind::Agent;
        calls.then(|| TaskId {
            journal: SessionId::child(&self.task_id(), &self.head.path),
            ordinal: 0,
        })
    }

    fn payer(&self) -> Caller {
        Caller {
            // A task of no conversation has a journal of its own.
            session: self.accepted.turn.then(|| self.key.journal.clone()),
            task: Some(self.task_id()),
            ..Caller::new(self.key.tenant.clone(), self.accepted.subject.clone())
        }
    }

    async fn model(&self, cost: &mut StepCost) -> Result<String, Failure> {
        let mut request: ModelRequest = serde_json::from_str(&self.call.input)
            .map_err(|error| Failure::bad_input(format!("a model request is wrong: {error}")))?;
        if request.model.is_none() {
            request.model.clone_from(&self.accepted.model);
        }
        let context = CallContext {
            // The task's own end is its owner's to call, in its own words; this is for an owner that doesn't.
            deadline: Some(self.expires_at.after(OWNERS_MOMENT)),
            cancel: self.cancel.clone(),
            affinity: Some(self.task_id().journal.as_str().into()),
            caller: Some(Arc::new(self.payer())),
            ..CallContext::default()
        };
        let lost = match self.lost {
            0 => Usage::default(),
            tries => self.shared.models.estimate(&request).times(tries),
        };
        self.meter.set(lost);
        let (hub, task, attempt, visible) = (&self.hub, self.task, self.attempt, self.call.visible);
        let mark = hub.mark(task, attempt);
        let mut on_content = |piece: ContentPiece<'_>| match piece {
            ContentPiece::Used(used) => self.meter.set(lost.plus(used)),
            ContentPiece::Text(text) if visible => hub.append(task, attempt, text),
            ContentPiece::Restart if visible => hub.cut(task, attempt, mark),
            ContentPiece::Text(_) | ContentPiece::Restart => {}
        };
        let called = self.shared.models.call(&request, &context, &mut on_content).await;
        if let Ok(answer) = &called {
            self.meter.set(lost.plus(answer.usage));
            cost.served_by = Some((answer.provider.clone(), answer.model.clone()));
        }
        let used = self.meter.used();
        cost.usage = (called.is_ok() || !used.is_nothing()).then_some(used);
        serde_json::to_string(&called?)
            .map_err(|error| Failure::internal(format!("a model answer can't be written down: {error}")))
    }

    async fn sleep(&self) -> Result<String, Failure> {
        if let Some(due) = self.due {
            // The wall clock may be set while we wait: what counts is that it shows the due time.
            loop {
                let left = self.shared.now().until(due);
                if left.is_zero() {
                    break;
                }
                tokio::time::sleep(left.min(std::time::Duration::from_secs(60))).await;
            }
        }
        Ok("null".to_owned())
    }

    async fn agent(&self, cost: &mut StepCost) -> Result<String, Failure> {
        let name = self.head.name.as_deref().unwrap_or_default();
        let agent = AgentName::parse(name)?;
        let wait = self.shared.config.instance_wait();
        // A child that is there already goes on, whatever has become of its agent's card.
        let refused = self
            .shared
            .agents
            .admits(&agent, &self.call.input, wait)
            .await
            .err();
        let limits = self.remaining()?;
        let child = SessionId::child(&self.task_id(), &self.head.path);
        let key = JournalKey {
            tenant: self.key.tenant.clone(),
            journal: child.clone(),
        };
        let input = match &refused {
            None => stash_patiently(&*self.shared.store, &key, self.call.input.clone()).await?,
            Some(_) => Payload::inline(self.call.input.clone()),
        };
        let accepted = Accepted {
            ordinal: 0,
            agent,
            input,
            turn: false,
            key: IdempotencyKey::parse("child")?,
            input_hash: InputHash::of(&[name, &self.call.input]),
            deadline: Some(self.expires_at),
            limits,
            model: self.accepted.model.clone(),
            metadata: None,
            parent: Some(ParentStep {
                task: self.task_id(),
                path: self.head.path.clone(),
            }),
            retries: None,
            subject: self.accepted.subject.clone(),
            trace: trace::traceparent(&Span::current(), self.accepted.trace.as_deref()),
        };
        let opened = Opened {
            kind: JournalKind::Task,
            subject: accepted.subject.clone(),
            title: None,
            metadata: None,
            call: None,
        };
        let (done, ended) = oneshot::channel();
        let task = Box::new(NewTask {
            accepted,
            message: None,
        });
        let operation = Operation::Accept {
            task,
            open: Some(opened),
            fresh: false,
            refused,
        };
        let journals = &self.shared.journals;
        let _watch = self.shared.meters.watch(&key, &self.key, &self.meter);
        let mut done = Some(done);
        let reply = loop {
            let ask = || journals.ask(&self.shared, &key, Way::Inside, operation.clone(), done.take());
            match patiently_unless_elsewhere(ask).await {
                Ok(reply) => break Some(reply),
                // One that began before goes on where it is: its end is found in the store. One that did not begins when
                // this process, or the next that has the task, may begin it.
                Err(failure) if self.shared.fleet.is_some() && failure.code == ErrorCode::Unavailable => {
                    if failure.elsewhere.is_some() && child::is_known(&self.shared, &key).await? {
                        break None;
                    }
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(failure) => return Err(failure),
            }
        };
        if let Some(Reply::Task(row)) = reply {
            // One that was found again has used something before.
            self.meter.set(row.usage.unwrap_or_default());
        }
        let row = wait_for_end(&self.shared, &key, 0, ended).await?;
        cost.usage = row.usage;
        child_result(&self.shared, &key, row).await
    }

    /// What this task may still spend, each of its children too: their owner stops them all when they have together
    /// spent it.
    fn remaining(&self) -> Result<Limits, Failure> {
        let limits = self.accepted.limits;
        if limits.depth == 0 {
            return Err(Failure::new(
                ErrorCode::LimitExceeded,
                "the task's limit of depth was reached: it may not hand off",
            ));
        }
        let left = self
            .accepted_at
            .after(std::time::Duration::from_millis(limits.time_ms));
        Ok(Limits {
            steps: limits.steps.saturating_sub(self.steps_used),
            tokens: limits.tokens.saturating_sub(self.used.total_tokens()),
            cost_usd: limits
                .cost_usd
                .map(|limit| (limit - self.used.cost_usd.unwrap_or(0.0)).max(0.0)),
            time_ms: u64::try_from(self.shared.now().until(left).as_millis()).unwrap_or(limits.time_ms),
            depth: limits.depth - 1,
        })
    }
}
