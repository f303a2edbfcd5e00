//! The agents that documents show, from the very files they quote, and two that go wrong for the pages on errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use greenroom_agent_sdk::prelude::*;

/// An example's file, without the words at its top.
macro_rules! example {
    ($name:ident, $agent:ident) => {
        mod $name {
            #![allow(
                dead_code,
                reason = "the example's own main is for those who run it by itself"
            )]
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));

            pub(super) fn agent() -> impl Agent {
                $agent
            }
        }
    };
}

example!(first_agent, Greeter);
example!(first_tool, BoxOffice);
example!(buyer, Buyer);

/// A host with all of them.
pub(super) fn host() -> AgentHost {
    AgentHost::new()
        .drain(std::time::Duration::from_millis(100))
        .agent(Arc::new(first_agent::agent()))
        .agent(Arc::new(first_tool::agent()))
        .agent(Arc::new(buyer::agent()))
        .agent(Arc::new(Crasher))
        .agent(Arc::new(Fickle(AtomicU32::new(0))))
}

/// The one that a page also tests.
pub(super) fn a_buyer() -> impl Agent {
    buyer::agent()
}

/// Panics.
struct Crasher;

#[async_trait]
impl Agent for Crasher {
    fn card(&self) -> Card {
        Card::new("crasher", "1.0.0", "Panics")
    }

    async fn run(&self, _: Task, _: Context) -> Result<Output, AgentError> {
        panic!("the props are gone");
    }
}

/// Depends on something that is neither its task nor its context: does another thing in every attempt.
struct Fickle(AtomicU32);

#[async_trait]
impl Agent for Fickle {
    fn card(&self) -> Card {
        Card::new("fickle", "1.0.0", "Breaks the one rule")
    }

    async fn run(&self, _: Task, ctx: Context) -> Result<Output, AgentError> {
        let name = match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => "bow",
            _ => "curtsy",
        };
        ctx.step(name, Effect::NonIdempotent, async { Ok(()) }).await?;
        ctx.approval("Go on?").await?;
        Ok(Output::text("went on"))
    }
}
