//! From a child's start to its end and back.

use std::sync::Arc;

use greenroom_kernel::{ActorState, SupervisionChange};
use tokio::time::Instant;

use super::end::{end, watch};
use super::slots::{Phase, Slot};
use super::{AddError, Ctx, Message, RemoveError, Strategy, Supervisor};
use crate::cause::{ActorError, Cause, Escalation};
use crate::child::{Child, Launch, Restart};
use crate::handle::Reply;
use crate::life::StartNotice;

impl Supervisor {
    /// Starts the fixed children.
    pub(super) fn begin(&mut self, ctx: &Ctx) {
        ctx.node
            .forget_all_but(&self.fixed.iter().map(|child| Arc::clone(&child.name)).collect());
        let fixed = Arc::clone(&self.fixed);
        let ids: Vec<u64> = fixed
            .iter()
            .map(|child| {
                let node = ctx.node.child(&child.name, &child.kind, child.vitals());
                self.slots.insert(Slot::new(child.clone(), node, None))
            })
            .collect();
        match self.policy.strategy {
            Strategy::OneForOne => ids.into_iter().for_each(|id| self.start(ctx, id)),
            Strategy::RestForOne => self.rebuild_all(ctx),
        }
    }

    pub(super) fn add(&mut self, ctx: &Ctx, child: Child, reply: Reply<Result<(), AddError>>) {
        if self.slots.named(&child.name).is_some() {
            return reply.send(Err(AddError::NameTaken { name: child.name }));
        }
        let node = ctx.node.child(&child.name, &child.kind, child.vitals());
        let id = self.slots.insert(Slot::new(child, node, Some(reply)));
        if self.rebuild.is_none() {
            self.start(ctx, id);
        }
    }

    pub(super) fn remove(&mut self, ctx: &Ctx, name: &Arc<str>, reply: Reply<Result<(), RemoveError>>) {
        let Some(id) = self.slots.named(name) else {
            return reply.send(Err(RemoveError::Unknown {
                name: Arc::clone(name),
            }));
        };
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.removing.push(reply);
        match slot.phase {
            Phase::Starting | Phase::Running => self.stop(ctx, id, "removed"),
            Phase::Stopping => {}
            Phase::Waiting | Phase::Backoff => {
                let cause = Cause::Stopped(Some("removed".to_owned()));
                ctx.environment
                    .tree()
                    .publish(&slot.node, SupervisionChange::Stopped, Some(&cause));
                self.retire(ctx, id, &cause);
                self.advance(ctx);
            }
        }
    }

