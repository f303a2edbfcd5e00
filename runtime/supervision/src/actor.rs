//! What an actor is here: a value with hooks, rebuilt from its factory at every restart.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cause::ActorError;
use crate::environment::Environment;
use crate::handle::Handle;
use crate::life::Life;
use crate::line::Admission;
use crate::loopback::Loopback;
use crate::tree::Node;

/// A supervised actor. The value is its state.
///
/// - A handler never awaits anything of unknown length: such work goes to [`Context::spawn`] and comes back by
///   [`Context::loopback`].
/// - An `Err` from any hook ends the actor: only for a state that can't be trusted. Expected failures are answers.
/// - Nothing that must happen lives in `post_stop`: a killed or panicked actor doesn't run it.
pub trait Supervised: Send + Sized + 'static {
    /// What it is told.
    type Msg: Send + 'static;

    /// Before the first message; messages already wait. Ended when it takes too long.
    fn pre_start(&mut self, ctx: &Context<Self::Msg>) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// After `pre_start`, before the first message; its failures are the actor's like those of `handle`.
    fn post_start(
        &mut self,
        ctx: &Context<Self::Msg>,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// One message. The admission is given back at the end, or when the task it was moved into ends.
    fn handle(
        &mut self,
        ctx: &Context<Self::Msg>,
        message: Self::Msg,
        admission: Admission,
    ) -> impl Future<Output = Result<(), ActorError>> + Send;

    /// After a stop that was asked for, and only then.
    fn post_stop(&mut self, ctx: &Context<Self::Msg>) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Something happened to an actor linked to this one. Nothing, by default: ractor's own default would stop
    /// the supervisor with its child.
    fn child_event(
        &mut self,
        ctx: &Context<Self::Msg>,
        event: ractor::SupervisionEvent,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = (ctx, event);
        async { Ok(()) }
    }
}

/// An actor's view of itself.
pub struct Context<M> {
    pub(crate) actor: ractor::ActorCell,
    pub(crate) handle: Handle<M>,
    pub(crate) loopback: Loopback<M>,
    pub(crate) life: Life,
    pub(crate) node: Arc<Node>,
    pub(crate) environment: Environment,
    pub(crate) incarnation: u32,
}

impl<M: Send + 'static> Context<M> {
    /// Its place in the tree.
    pub fn path(&self) -> &str {
        self.node.path()
    }

    /// Which incarnation it is, from 1 on.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// A handle to itself that stays good over restarts.
    pub fn handle(&self) -> &Handle<M> {
        &self.handle
    }

    /// How its own tasks tell it something.
    pub fn loopback(&self) -> Loopback<M> {
        self.loopback.clone()
    }

    /// What the tree was given from outside.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A token that is cancelled when this incarnation ends, however it ends.
    pub fn cancellation(&self) -> CancellationToken {
        self.life.ended().child_token()
    }

    /// Runs a task beside the mailbox, in the trace of the message at hand. It is dropped where it awaits when this
    /// incarnation ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_apart(task.in_current_span());
    }

    /// As [`Context::spawn`], but in no trace: for what outlives the message that caused it.
    pub fn spawn_apart(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.life.ended().clone();
        self.environment.tasks().spawn(async move {
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ends this actor after the message at hand, as it was meant to. Messages still waiting are dropped, and
    /// their callers told.
    pub fn stop(&self, reason: &str) {
        self.actor.stop(Some(reason.to_owned()));
    }
}
