//! `greenroom tasks`: looks at tasks and settles them, through the process that runs them or else in the store.

use std::path::{Path, PathBuf};

use greenroom_kernel::{ErrorCode, TaskStatus};
use serde_json::Value;

use crate::cli::{Status, TasksArgs, TasksCommand};
use crate::config::{self, Flags, Sources};
use crate::control::{Answer, Request, answer};
use crate::failed::Failed;
use crate::output;

/// Does it and prints what came of it.
pub(crate) fn run(file: Option<PathBuf>, args: TasksArgs) -> Result<(), Failed> {
    let flags = Flags {
        store: args.stored.store,
        ..Flags::default()
    };
    let store = config::load(&Sources::of_process(file, flags))?.config.store;
    let is_list = matches!(args.command, TasksCommand::List { .. });
    let export = match &args.command {
        TasksCommand::Export { output, .. } => Some(output.clone()),
        _ => None,
    };
    let value = match answer(&store, &request(args.command))? {
        Answer::Ok(value) => value,
        Answer::Err(failure) if failure.code == ErrorCode::BadUserInput => {
            return Err(Failed::misused(failure.message));
        }
        Answer::Err(failure) => return Err(Failed::because(failure.message)),
    };
    if let Some(file) = export {
        return exported(file.as_deref(), &value);
    }
    match (args.stored.json, is_list) {
        (true, _) => output::json(&value),
        (false, true) => output::text(&list(&value)),
        (false, false) => output::text(&task(&value)),
    }
}

/// A journal is JSON whether or not that is asked for.
fn exported(file: Option<&Path>, journal: &Value) -> Result<(), Failed> {
    let Some(file) = file else {
        return output::json(journal);
    };
    let text = serde_json::to_string_pretty(journal)?;
    std::fs::write(file, text + "\n")
        .map_err(|error| Failed::because(format!("can't write {}: {error}", file.display())))?;
    let entries = journal["entries"].as_array().map_or(0, Vec::len);
    output::text(&format!(
        "{}: {entries} entries, with their content\n",
        file.display()
    ))
}

fn request(command: TasksCommand) -> Request {
    match command {
        TasksCommand::List {
            status,
            session,
            limit,
            after,
        } => Request::List {
            status: status.map(TaskStatus::from),
            session,
            limit,
            after,
        },
        TasksCommand::Show { id } => Request::Show { id },
        TasksCommand::Export { id, .. } => Request::Export { id },
        TasksCommand::Kill { id } => Request::Kill { id },
        TasksCommand::Retry { id } => Request::Retry { id },
        TasksCommand::Settle {
            id,
            step,
            attempt,
            done,
            note,
            ..
        } => Request::Settle {
            id,
            step,
            attempt,
            done,
            note,
        },
    }
}

impl From<Status> for TaskStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Accepted => Self::Accepted,
            Status::Running => Self::Running,
            Status::Waiting => Self::Waiting,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

fn list(value: &Value) -> String {
    let tasks = value["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    if tasks.is_empty() {
        return "no tasks".to_owned();
    }
    let width = tasks.iter().map(|task| text(task, "id").len()).max().unwrap_or(0);
    let mut lines: Vec<String> = tasks
        .iter()
        .map(|task| {
            let error = task["error"]["message"].as_str().unwrap_or("");
            let line = format!(
                "{:width$}  {:15}  {:12}  {}  {}",
                text(task, "id"),
                text(task, "status"),
                text(task, "agent"),
                text(task, "createdAt"),
                error
            );
            line.trim_end().to_owned()
        })
        .collect();
    if let Some(next) = value["next"].as_str() {
        lines.push(format!("more: --after {next}"));
    }
    lines.join("\n")
}

fn task(value: &Value) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{name:<10} {value}"));
        }
    };
    for (name, key) in [
        ("task", "id"),
        ("session", "sessionId"),
        ("agent", "agent"),
        ("status", "status"),
        ("created", "createdAt"),
        ("updated", "updatedAt"),
        ("deadline", "deadline"),
        ("parent", "parent"),
    ] {
        line(name, text(value, key));
    }
    line("attempts", &value["attempts"].to_string());
    line("input", &value["input"].to_string());
    line("content", text(value, "content"));
    if !value["data"].is_null() {
        line("data", &value["data"].to_string());
    }
    if !value["error"].is_null() {
        line(
            "error",
            &format!(
                "{}: {}",
                text(&value["error"], "code"),
                text(&value["error"], "message")
            ),
        );
    }
    for step in value["steps"].as_array().map_or(&[][..], Vec::as_slice) {
        let name = text(step, "name");
        let error = step["error"]["message"].as_str().unwrap_or("");
        let shown = format!(
            "{} {} {} {} {error}",
            step["seq"],
            text(step, "kind"),
            name,
            text(step, "status")
        );
        line("step", &shown.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_one_line_a_task_and_tells_how_to_go_on() {
        let value = json!({ "tasks": [
            { "id": "s.0", "status": "COMPLETED", "agent": "echo", "createdAt": "2026-01-01T00:00:00.000Z" },
            { "id": "session.12", "status": "FAILED", "agent": "a", "createdAt": "2026-01-01T00:00:00.000Z",
              "error": { "message": "boom" } },
        ], "next": "t" });
        let expected = "s.0         COMPLETED        echo          2026-01-01T00:00:00.000Z\n\
                        session.12  FAILED           a             2026-01-01T00:00:00.000Z  boom\n\
                        more: --after t";
        assert_eq!(list(&value), expected);
        assert_eq!(list(&json!({ "tasks": [] })), "no tasks");
    }

    #[test]
    fn a_task_is_shown_with_its_steps() {
        let value = json!({
            "id": "s.0", "sessionId": "s", "agent": "echo", "status": "FAILED", "attempts": 2, "input": { "a": 1 },
            "error": { "code": "AGENT_FAILED", "message": "boom" },
            "steps": [{ "seq": 1, "kind": "EFFECT", "name": "pay", "status": "OUTCOME_UNKNOWN" }],
        });
        let shown = task(&value);
        assert!(shown.contains("input      {\"a\":1}\n"), "{shown}");
        assert!(shown.contains("error      AGENT_FAILED: boom\n"), "{shown}");
        assert!(
            shown.ends_with("step       1 EFFECT pay OUTCOME_UNKNOWN"),
            "{shown}"
        );
    }
}
