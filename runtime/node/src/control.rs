//! The administrator's door to a running process: a socket beside the store, open to the store's owner only.
//!
//! One JSON object a line: a [`Request`], then its [`Answer`]. Who has the store open answers; where nobody has,
//! the command opens the store itself and does what can be done without running anything.

mod agents;
mod client;
mod desk;
mod follow;
mod offline;
mod reach;
mod server;
mod spend;
mod view;

use std::path::{Path, PathBuf};

use greenroom_kernel::{AgentName, Failure, SpendQuery, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use client::{Reached, ask};
pub(crate) use desk::Desk;
use offline::Offline;
pub(crate) use reach::answer;
pub(crate) use server::ControlSocket;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(crate) enum Request {
    /// A page of tasks, the newest first.
    List {
        status: Option<greenroom_kernel::TaskStatus>,
        session: Option<String>,
        limit: u32,
        after: Option<String>,
    },
    /// One task with its steps.
    Show { id: String },
    /// One task's journal.
    Export { id: String },
    /// Ends a task as failed.
    Kill { id: String },
    /// Accepts an ended task once more.
    Retry { id: String },
    /// Says what became of a step.
    Settle {
        id: String,
        step: u32,
        /// The step as which attempt left it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        done: Option<String>,
        note: Option<String>,
    },
    /// What was spent.
    Spend(SpendQuery),
    /// Every agent as it is now.
    Agents,
    /// A page of what was seen of an agent, the youngest beginning first.
    AgentHistory {
        agent: AgentName,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
        after: Option<String>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Ok(Value),
    Err(Failure),
}

/// Longest line either side reads, in bytes.
const LINE_AT_MOST: u64 = 64 << 20;

/// Where the process that has this store open listens.
pub(crate) fn socket_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".sock");
    name.into()
}

#[cfg(test)]
mod tests;