    pub(super) fn start(&mut self, ctx: &Ctx, id: u64) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.incarnation += 1;
        slot.phase = Phase::Starting;
        slot.node.set_starting();
        let (incarnation, child) = (slot.incarnation, slot.child.clone());
        let launch = Launch {
            parent: Some(ctx.actor.clone()),
            notice: Some(StartNotice {
                to: ctx.loopback(),
                slot: id,
                incarnation,
            }),
            incarnation,
            start_within: child.rules.start_within,
            node: Arc::clone(&slot.node),
            environment: ctx.environment.clone(),
        };
        match child.launcher.launch(launch) {
            Ok((actor, life)) => {
                self.slots.started(id, actor.clone(), life.clone());
                if let Some(watchdog) = child.rules.watchdog {
                    ctx.spawn_apart(watch(
                        watchdog,
                        child,
                        actor,
                        life,
                        ctx.loopback(),
                        (id, incarnation),
                    ));
                }
            }
            Err(cause) => {
                ctx.loopback().send(Message::StartFailed {
                    slot: id,
                    incarnation,
                    cause,
                });
            }
        }
    }

    pub(super) fn on_running(&mut self, ctx: &Ctx, id: u64) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        if slot.phase != Phase::Starting {
            return;
        }
        slot.phase = Phase::Running;
        slot.running_since = Some(Instant::now());
        let change = slot.node.set_running();
        ctx.environment.tree().publish(&slot.node, change, None);
        if let Some(reply) = slot.adding.take() {
            reply.send(Ok(()));
        }
        self.advance(ctx);
        self.tell_ready();
    }

    pub(super) fn stop(&mut self, ctx: &Ctx, id: u64, reason: &str) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.phase = Phase::Stopping;
        slot.node.set_state(ActorState::Stopping);
        if let Some((actor, _)) = &slot.running {
            actor.stop(Some(reason.to_owned()));
            let limit = slot.child.rules.stop_within;
            ctx.spawn_apart(end(actor.clone(), limit, ctx.loopback(), (id, slot.incarnation)));
        }
    }

    /// The incarnation can't be ended: whatever it still does, it does as a stranger.
    pub(super) fn abandon(&mut self, ctx: &Ctx, id: u64) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        if let Some((actor, life)) = &slot.running {
            slot.child.launcher.abandon(life);
            actor.unlink(ctx.actor.clone());
        }
    }

    pub(super) fn on_ended(&mut self, ctx: &Ctx, id: u64, cause: Cause) -> Result<(), ActorError> {
        if let Some((_, life)) = self.slots.ended(id) {
            life.ended().cancel();
        }
        let Some(slot) = self.slots.get_mut(id) else {
            return Ok(());
        };
        let asked = slot.phase == Phase::Stopping;
        let change = if cause.is_failure() && !asked {
            SupervisionChange::Failed
        } else {
            SupervisionChange::Stopped
        };
        ctx.environment.tree().publish(&slot.node, change, Some(&cause));
        let for_good = match slot.child.rules.restart {
            Restart::Permanent => false,
            Restart::Transient => !asked && !cause.is_failure(),
            Restart::Temporary => true,
        };
        if for_good || slot.adding.is_some() || !slot.removing.is_empty() {
            self.retire(ctx, id, &cause);
            self.advance(ctx);
            self.tell_ready();
            return Ok(());
        }
        if asked {
            slot.phase = Phase::Waiting;
            slot.node.set_ended(ActorState::Waiting, &cause);
            self.advance(ctx);
            return Ok(());
        }
        self.schedule(ctx, id, cause)
    }

    /// Arranges the restart, or gives up.
    fn schedule(&mut self, ctx: &Ctx, id: u64, cause: Cause) -> Result<(), ActorError> {
        let now = Instant::now();
        let Some(slot) = self.slots.get_mut(id) else {
            return Ok(());
        };
        if !self.restarts.admit(now) {
            slot.node.set_ended(ActorState::Failed, &cause);
            let child = slot.node.path().to_owned();
            let escalated = Cause::Escalated {
                child: child.clone(),
                cause: Box::new(cause.clone()),
            };
            ctx.environment
                .tree()
                .publish(&ctx.node, SupervisionChange::Escalated, Some(&escalated));
            return Err(Box::new(Escalation { child, cause }));
        }
        if slot
            .running_since
            .take()
            .is_some_and(|since| now.duration_since(since) >= self.policy.calm)
        {
            slot.failures = 0;
        }
        let delay = self
            .policy
            .backoff
            .half_jitter(slot.failures, ctx.environment.random());
        slot.failures = slot.failures.saturating_add(1);
        slot.phase = Phase::Backoff;
        slot.node.set_ended(ActorState::Backoff, &cause);
        slot.child.launcher.set_down_for(delay);
        match self.policy.strategy {
            Strategy::OneForOne => {
                let (to, incarnation) = (ctx.loopback(), slot.incarnation);
                ctx.spawn_apart(async move {
                    tokio::time::sleep(delay).await;
                    to.send(Message::Due {
                        slot: id,
                        incarnation,
                    });
                });
            }
            Strategy::RestForOne => self.rebuild_from(ctx, id, delay),
        }
        Ok(())
    }

    pub(super) fn on_due(&mut self, ctx: &Ctx, id: u64, incarnation: u32) {
        let due = |slot: &mut Slot| slot.phase == Phase::Backoff && slot.incarnation == incarnation;
        if self.slots.get_mut(id).is_some_and(due) {
            self.start(ctx, id);
        }
    }

    /// The child is gone for good.
    fn retire(&mut self, ctx: &Ctx, id: u64, cause: &Cause) {
        let Some(slot) = self.slots.take(id) else { return };
        slot.child.launcher.close();
        let state = if cause.is_failure() {
            ActorState::Failed
        } else {
            ActorState::Stopped
        };
        slot.node.set_ended(state, cause);
        if slot.dynamic {
            ctx.node.forget(&slot.child.name);
        }
        if let Some(reply) = slot.adding {
            reply.send(Err(AddError::NotStarted {
                name: slot.child.name,
                cause: cause.clone(),
            }));
        }
        for reply in slot.removing {
            reply.send(Ok(()));
        }
    }

    pub(super) fn tell_ready(&mut self) {
        if self.ready.is_empty() || self.rebuild.is_some() {
            return;
        }
        if self
            .slots
            .iter()
            .all(|slot| slot.dynamic || slot.phase == Phase::Running)
        {
            self.ready.drain(..).for_each(|reply| reply.send(()));
        }
    }
}
