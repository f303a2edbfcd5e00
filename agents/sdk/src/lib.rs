//! What an agent developer sees: the [`Agent`] trait, its [`Context`], [`Tool`]s, and the [`AgentHost`] that serves
//! agents to a supervisor by gRPC.
//!
//! An agent is an ordinary async function that may be run again from its beginning after a crash: effects go
//! through the context, which answers those that were finished before from the task's journal. The feature `testkit`
//! brings the module `testkit`, which runs agents in tests and takes them through crashes.
//!
//! ```
#![doc = include_str!("../examples/first_agent.rs")]
//! ```

mod agent;
mod clock;
mod context;
mod error;
mod host;
mod json;
mod run;
mod structured;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tool;

pub use agent::{Agent, Card, Output, Task};
pub use async_trait::async_trait;
pub use clock::SystemClock;
pub use context::{AgentReply, Approval, Context, ModelCall, Step};
pub use error::AgentError;
pub use host::{AgentHost, HostError};
pub use structured::{ask_in_form, json_in};
pub use tool::{FnTool, Tool, ToolContext};

pub use greenroom_kernel::{
    Effect, ErrorCode, Failure, FinishReason, HistoryMessage, ModelAnswer, ModelMessage, ModelRequest,
    ModelRole, OutputFormat, Principal, Role, Timestamp, ToolCall, ToolChoice, ToolSpec, Usage,
};

/// Everything an ordinary agent needs.
pub mod prelude {
    pub use crate::{
        Agent, AgentError, AgentHost, Card, Context, Effect, FnTool, ModelMessage, ModelRequest, ModelRole,
        Output, Task, Tool, async_trait,
    };
    pub use std::sync::Arc;
}
