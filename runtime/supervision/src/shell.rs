//! The ractor actor around a [`Supervised`] value: the only place where hooks are called.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::actor::{Context, Supervised};
use crate::cause::{ActorError, Cause, panic_message};
use crate::environment::Environment;
use crate::handle::Handle;
use crate::life::{Guard, Life, Stage};
use crate::line::Envelope;
use crate::loopback::Loopback;

/// Where an incarnation's value comes from.
pub(crate) enum Source<A> {
    Factory(Box<dyn Fn() -> A + Send + Sync>),
    Once(Mutex<Option<A>>),
}

impl<A> Source<A> {
    fn make(&self) -> Result<A, ActorError> {
        match self {
            Self::Factory(make) => Ok(make()),
            Self::Once(value) => value
                .lock()
                .take()
                .ok_or_else(|| "it can be started only once".into()),
        }
    }
}

pub(crate) struct Shell<A>(PhantomData<fn() -> A>);

impl<A> Shell<A> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// What an incarnation starts with.
pub(crate) struct Boot<A: Supervised> {
    pub(crate) source: Arc<Source<A>>,
    pub(crate) guard: Guard<A::Msg>,
    pub(crate) environment: Environment,
    pub(crate) incarnation: u32,
    pub(crate) start_within: Duration,
}

/// A running incarnation. The actor's value is dropped before the guard.
pub(crate) struct Live<A: Supervised> {
    actor: A,
    ctx: Context<A::Msg>,
    start_within: Duration,
    start_until: Instant,
    guard: Option<Guard<A::Msg>>,
}

impl<A: Supervised> Actor for Shell<A> {
    type Msg = Envelope<A::Msg>;
    type State = Live<A>;
    type Arguments = Boot<A>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        boot: Boot<A>,
    ) -> Result<Live<A>, ActorProcessingErr> {
        let Boot {
            source,
            guard,
            environment,
            incarnation,
            start_within,
        } = boot;
        guard.line.connect(&myself, &guard.life);
        let ctx = Context {
            actor: myself.get_cell(),
            handle: Handle::new(Arc::clone(&guard.line)),
            loopback: Loopback::new(myself),
            life: guard.life.clone(),
            node: Arc::clone(&guard.node),
            environment,
            incarnation,
        };
        let start_until = Instant::now() + start_within;
        let starting = AssertUnwindSafe(async {
            let mut actor = source.make()?;
            actor.pre_start(&ctx).await?;
            Ok::<_, ActorError>(actor)
        });
        let cause = match tokio::time::timeout_at(start_until, starting.catch_unwind()).await {
            Ok(Ok(Ok(actor))) => {
                return Ok(Live {
                    actor,
                    ctx,
                    start_within,
                    start_until,
                    guard: Some(guard),
                });
            }
            Ok(Ok(Err(error))) => Cause::from_error(&error),
            Ok(Err(panic)) => Cause::Panic(panic_message(panic)),
            Err(_) => Cause::StartTimeout(start_within),
        };
        guard.life.condemn(cause.clone());
        Err(cause.to_string().into())
    }

    async fn post_start(&self, _: ActorRef<Self::Msg>, live: &mut Live<A>) -> Result<(), ActorProcessingErr> {
        live.ctx.life.reach(Stage::Linked);
        let started = tokio::time::timeout_at(live.start_until, live.actor.post_start(&live.ctx)).await;
        match started {
            Ok(result) => condemning(&live.ctx.life, result)?,
            Err(_) => {
                let cause = Cause::StartTimeout(live.start_within);
                live.ctx.life.condemn(cause.clone());
                return Err(cause.to_string().into());
            }
        }
        live.ctx.life.beat();
        if live.guard.as_ref().is_some_and(|guard| guard.notice.is_none()) {
            // A root: nobody above it would say so.
            let change = live.ctx.node.set_running();
            live.ctx.environment.tree().publish(&live.ctx.node, change, None);
        }
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Envelope<A::Msg>,
        live: &mut Live<A>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Envelope::Work(message, admission) => {
                let done = live.actor.handle(&live.ctx, message, admission).await;
                condemning(&live.ctx.life, done)?;
            }
            Envelope::Ping => live.ctx.life.answer_ping(),
        }
        live.ctx.life.beat();
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Self::Msg>, live: &mut Live<A>) -> Result<(), ActorProcessingErr> {
        let stopped = live.actor.post_stop(&live.ctx).await;
        condemning(&live.ctx.life, stopped)?;
        live.ctx.life.reach(Stage::Finished);
        // The state travels to the supervisor in the event: what hangs on the guard must not wait for it.
        drop(live.guard.take());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: ractor::SupervisionEvent,
        live: &mut Live<A>,
    ) -> Result<(), ActorProcessingErr> {
        let done = live.actor.child_event(&live.ctx, event).await;
        condemning(&live.ctx.life, done)
    }
}

/// Keeps a hook's error as the cause: ractor hands panics and errors on as one.
fn condemning(life: &Life, done: Result<(), ActorError>) -> Result<(), ActorProcessingErr> {
    done.inspect_err(|error| life.condemn(Cause::from_error(error)))
}
