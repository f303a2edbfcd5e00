//! The supervisor: an actor that starts others, and decides what happens when one of them ends.

mod end;
mod handle;
mod intensity;
mod lifecycle;
mod rebuild;
mod shutdown;
mod slots;
mod spec;

use std::sync::Arc;

use greenroom_kernel::ActorState;
use ractor::SupervisionEvent;

use crate::actor::{Context, Supervised};
use crate::cause::{ActorError, Cause};
use crate::child::Child;
use crate::handle::Reply;
use crate::life::{Life, Stage};
use crate::line::Admission;

pub use handle::{AddError, RemoveError, SupervisorHandle};
pub use spec::{Intensity, Strategy, SupervisorSpec};

use intensity::Restarts;
use rebuild::Rebuild;
use slots::Slots;
use spec::Policy;

/// What a supervisor is told.
pub(crate) enum Message {
    Add {
        child: Child,
        reply: Reply<Result<(), AddError>>,
    },
    Remove {
        name: Arc<str>,
        reply: Reply<Result<(), RemoveError>>,
    },
    Ready {
        reply: Reply<()>,
    },
    StartFailed {
        slot: u64,
        incarnation: u32,
        cause: Cause,
    },
    Abandoned {
        slot: u64,
        incarnation: u32,
        cause: Cause,
    },
    Due {
        slot: u64,
        incarnation: u32,
    },
    RebuildDue {
        number: u64,
    },
}

/// A supervisor's state.
pub(crate) struct Supervisor {
    policy: Policy,
    fixed: Arc<[Child]>,
    slots: Slots,
    restarts: Restarts,
    rebuild: Option<Rebuild>,
    rebuilds: u64,
    ready: Vec<Reply<()>>,
}

type Ctx = Context<Message>;

impl Supervisor {
    pub(crate) fn new(policy: Policy, fixed: Arc<[Child]>) -> Self {
        Self {
            policy,
            fixed,
            slots: Slots::default(),
            restarts: Restarts::new(policy.intensity),
            rebuild: None,
            rebuilds: 0,
            ready: Vec::new(),
        }
    }

    /// Why a linked actor ended, which ractor only half tells.
    fn cause(life: &Life, reported: impl FnOnce() -> Cause) -> Cause {
        life.verdict().unwrap_or_else(reported)
    }
}

impl Supervised for Supervisor {
    type Msg = Message;

    async fn post_start(&mut self, ctx: &Ctx) -> Result<(), ActorError> {
        self.begin(ctx);
        Ok(())
    }

    async fn handle(&mut self, ctx: &Ctx, message: Message, admission: Admission) -> Result<(), ActorError> {
        match message {
            Message::Add { child, reply } => self.add(ctx, child, reply),
            Message::Remove { name, reply } => self.remove(ctx, &name, reply),
            Message::Ready { reply } => {
                self.ready.push(reply);
                self.tell_ready();
            }
            Message::StartFailed {
                slot,
                incarnation,
                cause,
            } => {
                if self.slots.is_current(slot, incarnation) {
                    self.on_ended(ctx, slot, cause)?;
                }
            }
            Message::Abandoned {
                slot,
                incarnation,
                cause,
            } => {
                if self.slots.is_current(slot, incarnation) {
                    self.abandon(ctx, slot);
                    self.on_ended(ctx, slot, cause)?;
                }
            }
            Message::Due { slot, incarnation } => self.on_due(ctx, slot, incarnation),
            Message::RebuildDue { number } => self.on_rebuild_due(ctx, number),
        }
        drop(admission);
        Ok(())
    }

    async fn post_stop(&mut self, ctx: &Ctx) -> Result<(), ActorError> {
        self.stop_all(ctx).await;
        Ok(())
    }

    async fn child_event(&mut self, ctx: &Ctx, event: SupervisionEvent) -> Result<(), ActorError> {
        match event {
            SupervisionEvent::ActorStarted(actor) => {
                if let Some(slot) = self.slots.of_actor(&actor) {
                    self.on_running(ctx, slot);
                }
                Ok(())
            }
            SupervisionEvent::ActorTerminated(actor, state, reason) => {
                drop(state);
                let Some((slot, life)) = self.slots.life_of(&actor) else {
                    return Ok(());
                };
                let cause = Self::cause(&life, || match life.stage() {
                    Stage::Finished => Cause::Stopped(reason),
                    Stage::Starting | Stage::Linked => Cause::Killed,
                });
                self.on_ended(ctx, slot, cause)
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                let Some((slot, life)) = self.slots.life_of(&actor) else {
                    return Ok(());
                };
                let cause = Self::cause(&life, || Cause::Panic(error.to_string()));
                self.on_ended(ctx, slot, cause)
            }
            SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl Drop for Supervisor {
    /// Fixed children come back with the supervisor; the others don't.
    fn drop(&mut self) {
        for slot in self.slots.iter() {
            if !slot.is_alive() {
                slot.node.set_state(ActorState::Stopped);
            }
            if slot.dynamic {
                slot.child.launcher.close();
            }
        }
    }
}
