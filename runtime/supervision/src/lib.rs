//! Supervised actors: each can fail without taking the show down.
//!
//! ractor runs the actors. This crate adds what must hold around them:
//! - **Admission**: a permit is taken before the cast and travels with the message ([`Handle::send`]); without
//!   one the caller is refused at once, with a time to come back.
//! - **Restarts**: strategy, intensity, backoff and escalation are stated ([`SupervisorSpec`]); handles stay good
//!   over restarts, and a call the actor left unanswered fails retryably.
//! - **Hangs**: starts and stops have limits, and a [`Watchdog`] kills what finishes nothing.
//! - **State to read**: the [`Tree`] shows every actor as it lives, and a [`Gate`] keeps an actor's breaker and
//!   health outside it, so that a restart changes neither.
//!
//! A name is a place in the tree, never ractor's process-wide name: two trees in one process don't collide.
//!
//! ```
//! use std::sync::Arc;
//! use greenroom_supervision::{
//!     ActorError, Admission, ChildSpec, Context, Environment, Reply, Root, Supervised, SupervisorSpec,
//! };
//! # use std::time::Duration;
//! # struct Ports;
//! # impl greenroom_kernel::Clock for Ports {
//! #     fn now(&self) -> greenroom_kernel::Timestamp { greenroom_kernel::Timestamp::from_millis(0) }
//! #     fn monotonic(&self) -> Duration { Duration::ZERO }
//! # }
//! # impl greenroom_kernel::Randomness for Ports { fn next_u64(&self) -> u64 { 0 } }
//!
//! struct Counter(u64);
//!
//! enum Ask {
//!     Add(u64),
//!     Total(Reply<u64>),
//! }
//!
//! impl Supervised for Counter {
//!     type Msg = Ask;
//!
//!     async fn handle(&mut self, _: &Context<Ask>, ask: Ask, _: Admission) -> Result<(), ActorError> {
//!         match ask {
//!             Ask::Add(n) => self.0 += n,
//!             Ask::Total(reply) => reply.send(self.0),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = Environment::new(Arc::new(Ports), Arc::new(Ports));
//! let (child, counter) = ChildSpec::new("counter", "counter", || Counter(0)).capacity(16).build();
//! let root = Root::start(&environment, SupervisorSpec::new("node").child(child)).map_err(|c| c.to_string())?;
//! root.supervisor().ready().await?;
//!
//! counter.send(Ask::Add(2))?;
//! assert_eq!(counter.call(Ask::Total).await?, 2);
//!
//! // Sessions come and go by the thousand: once, and unwatched.
//! let session = root.supervisor().add(ChildSpec::once("s-1", "session", Counter(40))).await?;
//! session.send(Ask::Add(2))?;
//! assert_eq!(session.call(Ask::Total).await?, 42);
//! assert_eq!(environment.tree().snapshot()[0].children.len(), 2);
//!
//! root.stop().await;
//! # Ok(())
//! # }
//! ```

mod actor;
mod cause;
mod child;
mod environment;
mod gate;
mod handle;
mod life;
mod line;
mod loopback;
mod root;
mod shell;
mod supervisor;
mod tree;

pub use actor::{Context, Supervised};
pub use cause::{ActorError, Cause};
pub use child::{Child, ChildSpec, Restart, Watchdog};
pub use environment::Environment;
pub use gate::{Gate, GatePermit, GateStatus};
pub use handle::{CallError, Handle, Reply, SendError};
pub use line::Admission;
pub use loopback::Loopback;
pub use root::Root;
pub use supervisor::{AddError, Intensity, RemoveError, Strategy, SupervisorHandle, SupervisorSpec};
pub use tree::{RestartHook, Tree, TreeNews, TreeWatch};

#[cfg(test)]
mod tests;
