//! Attempts: begun beside the mailbox, answered through their line.

use std::sync::Arc;

use greenroom_kernel::{
    Failure, Payload, StepAnswer, StepCall, StepHead, StepKind, StepOutcome, StepPath, StepStatus, StepView,
    Timestamp, ToAgent,
};
use greenroom_supervision::Context;

use super::{JournalActor, Message, Phase};
use crate::attempt::{self, AttemptLine, Briefing};
use crate::meter::Metered;
use crate::{payloads, perform};

/// A step to be run here, as the owner let it go.
pub(super) struct LetGo {
    pub(super) head: StepHead,
    pub(super) call: StepCall,
    pub(super) due: Option<Timestamp>,
    pub(super) lost: u32,
}

impl JournalActor {
    pub(super) fn begin(&mut self, ctx: &Context<Message>, task: u32, attempt: u32) {
        if self.releasing {
            // Whoever has the journal next begins it.
            return;
        }
        let Phase::Owned { owner, .. } = &self.phase else {
            return;
        };
        let Some(open) = owner.journal().open.get(&task) else {
            return;
        };
        let history = owner
            .journal()
            .history_before(task)
            .map(|said| (said.role, said.content.clone()))
            .collect();
        let briefing = Briefing {
            key: self.key.clone(),
            task,
            attempt,
            accepted: open.accepted.clone(),
            accepted_at: open.accepted_at,
            deadline: open.expires_at(),
            history,
            version: open.version().cloned(),
        };
        self.hub.begin(task, attempt);
        let line = AttemptLine::new(task, attempt, ctx.cancellation());
        self.attempt = Some(line.clone());
        let (shared, hub, loopback) = (Arc::clone(&self.shared), Arc::clone(&self.hub), ctx.loopback());
        ctx.spawn(attempt::run(shared, hub, briefing, line, loopback));
    }

    pub(super) fn go(&mut self, task: u32, attempt: u32, path: StepPath) {
        self.hint(task, &path);
        if let Some(line) = self.attempt.as_ref().filter(|line| line.is(task, attempt)) {
            line.send(ToAgent::Answer {
                path,
                answer: StepAnswer::Go,
            });
        }
    }

    pub(super) fn answer(
        &self,
        ctx: &Context<Message>,
        task: u32,
        attempt: u32,
        path: StepPath,
        outcome: StepOutcome,
    ) {
        let Some(line) = self.attempt.as_ref().filter(|line| line.is(task, attempt)) else {
            return;
        };
        let finished = |result| ToAgent::Answer {
            path,
            answer: StepAnswer::Finished(result),
        };
        match outcome {
            StepOutcome::Failed(failure) => line.send(finished(Err(failure))),
            StepOutcome::Done(Payload::Inline(text)) => line.send(finished(Ok(text.to_string()))),
            StepOutcome::Done(stored) => {
                let (shared, key, line) = (Arc::clone(&self.shared), self.key.clone(), line.clone());
                ctx.spawn(async move {
                    let text = payloads::fetch(&*shared.store, &key, &stored).await;
                    line.send(finished(text.map(|text| text.to_string())));
                });
            }
        }
    }

    pub(super) fn perform(&mut self, ctx: &Context<Message>, task: u32, attempt: u32, let_go: LetGo) {
        let LetGo {
            head,
            call,
            due,
            lost,
        } = let_go;
        self.hint(task, &head.path);
        let Phase::Owned { owner, .. } = &self.phase else {
            return;
        };
        let Some(line) = self.attempt.as_ref().filter(|line| line.is(task, attempt)) else {
            return;
        };
        let Some(open) = owner.journal().open.get(&task) else {
            return;
        };
        let step = perform::Step {
            shared: Arc::clone(&self.shared),
            hub: Arc::clone(&self.hub),
            key: self.key.clone(),
            task,
            attempt,
            head,
            call,
            due,
            accepted: open.accepted.clone(),
            used: owner.spending(task),
            lost,
            meter: Arc::default(),
            steps_used: open.next_number,
            expires_at: open.expires_at(),
            accepted_at: open.accepted_at,
            cancel: line.cancelled(),
            span: line.span(),
        };
        if let Some(child) = step.child() {
            self.children.push((task, child));
        }
        let loopback = ctx.loopback();
        let path = step.head.path.clone();
        if matches!(step.head.kind, StepKind::Model | StepKind::Agent) {
            self.meters.push(Metered {
                task,
                attempt,
                path: path.clone(),
                meter: Arc::clone(&step.meter),
            });
        }
        let cancel = line.cancelled();
        ctx.spawn(async move {
            let (outcome, cost) = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                done = step.run() => done,
            };
            loopback.send(Message::Finished {
                task,
                attempt,
                path,
                outcome,
                cost,
            });
        });
    }

    /// Tells readers that a step began.
    fn hint(&self, task: u32, path: &StepPath) {
        let Phase::Owned { owner, .. } = &self.phase else {
            return;
        };
        let live = owner.live_steps(task).find(|(live, ..)| *live == path);
        if let Some((_, head, started_at)) = live {
            let view = StepView {
                number: head.number,
                attempt: head.attempt,
                kind: head.kind,
                name: head.name.clone(),
                effect: head.effect,
                status: StepStatus::Started,
                started_at,
                finished_at: None,
                usage: None,
                error: None::<Failure>,
                prompt: None,
            };
            self.hub.hint(task, view);
        }
    }
}
