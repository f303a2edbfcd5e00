//! What `tasks` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::stored::StoredArgs;

#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Tasks, the newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_name = "STATUS", ignore_case = true)]
        status: Option<Status>,
        /// Only those of this session.
        #[arg(long, value_name = "ID")]
        session: Option<String>,
        /// At most this many, 1 to 100.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Goes on behind this page token.
        #[arg(long, value_name = "TOKEN")]
        after: Option<String>,
    },
    /// One task with its steps.
    Show {
        /// Its id.
        id: String,
    },
    /// Write a task's journal, with its content, as a JSON document: for replays in tests.
    Export {
        /// Its id.
        id: String,
        /// Writes it there instead of printing it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// End a task as failed.
    Kill {
        /// Its id.
        id: String,
    },
    /// Accept a failed task once more, as a new task linked to it.
    Retry {
        /// Its id.
        id: String,
    },
    /// Say what became of a step whose outcome is unknown.
    Settle {
        /// The task's id.
        id: String,
        /// The step's number, as `show` prints it.
        step: u32,
        /// The step's attempt as `show` prints it: if it has run again meanwhile, nothing is settled.
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// It was done, with this result (JSON) or none.
        #[arg(long, value_name = "JSON", num_args = 0..=1, default_missing_value = "null",
              conflicts_with = "not_done", required_unless_present = "not_done")]
        done: Option<String>,
        /// It was not done: it may be run.
        #[arg(long)]
        not_done: bool,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

/// A task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it, and are shown as they are")]
pub(crate) enum Status {
    Accepted,
    Running,
    Waiting,
    Completed,
    Failed,
    Cancelled,
    OutcomeUnknown,
}
