//! Waiting for a child task, whoever runs it, and what its end is to its parent's step.

use std::sync::Arc;

use greenroom_kernel::{ErrorCode, Failure, JournalKey, TaskId, TaskRow, TaskStatus};
use tokio::sync::oneshot;

use crate::payloads::{fetch, patiently};
use crate::shared::Shared;

/// How often a child's row is looked at that this process runs, and one that another does.
const HERE: std::time::Duration = std::time::Duration::from_secs(5);
const ELSEWHERE: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether a child's task was ever accepted.
pub(super) async fn is_known(shared: &Shared, key: &JournalKey) -> Result<bool, Failure> {
    let id = TaskId {
        journal: key.journal.clone(),
        ordinal: 0,
    };
    let read = || async {
        let row = shared.store.task(&key.tenant, &id).await;
        row.map_err(|error| Failure::from(&error))
    };
    Ok(patiently(read).await?.is_some())
}

/// Waits until a task is terminal, whoever runs it: told by its owner, or found in the store when that is lost.
pub(super) async fn wait_for_end(
    shared: &Arc<Shared>,
    key: &JournalKey,
    ordinal: u32,
    told: oneshot::Receiver<TaskRow>,
) -> Result<TaskRow, Failure> {
    let id = TaskId {
        journal: key.journal.clone(),
        ordinal,
    };
    if let Ok(row) = told.await
        && row.status.is_terminal()
    {
        return Ok(row);
    }
    // It rests with a person, or its owner was lost: its journal's hub tells of every change.
    let hub = shared.journals.hub(key);
    let mut changes = hub.subscribe();
    loop {
        changes.borrow_and_update();
        let read = || async {
            let row = shared.store.task(&key.tenant, &id).await;
            row.map_err(|error| Failure::from(&error))
        };
        match patiently(read).await? {
            Some(row) if row.status.is_terminal() => return Ok(row),
            Some(_) => {}
            None => return Err(Failure::not_found("task")),
        }
        // A hub only knows of this process: look again now and then.
        let pause = match shared.fleet.is_some() && !shared.journals.is_live(key) {
            true => ELSEWHERE,
            false => HERE,
        };
        let _ = tokio::time::timeout(pause, changes.changed()).await;
    }
}

pub(super) async fn child_result(shared: &Shared, key: &JournalKey, row: TaskRow) -> Result<String, Failure> {
    let failed = |code, message: &str| Failure::new(code, format!("agent {}: {message}", row.agent));
    match (row.status, &row.output, &row.error) {
        (TaskStatus::Completed, Some(output), _) => {
            let content = match &output.content {
                Some(content) => {
                    let text = patiently(|| fetch(&*shared.store, key, content)).await?;
                    Some(text.to_string())
                }
                None => None,
            };
            let data: Option<Box<serde_json::value::RawValue>> = match &output.data {
                Some(data) => {
                    let text = patiently(|| fetch(&*shared.store, key, data)).await?;
                    serde_json::from_str(&text).ok()
                }
                None => None,
            };
            let answer =
                serde_json::json!({ "taskId": row.id.to_string(), "content": content, "data": data });
            Ok(answer.to_string())
        }
        (TaskStatus::Cancelled, ..) => Err(failed(ErrorCode::Cancelled, "cancelled")),
        (_, _, Some(failure)) => Err(Failure {
            message: format!("agent {}: {}", row.agent, failure.message),
            ..failure.clone()
        }),
        _ => Err(failed(ErrorCode::AgentFailed, "ended without an answer")),
    }
}
