//! Runs agents in tests: with scripted models, other agents and people, on a clock that jumps, through crashes at
//! every place, and against journals of real tasks. Behind the feature `testkit`.
//!
//! What is written, replayed and let go is decided by the same code that decides it in production: the kernel's
//! owner of a journal. Only the store is a list in memory, and the agent is polled where the test runs.
//!
//! # Crashes
//!
//! [`Bench::assert_survives_crashes`] runs the agent once undisturbed, and notes every place where something is
//! under way: each message between agent and supervisor, in either direction; each append, before the store took it
//! and after; each own step that waits in its middle; each rest with a person. Then it runs the agent again for each
//! place and each thing that can go wrong there:
//!
//! - the agent's process dies, and what was under way between it and the supervisor is lost;
//! - the stream breaks while both live on. A stream is in order and loses nothing by itself, so this is what a
//!   dropped message means;
//! - the supervisor dies, and another one takes the journal over;
//! - the message comes twice (where one can: a stream doesn't repeat a call), comes late, or comes when its attempt
//!   has died and the next one is under way; the store's answer is lost, so that the append is sent again.
//!
//! Where an effect's outcome is unknown, a person settles it who knows what really happened. Each run must come to
//! the undisturbed run's end, with no replay asking for other steps, and with each effect that a [`Probe`] counts
//! as often as undisturbed; fewer are allowed only where the task rested with OUTCOME_UNKNOWN. One disturbance a
//! run: what two at once do is not looked for.
//!
//! Steps are named by their path, which is their number where an agent has no scopes.
//!
//! # Time
//!
//! The kit's clock stands still while anything can go on, and then jumps to the next timer, timeout or deadline. It
//! is what `ctx.now()` reads. An agent that waits for something outside its context is waited for in real time.

mod attempt;
mod bench;
mod clock;
mod explore;
mod plan;
mod probe;
mod ran;
mod replay;
mod script;
mod stage;
mod watch;

pub use bench::Bench;
pub use explore::{Finding, FindingKind, Survival};
pub use greenroom_kernel::{Limits, StepKind};
pub use probe::Probe;
pub use ran::{End, Ran, StepRan};
pub use replay::{Replay, ReplayError, Replayed};
pub use script::Reply;

pub(crate) use watch::{Watch, watched};

/// Asserts that a bench's agent survives crashes: [`Bench::assert_survives_crashes`].
///
/// # Panics
/// When it doesn't, naming what and where.
pub async fn survives(bench: Bench) {
    bench.assert_survives_crashes().await;
}
